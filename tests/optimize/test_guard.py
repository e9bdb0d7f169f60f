"""The guard of a trial and the job as the controller sees it, with nothing between them but a folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from etm_lightning.execute import guard
from etm_lightning.execute.guard import Settings
from etm_lightning.execute.remote import Begun, RemoteJob, Traces
from etm_lightning.process import Process, lives, this_process
from tests.execute.test_command_line import ROOT

ELSEWHERE = Process("a host that is not this one", "b", 1, 0.0)


@dataclass
class Scheduler:
    """A job of which the scheduler says what it is told to say."""

    handle: str
    word: str | None = None
    cancelled: bool = False

    def gone(self) -> str | None:
        return self.word

    def cancel(self) -> None:
        self.cancelled = True


def begin(place: Path, job: str, *trial: str, attempt: int = 1) -> subprocess.Popen[bytes]:
    settings = Settings(str(place), attempt, job, this_process())
    return guard.run(
        settings, trial, str(place), {**os.environ, "PYTHONPATH": str(ROOT), "SLURM_NTASKS": "1"}
    )


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_of_two_jobs_of_one_attempt_one_runs_it_and_both_are_seen_as_that_one(tmp_path: Path) -> None:
    say = ("sh", "-c", "echo $SLURM_NTASKS. >> said; exit 3")
    for process in [begin(tmp_path, job, *say) for job in ("slurm 1", "slurm 2")]:
        assert process.wait(60) == 0
    assert (tmp_path / "said").read_text() == ".\n", "once, and as no task of SLURM's"
    traces = Traces(tmp_path, 1)
    begun = traces.begun()
    assert begun is not None
    assert begun.job in ("slurm 1", "slurm 2")
    for handle in ("slurm 1", "slurm 2"):
        assert RemoteJob(traces, Scheduler(handle), Scheduler).ended() == "code 3"


def test_an_attempt_that_has_ended_or_was_followed_by_another_is_not_run_by_a_requeued_job(
    tmp_path: Path,
) -> None:
    Traces(tmp_path, 1).end("preempted")
    Traces(tmp_path, 3).claim(Begun("slurm 9", ELSEWHERE))
    for attempt in (1, 2):
        begin(tmp_path, "slurm 1", "touch", "ran", attempt=attempt).wait(60)
    assert not (tmp_path / "ran").exists()


def test_a_job_that_is_requeued_takes_its_attempt_up_again(tmp_path: Path) -> None:
    process = begin(tmp_path, "slurm 1", "sh", "-c", "echo >> began; sleep 100")
    until((tmp_path / "began").exists)
    process.send_signal(guard.REQUEUE)
    assert process.wait(60) == 0
    assert Traces(tmp_path, 1).ended() is None
    assert begin(tmp_path, "slurm 1", "true").wait(60) == 0
    assert Traces(tmp_path, 1).ended() == "code 0"


@pytest.mark.parametrize("asked", ["file", "signal", "death of the starter", "death of all its children"])
def test_a_guard_ends_its_trial_when_asked(tmp_path: Path, asked: str) -> None:
    traces = Traces(tmp_path, 1)
    trial = ("sleep", "100")
    detached = asked == "death of all its children"
    if asked.startswith("death"):
        code = (
            "import os, sys; from etm_lightning.execute import guard; "
            "from etm_lightning.process import this_process as me; "
            f"told = guard.Settings({str(tmp_path)!r}, 1, 'ray 1', me(), detached={detached}); "
            f"guard.run(told, {trial}, '.', dict(os.environ)); sys.stdin.read()"
        )
        starter = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
    else:
        starter = begin(tmp_path, "ray 1", *trial)
    until(lambda: (begun := traces.begun()) is not None and begun.trial is not None)
    begun = traces.begun()
    assert begun is not None
    assert begun.trial is not None
    if asked == "file":
        traces.ask_to_stop()
    else:
        for child in psutil.Process(starter.pid).children() if detached else []:
            child.kill()
        starter.kill() if asked.startswith("death") else starter.terminate()
    starter.communicate()
    until(lambda: traces.ended() is not None)
    assert not lives(begun.trial)
    assert traces.ended() == {"file": "signal SIGTERM", "signal": "preempted"}.get(asked, "")


def test_what_no_file_tells_the_scheduler_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etm_lightning.execute.remote.LOOK_EVERY", 0.0)
    monkeypatch.setattr("etm_lightning.execute.remote.LAG", 0.2)
    scheduler = Scheduler("slurm 1")
    traces = Traces(tmp_path, 1)
    job = RemoteJob(traces, scheduler, Scheduler)
    assert job.ended() is None, "it waits"
    assert traces.claim(Begun("slurm 1", this_process()))
    scheduler.word = "out of memory"
    assert job.ended() is None, "its guard lives, whatever the scheduler says"
    traces.end("")
    assert job.ended() == "out of memory"


def test_a_guard_on_a_host_that_cannot_be_seen_is_given_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etm_lightning.execute.remote.LOOK_EVERY", 0.0)
    monkeypatch.setattr("etm_lightning.execute.remote.GRACE", 0.3)
    Traces(tmp_path, 1).claim(Begun("ray 1", ELSEWHERE))
    job = RemoteJob(Traces(tmp_path, 1), Scheduler("ray 1", "unseen"), Scheduler)
    began = time.monotonic()
    assert job.ended() is None
    until(lambda: job.ended() == "unseen")
    assert time.monotonic() - began >= 0.3


def test_a_job_that_waits_is_taken_out_of_the_queue_and_one_that_runs_is_asked_first(tmp_path: Path) -> None:
    for number, begun in enumerate((None, Begun("slurm 1", ELSEWHERE, ELSEWHERE)), 1):
        traces, scheduler = Traces(tmp_path, number), Scheduler("slurm 1")
        assert begun is None or traces.claim(begun)
        RemoteJob(traces, scheduler, Scheduler).stop()
        assert traces.asked_to_stop()
        assert scheduler.cancelled == (begun is None)
