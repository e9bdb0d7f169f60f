"""What a study costs: beside Hydra's own sweeper, the bare processes, and Optuna alone. Prints ratios.

python benchmarks/search.py
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import search_race

from etm_lightning.design.space import Choice, Interval, Range, Space
from etm_lightning.optimize.folder import Events, StudyFolder
from etm_lightning.optimize.fresh import Fresh, none
from etm_lightning.optimize.history import Asked, Started, Told
from etm_lightning.optimize.study import Study

SCRIPT = """
import atexit, os, sys, time
kind = "controller" if "-m" in sys.argv else "trial"
said = lambda: open(os.environ["CPU"], "a").write(f"{kind} {time.process_time()}\\n")
atexit.register(said)
import hydra
from hydra.core.config_store import ConfigStore
ConfigStore.instance().store("cfg", {"x": 1.0})
@hydra.main(version_base="1.3", config_path=None, config_name="cfg")
def main(cfg):
    return float(cfg.x)
main()
"""
TRIALS = 24
SPACE = Space(
    (
        Interval("lr", 1e-5, 1e-1, log=True),
        Interval("decay", 0.0, 0.1),
        Choice("model", ("a", "b", "c")),
        Range("layers", (2, 4, 6, 8)),
    )
)


def used(folder: Path, *arguments: str) -> dict[str, list[float]]:
    """Seconds of CPU that each process of a command needed, by its kind."""
    file = folder / "cpu.txt"
    file.unlink(missing_ok=True)
    subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"CPU": str(file)},
    )
    found: dict[str, list[float]] = {"controller": [], "trial": []}
    for line in file.read_text().splitlines():
        found[line.split()[0]].append(float(line.split()[1]))
    return found


def trials(folder: Path) -> None:
    """What a trial costs beside the same process alone; and the time between two trials."""
    (folder / "app.py").write_text(SCRIPT)
    few = TRIALS // 4

    def each(*arguments: str) -> tuple[float, float]:
        """CPU of the first process for one more trial, and of a trial's own."""
        short, long = (
            used(folder, "app.py", "-m", *arguments, f"hydra.sweep.dir=study{n}", f"x=range(0,{n})")
            for n in (few, TRIALS)
        )
        own = statistics.median(long["trial"]) if long["trial"] else 0.0
        return (long["controller"][0] - short["controller"][0]) / (TRIALS - few), own

    theirs, _ = each("hydra/sweeper=basic")
    shutil.rmtree(folder / f"study{TRIALS}")
    control, own = each("hydra/sweeper=etm", "hydra/launcher=etm_local")
    told = (folder / f"study{TRIALS}/events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in told if line]
    began = {event["number"]: event["time"] for event in events if event["e"] == "started"}
    ended = {event["number"]: event["time"] for event in events if event["e"] == "told"}
    between = statistics.median(began[n + 1] - ended[n] for n in range(TRIALS - 1))
    place = ("--config-path", str(folder / f"study{TRIALS}/trials/1"), "--config-name", "trial")
    bare = statistics.median(used(folder, "app.py", *place)["trial"][0] for _ in range(TRIALS // 2))
    print(f"CPU of the controller, a trial  {control * 1e3:8.1f} ms")
    print(f"CPU of a trial's own process    {own * 1e3:8.1f} ms, alone {bare * 1e3:.1f} ms")
    print(f"Hydra's own sweeper, a job      {theirs * 1e3:8.1f} ms of CPU, all in one process")
    print(f"between two trials              {between * 1e3:8.1f} ms on the wall")


def asking(folder: Path, n: int = 1000) -> None:
    """The next point of TPE when there are `n`, and Optuna's own, in memory."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ours = Study(folder / "asking.log", SPACE)
    theirs = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    mine: list[float] = []
    bare: list[float] = []
    for number in range(n):
        began = time.process_time()
        asked = ours.ask()
        mine.append(time.process_time() - began)
        assert asked is not None
        ours.tell(number, "finished", [float(asked[1]["lr"]) + float(asked[1]["decay"])])
        began = time.process_time()
        trial = theirs.ask(ours._distributions)
        bare.append(time.process_time() - began)
        theirs.tell(trial, trial.params["lr"] + trial.params["decay"])
    ask, memory = (statistics.median(times[-20:]) for times in (mine, bare))
    ratio = ask / memory
    print(
        f"TPE's trial number {n}     {ask * 1e3:8.1f} ms   in memory {memory * 1e3:.1f} ms, {ratio:.1f} times"
    )


def opening(folder: Path, n: int = 10_000, reports: int = 20) -> None:
    """Opening a study of `n` trials with `reports` values each, as a new controller does."""
    study = StudyFolder(folder / "opening")
    study.path.mkdir()
    _forge(study, n, reports)
    code = (
        "import sys, time, resource; from pathlib import Path; import search as b; import optuna;"
        "began = time.process_time(); b.taken_up(Path(sys.argv[1]));"
        "print(time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    here = Path(__file__).parent
    env = os.environ | {"PYTHONPATH": os.pathsep.join((str(here.parent), str(here)))}
    said = subprocess.run(
        [sys.executable, "-c", code, str(study.path)], env=env, check=True, capture_output=True
    )
    seconds, megabytes = said.stdout.split()
    size = (study.optuna_file.stat().st_size + study.events_file.stat().st_size) / 1e6
    print(f"opening {n} x {reports} reports   {float(seconds):8.1f} s of CPU, {int(megabytes)} MB of memory")
    print(f"                            {size:8.0f} MB on disk")


def taken_up(path: Path) -> None:
    """What a controller reads before it goes on."""
    folder = StudyFolder(path)
    events = Events(folder)
    brain = Fresh(Study(folder.optuna_file, SPACE), SPACE, events, none, 20_000, print)
    assert not brain.open()
    assert len(events.history.trials) > 1000


def _forge(folder: StudyFolder, n: int, reports: int) -> None:
    """One trial, written down `n` times."""
    file = folder.optuna_file
    study = Study(file, SPACE, sampler="random")
    head = file.read_text().splitlines()[0]
    asked = study.ask()
    assert asked is not None
    study.report(0, 1, 0.5)
    study.tell(0, "finished", [0.5])
    lines = [json.loads(line) for line in file.read_text().splitlines()[1:]]
    with file.open("w") as out:
        out.write(head + "\n")
        for number in range(n):
            for line in lines:
                steps = range(1, reports + 1) if line["op_code"] == 7 else (None,)
                for step in steps:
                    changed = {name: number for name in ("trial_id",) if name in line}
                    changed |= {} if step is None else {"step": step}
                    out.write(json.dumps(line | changed) + "\n")
    now, output = time.time(), str(folder.path / "trials" / "run")
    with folder.events_file.open("wb") as events:
        for number in range(n):
            for event in (
                Asked(now, number, asked[1], output),
                Started(now, number, 1, "host", "boot", 1, 1.0),
                Told(now, number, "finished", 0.5, "", "20261128-1-run"),
            ):
                events.write(msgspec.json.encode(event) + b"\n")


PARTS = {"trials": trials, "asking": asking, "opening": opening, "race": search_race.race}


def race(folder: Path) -> None:
    """Beside Ray Tune and Hydra's own sweeper."""
    search_race.race(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), help="which of " + ", ".join(PARTS))
    for part in parser.parse_args().only.split(","):
        with tempfile.TemporaryDirectory() as place:
            PARTS[part](Path(place))


if __name__ == "__main__":
    main()
