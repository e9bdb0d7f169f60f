"""The same faults under ours and its peers: what is kept, what reaches the training, what a call takes.

    python benchmarks/faults.py [--sides ours,TensorBoard] [--faults "one flipped bit"] [--quick]

Each side logs one value per call in a process of its own, as Lightning calls a logger, about 100 times a
second; a second file notes each call that returned. What a reader of that side finds afterwards is counted in
a fresh process. Needs Linux; a full disk needs mounts of one's own (`unshare -m`). Takes twenty minutes.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil
from faults_sides import ROW, SIDES

SCRIPT = Path(__file__).with_name("faults_sides.py")
PAUSE = 0.01
ROOM = 6 << 20


@dataclass
class Outcome:
    """What a fault came to: points kept of those logged, calls that raised, the longest call in seconds."""

    kept: int
    logged: int
    raised: int
    longest: float
    note: str = ""

    def __str__(self) -> str:
        raised = f"{self.raised} raised" if self.raised else ""
        longest = _seconds(self.longest) if self.longest else ""
        parts = f"{self.kept} / {self.logged}", raised, longest, self.note
        return ", ".join(part for part in parts if part)


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value >= 1 else f"{value * 1e3:.1f} ms"


class Process:
    """A process of one side that logs into `folder`."""

    def __init__(self, side: str, folder: Path, seconds: float, *more: float, **environment: str) -> None:
        self.side, self.folder = side, folder
        self.notes = folder.parent / f"{folder.name}.notes"
        folder.mkdir(parents=True, exist_ok=True)
        self._within = environment.pop("within", "")
        command = [sys.executable, SCRIPT, "write", side, folder, seconds, PAUSE, *more]
        mounted = ["unshare", "-m", "sh", "-c", f'{self._within} && exec "$@"', "sh"] if self._within else []
        self.errors = folder.parent / f"{folder.name}.err"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*mounted, *map(str, command)],
                env={**os.environ, "FAULTS_NOTES": str(self.notes), "WANDB_SILENT": "true", **environment},
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def wait_for(self, calls: int, limit: float = 60.0) -> None:
        stop = time.monotonic() + limit
        while len(self.rows()) < calls and self.process.poll() is None and time.monotonic() < stop:
            time.sleep(0.01)

    def rows(self) -> list[tuple[float, int, float]]:
        """Of each call that came back: seconds, whether it raised, when."""
        content = self.notes.read_bytes() if self.notes.exists() else b""
        rows = (content[i : i + ROW].strip(b"\0\n").split() for i in range(0, len(content), ROW))
        return [(float(row[1]), int(row[2]), float(row[3])) for row in rows if len(row) == 4]

    def helpers(self) -> list[psutil.Process]:
        """Its children, and the shipper, which is in a session of its own."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def kill_all(self) -> None:
        helpers = self.helpers()
        self.process.kill()
        for helper in helpers:
            helper.kill()
        self.process.wait()

    def outcome(self, folder: Path | None = None, note: str = "") -> Outcome:
        rows = self.rows()
        kept = readable(self.side, folder or self.folder)
        longest = max((row[0] for row in rows), default=0.0)
        return Outcome(min(kept, len(rows)), len(rows), sum(row[1] for row in rows), longest, note)


def readable(side: str, folder: Path) -> int:
    """How many points a reader in a fresh process finds."""
    command = [sys.executable, SCRIPT, "read", side, folder]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    return int(done.stdout.split()[-1]) if done.returncode == 0 and done.stdout.split() else 0


# -- the faults ---------------------------------------------------------------------------------------------


def killed(side: str, place: Path, quick: bool) -> Outcome:
    """SIGKILL of the training and its helpers at random moments; the sum of all."""
    chance, total = random.Random(side), Outcome(0, 0, 0, 0.0)
    for n in range(2 if quick else 5):
        one = Process(side, place / str(n), 60.0)
        one.wait_for(1)
        time.sleep(chance.uniform(0.5, 4.0))
        one.kill_all()
        found = one.outcome()
        total = Outcome(
            total.kept + found.kept, total.logged + found.logged, 0, max(total.longest, found.longest)
        )
    return total


def full(side: str, place: Path, quick: bool) -> Outcome:
    """A disk that is full for 12 s, and then is not."""
    seconds = 4.0 if quick else 12.0
    disk, copy = place / "disk", place / "copy"
    one = Process(
        side,
        disk,
        seconds + 8.0,
        2.0,
        2.0 + seconds,
        within=f'mount -t tmpfs -o size={ROOM} tmpfs "{disk}"',
        FAULTS_COPY=str(copy),
        TMPDIR=str(place),
    )
    _end(one, seconds + 60.0)
    return one.outcome(copy)


def _end(one: Process, limit: float) -> None:
    try:
        one.process.wait(limit)
    except subprocess.TimeoutExpired:
        one.kill_all()


def helper_stopped(side: str, place: Path, quick: bool) -> Outcome | None:
    """Its helper process stands still for 10 s."""
    return _helper(side, place, signal.SIGSTOP, 4.0 if quick else 10.0)


def helper_killed(side: str, place: Path, quick: bool) -> Outcome | None:
    """Its helper process is killed."""
    return _helper(side, place, signal.SIGKILL, 0.0)


def _helper(side: str, place: Path, number: int, seconds: float) -> Outcome | None:
    one = Process(side, place / "run", seconds + 12.0, FAULTS_HELPER="1")
    one.wait_for(300)
    helpers = one.helpers()
    if not helpers:
        one.kill_all()
        return None
    begin = one.rows()[-1][2]
    for helper in helpers:
        helper.send_signal(number)
    if number == signal.SIGSTOP:
        time.sleep(seconds)
        during = sum(1 for row in one.rows() if begin < row[2] < begin + seconds)
        for helper in helpers:
            helper.send_signal(signal.SIGCONT)
    _end(one, seconds + 60.0)
    note = f"{during} calls meanwhile" if number == signal.SIGSTOP else ""
    return one.outcome(note=note)


