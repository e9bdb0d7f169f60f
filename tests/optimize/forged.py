"""A study's folder as its controller leaves it, without the trials' processes."""

from __future__ import annotations

import time
from pathlib import Path

from etm_lightning.design.space import Choice, Space
from etm_lightning.optimize.folder import About, Events, StudyFolder
from etm_lightning.optimize.history import Asked, Told
from etm_lightning.optimize.study import Brain, Grid, Study

SPACE = Space((Choice("lr", ("1e-5", "1e-4", "1e-3", "1e-2")), Choice("size", ("small", "large"))))


def loss(params: dict[str, object]) -> float:
    """Depends on the learning rate nearly alone."""
    return abs(float(str(params["lr"])) * 1000 - 1) + 0.001 * (params["size"] == "small")


def forged(path: Path, *, pruned: bool = False) -> StudyFolder:
    """A study of eight trials; with `pruned` one of Optuna's whose trials said how they did."""
    folder = StudyFolder(path / "etm_runs" / "mine" / ".sweeps" / "s-1")
    folder.path.mkdir(parents=True)
    folder.describe(
        About(
            signature="",
            command=[],
            cwd="",
            project="mine",
            created=0.0,
            space=SPACE.describe(),
            fixed=[],
            settings={},
            monitor="val/loss",
            direction="minimize",
        )
    )
    events = Events(folder)
    brain: Brain = Grid(SPACE, {}, ())
    if pruned:
        brain = Study(folder.optuna_file, SPACE, sampler="grid", pruner="median")
    while (asked := brain.ask()) is not None:
        number, point = asked
        value = loss(dict(point))
        for step in (1, 2):
            brain.report(number, step, value + 1 / step)
        brain.tell(number, "finished", [value])
        events.write(Asked(time.time(), number, point, str(path)))
        events.write(Told(time.time(), number, "finished", value))
    events.close()
    return folder
