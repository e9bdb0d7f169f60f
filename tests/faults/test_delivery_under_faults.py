"""The training, its shipper and its sinks die, hang and refuse: what was accepted is there, and arrives."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from etm_lightning.share.sync import status, sync
from etm_lightning.store.run import StoredRun
from tests.faults.training import Training, curve, wait_until

Start = Callable[..., Training]


def check_complete(training: Training) -> None:
    """All that was accepted is in the journal and in the sink, each once, with the right values."""
    accepted = training.accepted()
    recorded = [(point.step, point.value) for point in training.run.series("train/loss")]
    assert len(recorded) - accepted in (0, 1)  # the last may have been accepted and not been said to be
    assert recorded == curve(len(recorded))
    assert training.delivered() == recorded


def check_crashed(run: StoredRun) -> None:
    assert run.status == "crashed"
    assert "gone without a word" in run.reason


def test_a_killed_training_is_crashed_and_delivered_by_its_shipper(start: Start, tmp_path: Path) -> None:
    training = start(tmp_path)
    training.wait_for_shipper()
    training.kill()
    killed = time.monotonic()
    wait_until(lambda: "gone without a word" in training.run.reason, 10.0)
    assert time.monotonic() - killed < 10.0
    training.wait_for_peace()
    check_crashed(training.run)
    check_complete(training)


def test_a_training_killed_before_it_had_a_shipper_is_delivered_later(start: Start, tmp_path: Path) -> None:
    training = start(tmp_path)
    training.kill()
    assert training.run.status == "crashed"
    [synced] = sync(training.run)
    assert synced.behind == 0
    check_complete(training)


def test_a_killed_shipper_is_started_again_and_nothing_is_lost(start: Start, tmp_path: Path) -> None:
    training = start(tmp_path, steps=1500, pause=0.003)
    first = training.wait_for_shipper()
    first.kill()
    training.wait_for_shipper(other_than=first.pid)
    assert training.process.wait(30) == 0
    training.wait_for_peace()
    assert training.run.status == "finished"
    assert training.accepted() == 1500
    check_complete(training)


def test_a_shipper_that_always_dies_is_given_up(start: Start, tmp_path: Path) -> None:
    training = start(tmp_path, steps=3500, pause=0.002)
    last = 0
    for _ in range(4):
        shipper = training.wait_for_shipper(other_than=last)
        last = shipper.pid
        shipper.kill()
    wait_until(lambda: training.shipper() is None)
    assert training.process.wait(30) == 0
    training.wait_for_peace()
    assert training.run.status == "finished"
    assert training.accepted() == 3500
    sync(training.run)
    check_complete(training)


def test_killed_together_they_leave_all_that_was_accepted(start: Start, tmp_path: Path) -> None:
    training = start(tmp_path)
    shipper = training.wait_for_shipper()
    os.kill(shipper.pid, signal.SIGKILL)
    training.kill()
    assert training.run.status == "crashed"
    [before] = status(training.run)
    [synced] = sync(training.run)
    assert before.behind > 0
    assert synced.behind == 0
    check_complete(training)


def test_a_stopped_shipper_holds_nobody_up(start: Start, tmp_path: Path) -> None:
    training = start(tmp_path, steps=1500, pause=0.003)
    shipper = training.wait_for_shipper()
    shipper.suspend()
    assert training.process.wait(30) == 0  # 4.5 s of training and the 2 s it may wait
    assert "behind" in training.said()
    assert training.slowest() < 1.0
    shipper.resume()
    training.wait_for_peace()
    check_complete(training)


def test_a_sink_that_raises_gets_everything_when_it_stops_to(start: Start, tmp_path: Path) -> None:
    fault = tmp_path / "fault"
    fault.touch()
    training = start(tmp_path / "store", steps=1500, pause=0.002, fail=str(fault))
    training.wait_for_shipper()
    wait_until(lambda: any("does not get on" in alert.title for alert in training.run.alerts))
    fault.unlink()
    assert training.process.wait(30) == 0
    training.wait_for_peace()
    check_complete(training)


@pytest.mark.parametrize("word", ["hang", "refuse"])
def test_a_sink_that_never_answers_delays_the_end_by_the_time_that_was_given(
    start: Start, tmp_path: Path, word: str
) -> None:
    fault = tmp_path / "fault"
    fault.touch()
    training = start(tmp_path / "store", steps=1500, pause=0.003, **{word: str(fault)})
    training.wait_for_shipper()
    wait_until(lambda: training.run.status == "finished")
    ended = time.monotonic()
    assert training.process.wait(30) == 0
    assert time.monotonic() - ended < 4.0  # the 2 s that the script gives, and the interpreter's end
    assert "memory is 1,50" in training.said()
    fault.unlink()
    wait_until(lambda: training.shipper() is None, 40.0)
    sync(training.run)
    check_complete(training)


def test_two_processes_that_claim_one_attempt_lose_nothing(start: Start, tmp_path: Path) -> None:
    first = start(tmp_path, steps=300)
    second = start(tmp_path, steps=300)
    assert first.process.wait(30) == second.process.wait(30) == 0
    first.wait_for_peace()
    points = [(point.step, point.value) for point in first.run.series("train/loss")]
    assert sorted(points) == sorted(curve(300) * 2)
    sync(first.run)
    assert sorted(first.delivered()) == sorted(curve(300) * 2)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("victim", ["training"] * 100 + ["shipper"] * 20)
def test_killed_at_a_random_moment_it_loses_nothing(
    start: Start, tmp_path: Path, victim: str, request: pytest.FixtureRequest
) -> None:
    chance = random.Random(request.node.name)
    training = start(tmp_path, steps=10**6 if victim == "training" else 1200, pause=0.002)
    time.sleep(chance.uniform(0.0, 4.0))
    if victim == "training":
        training.kill()
        killed = time.monotonic()
        wait_until(lambda: training.run.status == "crashed", 10.0)
        assert time.monotonic() - killed < 10.0
    else:
        if shipper := training.shipper():
            shipper.kill()
        assert training.process.wait(30) == 0
    training.wait_for_peace()
    sync(training.run)
    check_complete(training)
