"""A slow or failing disk: records wait in order, none is lost that there is room for, and all is told."""

from __future__ import annotations

import errno
import math
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from etm_lightning.disk import LocalDisk
from etm_lightning.journal import Journal
from etm_lightning.reading import Damage, follow, writers
from etm_lightning.records import Alert, Ended, Gap, Params, Record, Scalars, split
from etm_lightning.track.spool import IN_A_ROW, Spool


class Disk(LocalDisk):
    """A disk that can be slow, by its own watch, full, or stand still until it is let go."""

    def __init__(self) -> None:
        self.now = 0.0
        self.delay = 0.0
        self.full = False
        self.gone = threading.Event()
        self.gone.set()

    def write(self, fd: int, data: bytes) -> int:  # type: ignore[override]
        self.gone.wait()
        self.now += self.delay
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(fd, data)

    def watch(self) -> float:
        return self.now


def spool(folder: Path, disk: Disk, *, threaded: bool = False, watch: bool = True, **options: Any) -> Spool:
    timer = disk.watch if watch else time.perf_counter
    journal = Journal(folder, run="r", attempt=1, clock=lambda: 1.0, disk=disk, timer=timer)
    return Spool(journal, lambda: 1.0, threaded=threaded, **options)


def row(step: int) -> Scalars:
    return Scalars(time=1.0, step=step, values={"loss": step / 7})


def records(folder: Path) -> list[Record]:
    [segments] = writers(folder).values()
    found = [item for _, item in follow(segments, final=True)]
    assert not any(isinstance(item, Damage) for item in found)
    return [item for item in found if not isinstance(item, Damage) and type(item).__name__ != "Header"]


def with_waiting(folder: Path) -> tuple[Disk, Spool]:
    """Five rows wait for a full disk."""
    disk = Disk()
    one = spool(folder, disk)
    disk.full = True
    for step in range(5):
        one.write(row(step))
    return disk, one


def steps(folder: Path) -> list[int]:
    return [record.step for record in records(folder) if isinstance(record, Scalars)]


def titles(folder: Path) -> list[str]:
    return [record.title for record in records(folder) if isinstance(record, Alert)]


def test_two_slow_writes_and_a_fast_one_change_nothing(tmp_path: Path) -> None:
    disk = Disk()
    one = spool(tmp_path, disk)
    for step in range(12):
        disk.delay = 0.0 if step % IN_A_ROW == 2 else 0.5
        one.write(row(step))
        assert not one.degraded
        assert steps(tmp_path)[-1] == step


def test_on_a_slow_disk_only_the_first_calls_wait_for_it(tmp_path: Path) -> None:
    disk = Disk()
    one = spool(tmp_path, disk, threaded=True, watch=False)
    one.write(row(0))
    disk.gone.clear()
    release = threading.Timer(0.2, disk.gone.set)
    release.start()
    one._slow = IN_A_ROW - 1  # two came before
    one.write(row(1))  # holds its caller
    assert one.degraded
    disk.gone.clear()
    for step in range(2, 500):
        one.write(row(step))  # would never return if it waited for the disk
    assert one.waiting >= 498 - 1
    assert steps(tmp_path)[-1] <= 1
    disk.gone.set()
    assert one.flush()
    assert steps(tmp_path) == list(range(500))
    release.join()


def test_after_the_disk_is_well_again_a_record_is_on_it_when_the_call_returns(tmp_path: Path) -> None:
    disk = Disk()
    one = spool(tmp_path, disk)
    disk.delay = 0.5
    for step in range(10):
        one.write(row(step))
    assert one.degraded
    disk.delay = 0.0
    for step in range(10, 40):
        disk.now += 0.2
        one.write(row(step))
    assert not one.degraded
    one.write(row(40))
    assert steps(tmp_path) == list(range(41))
    assert titles(tmp_path) == ["the disk is slow", "the disk is well again"]


