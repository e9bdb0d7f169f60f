"""Real calls to the system fail, take long, or are the last: nothing that was accepted is lost."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.tools import inject, needs_strace, strace
from tests.faults.training import Training, curve

Start = Callable[..., Training]

CALLS = "write,fsync,openat,mkdir,link,unlink,dup2,dup3,fcntl"
STEPS = 6


def recorded(training: Training) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in training.run.series("train/loss")]


def check_nothing_lost(training: Training) -> None:
    accepted = training.accepted()
    if accepted:
        found = recorded(training)
        assert len(found) - accepted in (0, 1)
        assert found == curve(len(found))
        assert training.run.params["lr"] == 0.1


def places_to_die(start: Start, store: Path) -> list[tuple[str, int]]:
    """By name and number each call of the main thread from the first that concerns the store."""
    trace = store / "trace"
    training = start(store, steps=STEPS, pause=0.0, alone=True, within=strace(trace, "-e", f"trace={CALLS}"))
    assert training.process.wait(60) == 0
    counts: dict[str, int] = {}
    found: list[tuple[str, int]] = []
    begun = False
    for line in trace.read_text().splitlines():
        match = re.match(rf"{training.process.pid} +(\w+)\((.*)", line)
        if match:
            counts[match[1]] = counts.get(match[1], 0) + 1
            begun = begun or ("accepted" in match[2])
            if begun:
                found.append((match[1], counts[match[1]]))
    return found


def die_at(start: Start, store: Path, call: str, number: int) -> None:
    fault = f"{call}:signal=KILL:when={number}"
    training = start(store, steps=STEPS, pause=0.0, alone=True, within=inject(fault))
    assert training.process.wait(60) == -9
    check_nothing_lost(training)


@needs_strace
def test_killed_in_any_call_to_the_system_it_loses_nothing(start: Start, tmp_path: Path) -> None:
    places = places_to_die(start, tmp_path / "clean")
    assert len(places) > 20
    for n, (call, number) in enumerate(places[::4]):
        die_at(start, tmp_path / str(n), call, number)


@needs_strace
@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_in_every_call_to_the_system_it_loses_nothing(start: Start, tmp_path: Path) -> None:
    for n, (call, number) in enumerate(places_to_die(start, tmp_path / "clean")):
        die_at(start, tmp_path / str(n), call, number)


@needs_strace
@pytest.mark.parametrize(
    "fault",
    [
        "write:error=EIO:when=12",
        "write:error=ENOSPC:when=10+3",
        "write:error=EINTR:when=10+2",
        "write:error=EAGAIN:when=10+2",
        "fsync:error=EIO:when=2+",
        "fsync:error=ENOSPC:when=2+",
        "link:error=EPERM",
        "flock:error=ENOLCK",
        "clone,clone3:error=EAGAIN",
    ],
)
def test_calls_that_fail_cost_nothing(start: Start, tmp_path: Path, fault: str) -> None:
    training = start(tmp_path, steps=200, pause=0.001, alone=True, within=inject(fault))
    assert training.process.wait(60) == 0
    assert training.accepted() == 200
    assert recorded(training) == curve(200)
    assert training.run.status == "finished"


@needs_strace
def test_a_disk_that_stands_still_holds_the_first_calls_only(start: Start, tmp_path: Path) -> None:
    """Every write of the training's own thread takes 0.4 s."""
    fault = "write:delay_enter=400000:when=20..30"
    training = start(tmp_path, steps=400, pause=0.001, alone=True, within=inject(fault))
    assert training.process.wait(60) == 0
    assert sum(held > 0.2 for held in training.held()) == 3
    assert recorded(training) == curve(400)
    assert any("the disk is slow" in alert.title for alert in training.run.alerts)


@needs_strace
def test_who_the_run_is_and_its_settings_are_on_the_disk_before_the_first_value(
    start: Start, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    training = start(
        tmp_path, steps=1, alone=True, within=strace(trace, "-y", "-s", "80", "-e", "trace=write,fsync")
    )
    assert training.process.wait(60) == 0
    lines = trace.read_text().splitlines()
    first = next(n for n, line in enumerate(lines) if "scalars" in line)
    for name in ("run.json", ".0.jsonl"):
        written = max(n for n, line in enumerate(lines[:first]) if "write(" in line and name in line)
        assert any("fsync(" in line and name in line for line in lines[written:first]), name
    assert any("fsync(" in line and f"{os.sep}journal>" in line for line in lines[:first])
