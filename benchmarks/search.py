"""What a study costs: beside Hydra's own sweeper, the bare processes, and Optuna alone. Prints ratios.

python benchmarks/search.py
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from etm_lightning.design.space import Choice, Interval, Range, Space
from etm_lightning.optimize.study import Study

SCRIPT = """
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


Timed = tuple[float, float]
"""Seconds on the wall, and of CPU with all processes that were started and waited for."""


def timed(folder: Path, *arguments: str, **variables: str) -> Timed:
    wall, cpu = time.perf_counter(), _children()
    environment = os.environ | variables
    subprocess.run(
        [sys.executable, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment
    )
    return time.perf_counter() - wall, _children() - cpu


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


OURS = ("-m", "hydra/sweeper=etm", "hydra/launcher=etm_local")


def trials(folder: Path) -> None:
    """What a trial costs beside the same process alone; and the time between two trials."""
    (folder / "app.py").write_text(SCRIPT)
    few, many = (
        timed(folder, "app.py", *OURS, f"hydra.sweep.dir=study{n}", f"x=range(0,{n})")[1]
        for n in (TRIALS // 3, TRIALS)
    )
    told = (folder / f"study{TRIALS}/events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in told if line]
    began = {event["number"]: event["time"] for event in events if event["e"] == "started"}
    ended = {event["number"]: event["time"] for event in events if event["e"] == "told"}
    between = statistics.median(began[n + 1] - ended[n] for n in range(TRIALS - 1))
    frozen = ("app.py", "--config-path", str(folder / f"study{TRIALS}/trials/1"), "--config-name", "trial")
    bare = statistics.median(timed(folder, *frozen)[1] for _ in range(TRIALS))
    each = (many - few) / (TRIALS - TRIALS // 3)
    basic = [
        timed(folder, "app.py", "-m", f"hydra.sweep.dir=basic{n}", f"x=range(0,{n})")[1]
        for n in (TRIALS // 3, TRIALS)
    ]
    theirs = (basic[1] - basic[0]) / (TRIALS - TRIALS // 3)
    print(f"a trial in a study          {each * 1e3:8.1f} ms of CPU")
    print(f"the same process alone      {bare * 1e3:8.1f} ms of CPU: a trial costs {each / bare:.2f} of it")
    print(f"ours of it                  {(each - bare) * 1e3:8.1f} ms of CPU")
    print(f"Hydra's own, no process     {theirs * 1e3:8.1f} ms of CPU")
    print(f"between two trials          {between * 1e3:8.1f} ms on the wall")


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
    file = folder / "opening.log"
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
    code = (
        "import sys, time, resource; from pathlib import Path; import benchmarks.search as b; import optuna;"
        "began = time.perf_counter(); s = b.Study(Path(sys.argv[1]), b.SPACE); s.open();"
        "print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
    )
    root = str(Path(__file__).parents[1])
    env = os.environ | {"PYTHONPATH": root}
    said = subprocess.run(
        [sys.executable, "-c", code, str(file)], env=env, cwd=root, check=True, capture_output=True
    )
    seconds, megabytes = said.stdout.split()
    size = file.stat().st_size / 1e6
    print(f"opening {n} x {reports} reports   {float(seconds):8.1f} s    {int(megabytes)} MB of memory")
    print(f"                            {size:8.0f} MB on disk")


if __name__ == "__main__":
    main()