def server_gone(side: str, place: Path, quick: bool) -> Outcome | None:
    """A tracking server on an address where nobody listens."""
    if side not in ("ours", "MLflow sqlite"):
        return None
    limit = 10.0 if quick else 20.0
    one = Process(side, place / "run", limit - 5.0, FAULTS_SERVER="http://127.0.0.1:9")
    begin = time.monotonic()
    _end(one, limit + 5.0)
    rows, waited = one.rows(), time.monotonic() - begin
    if not rows:
        return Outcome(0, 0, 0, waited, "in the first call, then ended by us")
    return one.outcome()


def _finished(side: str, place: Path) -> Path:
    one = Process(side, place / "run", 1000 * PAUSE)
    _end(one, 120.0)
    return place / "run"


def _largest(folder: Path) -> Path:
    ours = list(folder.glob("faults/r1/journal/*.jsonl"))
    files = ours or [path for path in folder.rglob("*") if path.is_file()]
    return max(files, key=lambda path: path.stat().st_size)


def flipped(side: str, place: Path, quick: bool) -> Outcome:
    """One flipped bit in the middle of the largest file of a finished run."""
    folder = _finished(side, place)
    before, path = readable(side, folder), _largest(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    return Outcome(readable(side, folder), before, 0, 0.0)


def cut(side: str, place: Path, quick: bool) -> Outcome:
    """Five bytes are missing at the end of the largest file."""
    folder = _finished(side, place)
    before, path = readable(side, folder), _largest(folder)
    os.truncate(path, path.stat().st_size - 5)
    return Outcome(readable(side, folder), before, 0, 0.0)


FAULTS: dict[str, Callable[[str, Path, bool], Outcome | None]] = {
    "SIGKILL of all its processes": killed,
    "disk full for 12 s": full,
    "helper process stopped for 10 s": helper_stopped,
    "helper process killed": helper_killed,
    "tracking server gone": server_gone,
    "one flipped bit": flipped,
    "five bytes cut off": cut,
}


def slow_disk(seconds: float) -> str:
    """Ours alone: every write takes half a second for a time."""
    from etm_lightning.layout import RunFolder
    from etm_lightning.store.run import StoredRun

    with tempfile.TemporaryDirectory(prefix="etm-faults-") as name:
        begin = time.time() + 8.0
        end = begin + seconds
        one = Process("ours", Path(name) / "run", seconds + 15.0, FAULTS_SLOW=f"{begin},{end}")
        _end(one, seconds + 60.0)
        held = sorted((row[0] for row in one.rows()[1:]), reverse=True)  # the first call starts the run
        waited = [value for value in held if value > 0.4]
        run = StoredRun(RunFolder(Path(name) / "run" / "faults" / "r1"))
        well = next(alert.time for alert in run.alerts if "well again" in alert.title) - end
        rest = held[len(waited) :]
        usual = f"the others p99.9 {_seconds(rest[len(rest) // 1000])}, at most {_seconds(rest[0])}"
        kept = f"{one.outcome().kept} / {len(one.rows())}"
        return f"{kept}, {len(waited)} calls waited, {usual}; written through {_seconds(well)} after"


def opening(points: int = 1_000_000) -> str:
    """Ours alone: a run of a million points whose process is gone is opened."""
    code = f"""
import os, sys
from etm_lightning import Run
run = Run("faults", save_dir=sys.argv[1], id="r1", shipper=False)
names = [f"train/metric_{{i}}" for i in range(10)]
for step in range({points // 10}):
    run.log(dict.fromkeys(names, 1.0 / (step + 1)), step=step)
os._exit(9)
"""
    read = """
import sys, time
from pathlib import Path
from etm_lightning.layout import RunFolder
from etm_lightning.store.run import StoredRun
begin = time.perf_counter()
run = StoredRun(RunFolder(Path(sys.argv[1]) / "faults" / "r1"))
status, opened = run.status, time.perf_counter() - begin
count = len(list(run.series("train/metric_3")))
print(f"{status} after {opened:.2f} s, a curve of {count:,} points after {time.perf_counter() - begin:.2f} s")
"""
    with tempfile.TemporaryDirectory(prefix="etm-faults-") as name:
        subprocess.run([sys.executable, "-c", code, name], check=False)
        done = subprocess.run([sys.executable, "-c", read, name], capture_output=True, text=True, check=True)
        return done.stdout.strip()


def versions() -> Iterator[str]:
    names = ("etm-lightning", "lightning", "tensorboard", "wandb", "mlflow")
    yield f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    yield ", ".join(f"{name} {version(name)}" for name in names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--quick", action="store_true", help="shorter, for a first look")
    given = parser.parse_args()
    print("\n".join(versions()))
    print("kept / logged, calls that raised into the training, the longest call\n")
    for fault in given.faults.split(","):
        print(fault if not given.quick else f"{fault} (quick: shorter)")
        for side in given.sides.split(","):
            place = Path(tempfile.mkdtemp(prefix="etm-faults-"))
            try:
                outcome = FAULTS[fault](side, place, given.quick)
                print(f"  {side:14} {outcome or '-'}", flush=True)
            finally:
                shutil.rmtree(place, ignore_errors=True)
    if "ours" in given.sides.split(","):
        seconds = 4.0 if given.quick else 10.0
        print(f"every write takes 0.5 s for {seconds:.0f} s\n  {'ours':14} {slow_disk(seconds)}", flush=True)
        print(f"a crashed run of 1,000,000 points is opened\n  {'ours':14} {opening()}")


if __name__ == "__main__":
    main()