def test_a_full_disk_costs_nothing_that_there_is_room_for(tmp_path: Path) -> None:
    disk = Disk()
    one = spool(tmp_path, disk)
    one.write(row(0))
    disk.full = True
    for step in range(1, 1000):
        disk.now += 0.01
        one.write(row(step))
    assert steps(tmp_path) == [0]
    assert (one.degraded, one.lost) == (True, 0)
    disk.full = False
    disk.now += 1
    for step in range(1000, 1010):
        disk.now += 0.3
        one.write(row(step))
    assert not one.degraded
    assert steps(tmp_path) == list(range(1010))
    assert titles(tmp_path) == ["the disk refuses to write", "the disk is well again"]


def test_what_overflows_is_the_oldest_scalars_and_a_gap_counts_them(tmp_path: Path) -> None:
    disk = Disk()
    one = spool(tmp_path, disk, capacity=10_000)
    one.write(row(0))
    disk.full = True
    one.write(Params(time=1.0, params={"lr": 0.1}))
    for step in range(1, 1000):
        one.write(row(step))
    assert one.lost > 800
    disk.full = False
    assert one.flush()
    kept = steps(tmp_path)
    assert kept == [0, *range(1000 - (len(kept) - 1), 1000)]
    assert len(kept) + one.lost == 1000
    found = records(tmp_path)
    [gap] = [record for record in found if isinstance(record, Gap)]
    assert gap.lost == one.lost
    assert found.index(gap) < found.index(row(kept[1]))
    assert Params(time=1.0, params={"lr": 0.1}) in found
    assert f"{one.lost} records were lost" in titles(tmp_path)


def test_memory_full_of_what_is_no_scalars_is_bounded_too(tmp_path: Path) -> None:
    disk = Disk()
    one = spool(tmp_path, disk, capacity=10_000)
    one.write(row(0))
    disk.full = True
    for n in range(1000):
        one.write(Alert(time=1.0, title=str(n)))
    assert one._bytes <= 10_000
    disk.full = False
    assert one.flush()
    told = [int(title) for title in titles(tmp_path) if title.isdecimal()]
    assert told == sorted(told)
    assert len(told) + one.lost >= 1000


def test_a_loss_that_was_no_fault_of_the_disk_is_told_before_the_next_record(tmp_path: Path) -> None:
    one = spool(tmp_path, Disk())
    one.write(row(0))
    one.miss("no picture", lost=2, since=0.5)
    one.write(row(1))
    kinds = [type(record).__name__ for record in records(tmp_path)]
    assert kinds == ["Scalars", "Gap", "Alert", "Scalars"]
    assert records(tmp_path)[1] == Gap(time=1.0, lost=2, since=0.5, reason="no picture")


