"""Thousands of histories on a machine in memory, each decided by its seed; and every call that may fail."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from etm_lightning.journal import seal
from etm_lightning.records import Scalars, encode
from tests.faults import simulation
from tests.faults.simulation import World

SMALL = 400
"""Bytes of a segment, so that a few records need several."""


@pytest.mark.parametrize("seed", range(150))
def test_every_promise_holds_in_a_random_history(seed: int) -> None:
    simulation.run(seed)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(1000, 11_000, 1000))
def test_every_promise_holds_in_thousands_of_histories(first: int) -> None:
    for seed in range(first, first + 1000):
        simulation.run(seed)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(20_000, 20_050))
def test_every_promise_holds_in_a_long_history(seed: int) -> None:
    simulation.run(seed, events=2000)


def live(world: World) -> None:
    """The same few calls each time; a process that was killed makes none."""
    for _ in range(3):
        for _ in range(4):
            world.log()
        world.checkpoint()
        world.sync()
        world.clock.pass_(0.3)


def world(store: Path, way: str, call: int) -> World:
    """A history in which something happens in call number `call` to the disk."""
    one = World(call, store)
    one.begin(segment_bytes=SMALL)
    if way == "killed":
        one.disk.die_at = one.disk.calls + call
    else:
        one.disk.fail_at, one.disk.fail_with = one.disk.calls + call, getattr(errno, way)
        one.disk.fails_on = way == "EROFS"
    live(one)
    return one


def calls_of_a_history(store: Path) -> int:
    one = World(0, store)
    one.begin(segment_bytes=SMALL)
    before = one.disk.calls
    live(one)
    return one.disk.calls - before


@pytest.mark.parametrize("way", ["killed", "EIO", "ENOSPC", "EROFS"])
@pytest.mark.parametrize("after", ["", "power cut"])
def test_whatever_happens_in_any_call_to_the_disk_the_promises_hold(
    way: str, after: str, tmp_path: Path
) -> None:
    count = calls_of_a_history(tmp_path / "clean")
    assert count > 40
    for call in range(1, count + 1):
        one = world(tmp_path / str(call), way, call)
        if after:
            one.cut_power()
        one.settle()
        one.check_journals()


def test_a_record_that_lacked_only_its_newline_is_there_once(tmp_path: Path) -> None:
    one = World(0, tmp_path)
    one.begin(segment_bytes=SMALL)
    assert one.life
    row = Scalars(time=1.0, step=1, values={"a": 0.5})
    one.disk.room = len(seal(encode(row), 2)) - 1
    one.put(row)
    assert one.life.spool.degraded
    one.settle()
    one.check_journals()


def test_a_journal_that_keeps_nothing_for_a_failed_sync_is_found_out(tmp_path: Path) -> None:
    """The histories are hard enough to tell."""

    def live_on() -> None:
        for seed in range(100):
            World(seed, tmp_path / str(seed), keep_bytes=0).live(80)

    with pytest.raises(AssertionError, match="records are lost"):
        live_on()
