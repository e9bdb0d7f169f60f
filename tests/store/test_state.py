"""What became of a run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etm_lightning.journal import seal
from etm_lightning.records import Ended, Gap, Header, Started, Status, encode
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from tests.store.building import Training

CHILD = """
import os, signal, sys
from pathlib import Path
from tests.store.building import Training
training = Training(Path(sys.argv[1])).start().log(1, {"a": 1.0})
training.log(2, {"a": 2.0})
os.kill(os.getpid(), signal.SIGKILL)
"""


def latest(store: Path) -> StoredRun:
    return Store(store).run("latest")


def test_a_run_of_this_process_is_running(tmp_path: Path) -> None:
    Training(tmp_path).start().log(1, {"a": 1.0})
    run = latest(tmp_path)
    assert (run.status, run.ended, run.reason) == ("running", None, "")
    assert run.started is not None
    assert run.duration > time.time() - run.started - 1.0


@pytest.mark.parametrize("status", ["finished", "failed", "interrupted", "preempted", "pruned"])
def test_the_last_ended_decides(tmp_path: Path, status: Status) -> None:
    training = Training(tmp_path).start()
    training.end(status, reason="why", exit_code=3, signal=15, traceback="trace")
    run = latest(tmp_path)
    assert (run.status, run.reason, run.exit_code, run.signal, run.traceback) == (
        status,
        "why",
        3,
        15,
        "trace",
    )
    assert (run.started, run.ended, run.duration) == (1_700_000_000.0, 1_700_000_002.0, 2.0)


def test_a_record_after_ended_reopens_the_run(tmp_path: Path) -> None:
    training = Training(tmp_path).start().end("failed")
    training.log(1, {"a": 1.0})
    assert latest(tmp_path).status == "running"
    training.end("finished")
    assert latest(tmp_path).status == "finished"


def test_a_killed_process_is_a_crash_and_all_it_logged_is_there(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], cwd=root, check=False)
    assert done.returncode == -9
    run = latest(tmp_path)
    assert run.status == "crashed"
    assert "is gone" in run.reason
    assert [point.value for point in run.series("a")] == [1.0, 2.0]
    assert run.ended == 1_700_000_003.0
    assert run.damage == []


def elsewhere(training: Training, *, age: float) -> None:
    """A writer on a host that cannot be seen from here."""
    header = Header(
        time=1.0,
        format=1,
        run="r",
        attempt=1,
        role="train",
        rank=0,
        host="far",
        boot="b",
        pid=1,
        born=1.0,
        segment=0,
    )
    path = training.folder.journal / "1-train-far-1-abcd.0.jsonl"
    path.write_bytes(seal(encode(header), 0) + seal(encode(Started(time=2.0, attempt=1)), 1))
    os.utime(path, (time.time() - age,) * 2)


@pytest.mark.parametrize(("age", "status"), [(60.0, "running"), (7200.0, "crashed")])
def test_a_process_on_another_host_counts_as_gone_after_an_hour_of_silence(
    tmp_path: Path, age: float, status: str
) -> None:
    elsewhere(Training(tmp_path), age=age)
    assert latest(tmp_path).status == status


def test_who_saw_the_death_gives_the_reason(tmp_path: Path) -> None:
    training = Training(tmp_path)
    elsewhere(training, age=7200.0)
    training.attempt = 1
    shipper = training.open(role="shipper")
    shipper.append(Ended(time=5.0, status="crashed", reason="out of memory", signal=9))
    for path in training.folder.journal.iterdir():
        os.utime(path, (time.time() - 7200,) * 2)
    run = latest(tmp_path)
    assert (run.status, run.reason, run.signal) == ("crashed", "out of memory", 9)


def test_a_run_that_wrote_nothing_is_listed(tmp_path: Path) -> None:
    training = Training(tmp_path)
    assert latest(tmp_path).status == "running"
    os.utime(training.folder.path, (1.0, 1.0))
    run = latest(tmp_path)
    assert (run.status, run.started, run.attempts, run.metrics) == ("crashed", None, 0, {})


def test_refresh_reads_again(tmp_path: Path) -> None:
    training = Training(tmp_path).start().log(1, {"a": 1.0})
    run = latest(tmp_path)
    assert run.metrics["a"].count == 1
    training.log(2, {"a": 2.0}).write(Gap(time=1.0, lost=3, since=0.5))
    assert run.metrics["a"].count == 1
    run.refresh()
    assert run.metrics["a"].count == 2
    assert run.headline == {"a": 2.0}
    assert run.gaps == [Gap(time=1.0, lost=3, since=0.5)]