def test_a_failed_write_that_took_a_part_gives_no_record_twice(tmp_path: Path) -> None:
    class Short(Disk):
        def write(self, fd: int, data: bytes) -> int:  # type: ignore[override]
            self.now += self.delay
            return os.write(fd, data[: len(data) * 2 // 3] if self.full and len(data) > 500 else data)

    disk = Short()
    one = spool(tmp_path, disk)
    one.write(row(0))
    disk.delay = 0.5
    for step in range(1, 4):
        one.write(row(step))
    assert one.degraded
    disk.delay = 0.0
    disk.full = True
    for step in range(4, 30):
        one.write(row(step))
    assert not one.flush()
    disk.full = False
    assert one.flush()
    [segments] = writers(tmp_path).values()
    found = [item.step for _, item in follow(segments, final=True) if isinstance(item, Scalars)]
    assert found == list(range(30))


def is_over(one: Spool, folder: Path) -> None:
    """Its thread goes, and the end is the last record."""
    until = time.monotonic() + 10
    while one.degraded and time.monotonic() < until:
        time.sleep(0.01)
    assert not one.degraded
    assert isinstance(records(folder)[-1], Ended)


def test_an_end_that_waited_stays_the_last_record(tmp_path: Path) -> None:
    disk = Disk()
    one = spool(tmp_path, disk, threaded=True, watch=False)
    disk.full = True
    one.write(row(0))
    one.write(Ended(time=1.0, status="finished"))
    disk.full = False
    assert one.flush()
    is_over(one, tmp_path)


def test_after_the_end_no_thread_waits_for_a_disk_that_stays_slow(tmp_path: Path) -> None:
    disk = Disk()
    one = spool(tmp_path, disk, threaded=True)
    disk.delay = 0.5
    for step in range(IN_A_ROW + 1):
        one.write(row(step))
    assert one.degraded
    one.write(Ended(time=1.0, status="finished"))
    assert one.flush()
    is_over(one, tmp_path)


def test_without_a_thread_to_be_had_the_callers_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    disk = Disk()
    one = spool(tmp_path, disk, threaded=True)
    disk.full = True
    one.write(row(0))
    disk.full = False
    for step in range(1, 10):
        disk.now += 0.3
        one.write(row(step))
    assert not one.degraded
    assert steps(tmp_path) == list(range(10))


def test_threads_that_write_while_the_disk_comes_and_goes_lose_nothing_and_keep_their_order(
    tmp_path: Path,
) -> None:
    disk = Disk()
    one = spool(tmp_path, disk, threaded=True, watch=False)
    stop = threading.Event()

    def trouble() -> None:
        while not stop.is_set():
            disk.full = not disk.full
            time.sleep(0.02)

    def log(thread: int) -> None:
        for step in range(400):
            one.write(Scalars(time=1.0, step=step, stage=str(thread)))
            if step % 20 == 0:
                time.sleep(0.005)

    threads = [threading.Thread(target=log, args=(thread,)) for thread in range(3)]
    other = threading.Thread(target=trouble)
    for one_of_them in [*threads, other]:
        one_of_them.start()
    for one_of_them in threads:
        one_of_them.join()
    stop.set()
    other.join()
    disk.full = False
    assert one.flush()
    for stage in ("0", "1", "2"):
        mine = [r.step for r in records(tmp_path) if isinstance(r, Scalars) and r.stage == stage]
        assert mine == list(range(400))


def test_what_is_being_sealed_waits_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who flushes asks without the gate: else it goes on, and closes, while a batch is on its way."""
    disk, one = with_waiting(tmp_path)
    journal = one._journal
    seen: list[int] = []

    def seal(bodies: Iterable[bytes]) -> list[bytes]:
        seen.append(one.waiting)
        return Journal.seal(journal, bodies)

    monkeypatch.setattr(journal, "seal", seal)
    disk.full = False
    assert one.flush()
    assert min(seen) > 0
    assert steps(tmp_path) == list(range(5))


def test_what_could_not_be_sealed_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, one = with_waiting(tmp_path)
    journal = one._journal

    def seal(bodies: Iterable[bytes]) -> list[bytes]:
        monkeypatch.undo()
        raise MemoryError

    monkeypatch.setattr(journal, "seal", seal)
    disk.full = False
    with pytest.raises(MemoryError):
        one.flush()
    assert one.flush()
    assert steps(tmp_path) == list(range(5))


def test_a_forked_child_leaves_what_waits_to_its_parent(tmp_path: Path) -> None:
    _, one = with_waiting(tmp_path)
    one.forked()
    assert (one.waiting, one.degraded) == (0, False)


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("degraded_meanwhile", [False, True])
@pytest.mark.parametrize("values", [{"a": math.nan}, {"a": 0.5, "b": math.nan, "c": -math.inf}], ids=repr)
def test_a_row_of_what_json_has_no_number_for_waits_for_the_disk_as_others_do(
    tmp_path: Path, values: dict[str, float], degraded_meanwhile: bool
) -> None:
    class Meanwhile(Disk):
        def write(self, fd: int, data: bytes) -> int:  # type: ignore[override]
            if self.full and degraded_meanwhile and not one.degraded:
                with one._gate:  # as another thread does whose write failed
                    one._degrade("the disk refuses to write", "of another thread")
            return super().write(fd, data)

    disk = Meanwhile()
    one = spool(tmp_path, disk)
    assert one.write_row(1.2345, 0, "step", 3, "train", values)
    disk.full = True
    assert one.write_row(1.2345, 1, "step", 3, "train", values)
    assert one.degraded
    assert not one.write_row(1.2345, 2, "step", 3, "train", values)
    disk.full = False
    assert one.flush()
    finite, nonfinite = split(values)
    assert [item for item in records(tmp_path) if isinstance(item, Scalars)] == [
        Scalars(time=1.234, step=step, epoch=3, stage="train", values=finite, nonfinite=nonfinite)
        for step in (0, 1)
    ]
