"""Disks that are full, folders that are not what they should be, many runs at once: the training goes on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from etm_lightning import ETMLogger, Run
from etm_lightning.attempts import facts
from etm_lightning.layout import RunFolder
from etm_lightning.records import Gap, Scalars
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from tests.faults.tools import needs_mounts, on_a_disk_of
from tests.faults.training import ROOT, Training, curve

Start = Callable[..., Training]

FULL = """
import os, shutil, sys, time
from pathlib import Path
from etm_lightning import ETMLogger
disk, copy, full_at, free_at, steps, pause = Path(sys.argv[1]), sys.argv[2], *map(float, sys.argv[3:7])
ballast = disk / "ballast"
ballast.mkdir()
def fill():
    with open(ballast / "bytes", "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                pass
    try:
        for number in range(1000):
            (ballast / str(number)).touch()
    except OSError:
        pass
slowest, begin = 0.0, time.monotonic()
if not full_at:
    fill()
logger = ETMLogger("faults", save_dir=disk / "store", version="r1", shipper=False)
logger.log_hyperparams({"lr": 0.1})
for step in range(int(steps)):
    now = time.monotonic() - begin
    if full_at and now >= full_at:
        full_at = 0.0
        fill()
    if free_at and now >= free_at:
        free_at = 0.0
        shutil.rmtree(ballast)
    called = time.perf_counter()
    logger.log_metrics({"train/loss": 1.0 / (step + 1)}, step)
    slowest = max(slowest, time.perf_counter() - called)
    time.sleep(pause)
print(f"{slowest:.3f} {logger.run.lost}")
logger.finalize("success")
if free_at:
    shutil.rmtree(ballast)
shutil.copytree(disk, copy)
"""


def on_a_full_disk(
    tmp_path: Path, *, full: float, free: float, steps: int, pause: float = 0.01, options: str = "size=3m"
) -> tuple[StoredRun, float, int]:
    """The run of a training whose disk was full for a time, its slowest call in seconds, what it lost."""
    done = subprocess.run(
        [
            *on_a_disk_of(options, tmp_path / "disk"),
            *(sys.executable, "-c", FULL, tmp_path / "disk", tmp_path / "copy"),
            *map(str, (full, free, steps, pause)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    slowest, lost = done.stdout.split()
    run = StoredRun(RunFolder(tmp_path / "copy" / "store" / "faults" / "r1"))
    return run, float(slowest), int(lost)


def points(run: StoredRun) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in run.series("train/loss")]


@needs_mounts
def test_a_disk_that_is_full_for_a_time_costs_nothing(tmp_path: Path) -> None:
    run, slowest, lost = on_a_full_disk(tmp_path, full=0.2, free=2.2, steps=500)
    assert points(run) == curve(500)
    assert (lost, run.status) == (0, "finished")
    assert slowest < 1.5, "a call waited for the disk"
    assert any("the disk refuses to write" in alert.title for alert in run.alerts)


@needs_mounts
def test_a_disk_that_is_full_from_the_beginning_costs_nothing(tmp_path: Path) -> None:
    run, slowest, lost = on_a_full_disk(tmp_path, full=0.0, free=1.0, steps=300)
    assert points(run) == curve(300)
    assert run.params["lr"] == 0.1
    assert (lost, run.status) == (0, "finished")
    assert slowest < 0.9


@needs_mounts
def test_a_disk_without_a_name_to_give_costs_nothing(tmp_path: Path) -> None:
    """No inode is left for another file."""
    names = "size=3m,nr_inodes=100"
    run, _, lost = on_a_full_disk(tmp_path, full=0.0, free=0.5, steps=200, options=names)
    assert points(run) == curve(200)
    assert lost == 0


@needs_mounts
@pytest.mark.soak
def test_a_disk_that_is_full_for_twelve_seconds_costs_nothing(tmp_path: Path) -> None:
    run, slowest, lost = on_a_full_disk(tmp_path, full=1.0, free=13.0, steps=2000)
    assert points(run) == curve(2000)
    assert (lost, run.status) == (0, "finished")
    assert slowest < 6.0


@needs_mounts
def test_a_disk_that_stays_full_does_not_keep_the_training_from_its_end(tmp_path: Path) -> None:
    begin = time.monotonic()
    run, slowest, lost = on_a_full_disk(tmp_path, full=0.2, free=0.0, steps=100)
    assert time.monotonic() - begin < 30.0  # the five seconds that it may wait for the disk, twice
    assert slowest < 1.5
    assert lost == 0  # they were in memory
    found = points(run)
    assert found == curve(len(found))
    assert 0 < len(found) < 100


@pytest.mark.parametrize("place", ["a file", "a dangling link", "a name too long", "a system's folder"])
def test_a_store_that_cannot_be_made_stops_no_training(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "x")
    store = {
        "a file": tmp_path / "file",
        "a dangling link": tmp_path / "link" / "store",
        "a name too long": tmp_path / ("x" * 300),
        "a system's folder": Path("/proc/etm"),
    }[place]
    logger = ETMLogger("faults", save_dir=store, version="r1", shipper=False)
    logger.log_hyperparams({"lr": 0.1})
    for step in range(10):
        logger.log_metrics({"a": 1.0}, step)
    logger.finalize("success")
    assert not logger.run.started


def a_run(store: Path) -> Run:
    run = Run("faults", save_dir=store, id="r1", shipper=False)
    run.start()
    for step in range(10):
        run.log({"train/loss": 1.0 / (step + 1)}, step=step)
    return run


def go_on(run: Run) -> None:
    for step in range(10, 20):
        run.log({"train/loss": 1.0 / (step + 1)}, step=step)
    run.end()


def test_a_run_that_is_moved_while_it_is_written_is_whole_where_it_lies_now(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    moved = tmp_path / "faults" / "moved"
    run.folder.path.rename(moved)
    go_on(run)
    assert points(StoredRun(RunFolder(moved))) == curve(20)


def test_a_file_that_somebody_cut_goes_on_after_the_cut(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    [path] = run.folder.journal.iterdir()
    os.truncate(path, path.stat().st_size // 2)
    go_on(run)
    found = points(StoredRun(run.folder))
    assert found[-10:] == curve(20)[10:]
    assert set(found) <= set(curve(20))


def test_a_clock_that_jumps_changes_no_order(tmp_path: Path) -> None:
    times = iter([1.7e9, 1.7e9, 10.0, 1.7e9 + 86400, 0.0, 1.7e9 - 3600] * 10)
    run = Run("faults", save_dir=tmp_path, id="r1", shipper=False, clock=lambda: next(times))
    with run:
        for step in range(20):
            run.log({"train/loss": 1.0 / (step + 1)}, step=step)
    assert points(StoredRun(run.folder)) == curve(20)


def test_a_copy_of_a_live_run_opens_and_has_what_was_accepted_before(start: Start, tmp_path: Path) -> None:
    training = start(tmp_path / "store", pause=0.0005, alone=True)
    for n in range(6):
        time.sleep(0.03)
        accepted = training.accepted()
        copy = tmp_path / f"copy-{n}"
        if n % 2:
            shutil.copytree(training.folder.path, copy)
        else:
            subprocess.run(["cp", "-r", training.folder.path, copy], check=True)
        found = points(StoredRun(RunFolder(copy)))
        assert found == curve(len(found))
        assert len(found) >= accepted > 0


CROWD = """
import os, signal, sys, time
from etm_lightning import Run
store, runs, steps, killed = sys.argv[1], *map(int, sys.argv[2:5])
gate = os.pipe()
pids = []
for number in range(runs):
    pid = os.fork()
    if not pid:
        os.close(gate[1])
        os.read(gate[0], 1)
        with Run("crowd", save_dir=store, name=f"n{number}", params={"number": number}, shipper=False) as run:
            for step in range(steps):
                run.log({"train/loss": 1.0 / (step + 1)}, step=step)
                if step == steps // 2 and number < killed:
                    os.kill(os.getpid(), signal.SIGKILL)
        os._exit(0)
    pids.append(pid)
os.close(gate[1])
print(sorted({os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids}))
"""


def check_crowd(store: Path, runs: int, steps: int, killed: int) -> None:
    """Processes that begin at once in one project have all their runs, whole."""
    done = subprocess.run(
        [sys.executable, "-c", CROWD, store, *map(str, (runs, steps, killed))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (str([-signal.SIGKILL, 0]), "")
    found = list(Store(store).runs())
    assert len(found) == runs
    whole = [points(run) == curve(steps) for run in found]
    assert whole.count(True) == runs - killed
    assert all(points(run) == curve(steps // 2 + 1) for run in found if run.status == "crashed")
    assert sorted(run.params["number"] for run in found) == list(range(runs))


def test_many_processes_that_begin_at_once_in_one_project_do_not_meet(tmp_path: Path) -> None:
    check_crowd(tmp_path, runs=60, steps=40, killed=5)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_thousand_processes_that_begin_at_once_do_not_meet(tmp_path: Path) -> None:
    check_crowd(tmp_path, runs=1000, steps=1000, killed=50)


STANDSTILL = """
from etm_lightning.disk import LocalDisk
import os, time
begun = []
def write(fd, data):
    begun.append(time.monotonic())
    if 0.3 < begun[-1] - begun[0] < {until}:
        time.sleep(0.5)
    return os.write(fd, data)
LocalDisk.write = staticmethod(write)
"""


def check_slow_disk(training: Training, steps: int) -> None:
    assert training.process.wait(120) == 0
    waited = [seconds for seconds in training.held()[1:] if seconds > 0.45]
    assert len(waited) <= 3, "only the first calls that meet it wait"
    assert points(training.run) == curve(steps)
    alerts = training.run.alerts
    assert [alerts[0].title, alerts[-1].title] == ["the disk is slow", "the disk is well again"]
    found = [fact.item for fact in facts(training.folder.journal)]
    assert not any(isinstance(item, Gap) for item in found)
    last = [item for item in found if isinstance(item, Scalars)][-1]
    assert alerts[-1].time < last.time, "it was not written through again before the end"


def test_a_slow_disk_holds_the_first_calls_and_is_written_through_when_it_is_well(
    start: Start, tmp_path: Path
) -> None:
    training = start(tmp_path, steps=1200, pause=0.004, alone=True, before=STANDSTILL.format(until=2.5))
    check_slow_disk(training, 1200)


@pytest.mark.soak
def test_a_disk_that_is_slow_for_half_a_minute(start: Start, tmp_path: Path) -> None:
    training = start(tmp_path, steps=8000, pause=0.004, alone=True, before=STANDSTILL.format(until=30))
    check_slow_disk(training, 8000)
