"""Runs as they lie in a store, for sinks to be fed with."""

from __future__ import annotations

import math
import os
from pathlib import Path

from etm_lightning import Run
from etm_lightning.journal import seal
from etm_lightning.layout import RunFolder

ODD = {"naïve/損失": 0.1, "a b/c:d": -0.0, "tiny": 5e-324, "third": 1 / 3}
NONFINITE = {"nan": math.nan, "up": math.inf, "down": -math.inf}


def new_run(store: Path, id: str = "r1") -> Run:
    """A run without a shipper: the tests deliver by themselves."""
    return Run("sinks", save_dir=store, id=id, name="readable", group="g", tags=("a", "b"), shipper=False)


def log_steps(run: Run, steps: range, slope: float = 1.0) -> None:
    for step in steps:
        run.log({"train/loss": slope / (step + 1)}, step=step, epoch=step // 10)
        if step % 10 == 9:
            run.log({"val/f1": step / 1000}, step=step, epoch=step // 10, stage="validate")


def simple(store: Path, steps: int = 50, id: str = "r1") -> RunFolder:
    """Params, values of two stages, odd names, NaN and infinities, a text, a table, an end."""
    with new_run(store, id) as run:
        run.log_params({"lr": 1e-3, "model": {"width": 8, "name": "bert"}, "tags": ["x", None]})
        log_steps(run, range(steps))
        run.log(ODD, step=steps)
        run.log(NONFINITE, step=steps)
        run.log({"val/loss_step": 0.5}, step=0, stage="validate", axis="eval_batch")
        run.log_text("sample", "a text", step=3)
        run.log_table("errors", ["word", "count"], [["a", 1], ["b", 2]], step=4)
        run.log_confusion_matrix("val/confusion_matrix", ["cat", "dog"], [[3, 1], [0, 4]], step=5)
        run.alert("look here", "a text")
    return run.folder


def before_the_crash(store: Path) -> RunFolder:
    """An attempt of 80 steps that took a checkpoint after 50 of them and is gone without an end."""
    run = new_run(store)
    log_steps(run, range(50))
    run.mark_checkpoint(step=50)
    log_steps(run, range(50, 80), slope=7.0)
    run._end = object()  # type: ignore[assignment]  # as after SIGKILL: nobody writes down an end
    return run.folder


def after_the_crash(store: Path) -> RunFolder:
    """The next attempt of `before_the_crash`, from its checkpoint to step 100."""
    return go_on(store, range(50, 100))


def go_on(store: Path, steps: range) -> RunFolder:
    """The next attempt of a run, from its checkpoint."""
    run = new_run(store)
    run.go_on(2, 1, _mark_of(run.folder))
    run.start()
    log_steps(run, steps)
    run.end()
    return run.folder


def curve(steps: int = 100) -> list[tuple[int, float]]:
    """What `train/loss` of those two attempts together is to be."""
    return [(step, 1.0 / (step + 1)) for step in range(steps)]


def add_an_unknown_kind(folder: RunFolder) -> None:
    """Write what a later version might."""
    path = max(folder.journal.glob("1-train-*.jsonl"), key=os.path.getmtime)
    with path.open("ab") as file:
        file.write(seal(b'{"k":"hologram","t":1.5,"rays":3}', 10**6))


def _mark_of(folder: RunFolder) -> str:
    from etm_lightning.attempts import facts
    from etm_lightning.records import Checkpoint

    return next(fact.item.id for fact in facts(folder.journal) if isinstance(fact.item, Checkpoint))
