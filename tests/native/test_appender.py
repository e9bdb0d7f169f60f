"""The compiled way to append a row, where the disk, a signal or another thread comes between."""

from __future__ import annotations

import gc
import math
import os
import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etm_lightning.journal import Journal, Latest, NotWrittenError
from etm_lightning.reading import Damage, follow, writers
from etm_lightning.records import Scalars
from tests.native.ways import line_of
from tests.records.test_faults_in_writing import fill, needs_full

pytestmark = pytest.mark.usefixtures("_both_ways")


def append(journal: Journal, step: int, value: float = 0.5, name: str = "loss") -> None:
    assert journal.append_row(1.5, step, "step", None, "train", {name: value}) is not None


def rows(folder: Path) -> list[Scalars]:
    [segments] = writers(folder).values()
    found = [item for _, item in follow(segments, final=True)]
    assert not any(isinstance(item, Damage) for item in found)
    return [item for item in found if isinstance(item, Scalars)]


@needs_full
def test_what_the_disk_refuses_goes_to_a_new_segment(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="r", attempt=1, keep_bytes=1 << 20)
    append(journal, 0)
    [segment] = writers(tmp_path)[journal.writer]
    fill(segment)
    append(journal, 1)
    append(journal, 2)
    journal.close()
    assert len(writers(tmp_path)[journal.writer]) == 2
    assert [row.step for row in rows(tmp_path)] == [0, 1, 2]


@needs_full
def test_what_no_segment_takes_is_handed_back_as_a_line_and_the_lock_is_free(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="r", attempt=1)
    append(journal, 0)
    [segment] = writers(tmp_path)[journal.writer]
    fill(segment)
    segment.with_name(f"{journal.writer}.1.jsonl").touch()  # the name of the next one is taken
    with pytest.raises(NotWrittenError) as caught:
        append(journal, 1)
    assert caught.value.line == line_of(2, 1.5, 1, "step", None, "train", {"loss": 0.5})
    journal.tell_latest()
    assert journal.latest == {("train", "step"): {"loss": 0.5}}
    free: list[bool] = []
    other = threading.Thread(target=lambda: free.append(journal.lock.acquire(timeout=10)))
    other.start()
    other.join()
    assert free == [True]


def test_a_row_after_which_a_segment_is_full_is_its_last(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="r", attempt=1, segment_bytes=1000)
    for step in range(50):
        append(journal, step)
    journal.close()
    assert len(writers(tmp_path)[journal.writer]) > 2
    assert [row.step for row in rows(tmp_path)] == list(range(50))


def test_rows_of_many_threads_are_whole_and_each_has_its_number(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="r", attempt=1, keep_bytes=1 << 16, segment_bytes=1 << 15)

    def work(thread: int) -> None:
        for step in range(500):
            append(journal, step, float(thread))
            if step % 50 == 0:
                journal.sync()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    found = rows(tmp_path)
    for n in range(4):
        assert [row.step for row in found if row.values["loss"] == n] == list(range(500))


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe that is full: who writes to it waits."""
    out, into = os.pipe()
    os.set_blocking(into, False)
    while True:
        try:
            os.write(into, b"x" * 4096)
        except BlockingIOError:
            break
    os.set_blocking(into, True)
    yield out, into
    os.close(out)
    os.close(into)


@pytest.mark.parametrize("raises", [True, False])
def test_a_signal_comes_through_while_the_disk_holds_a_row(
    tmp_path: Path, pipe: tuple[int, int], raises: bool
) -> None:
    journal = Journal(tmp_path, run="r", attempt=1)
    append(journal, 0)
    out, into = pipe
    own, journal._fd = journal._fd, into

    def handler(number: int, frame: FrameType | None) -> None:
        if raises:
            raise ByHandlerError
        os.read(out, 1 << 20)  # there is room

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        if raises:
            with pytest.raises(ByHandlerError):
                append(journal, 1)
        else:
            append(journal, 1)
            line = line_of(2, 1.5, 1, "step", None, "train", {"loss": 0.5})
            assert os.read(out, 1 << 20).endswith(line)
    finally:
        signal.signal(signal.SIGALRM, before)
        journal._fd = own
    append(journal, 2)
    other = threading.Thread(target=append, args=(journal, 3))
    other.start()
    other.join(10)  # the lock is free
    journal.close()
    assert [row.step for row in rows(tmp_path)] == [0, 2, 3]


class ByHandlerError(Exception):
    """What a handler of a person's may raise."""


def test_the_latest_values_are_told_by_stage_and_axis_when_one_wants_them(tmp_path: Path) -> None:
    latest: Latest = {("train", "step"): {"old": 0.25, "loss": 9.0}}
    journal = Journal(tmp_path, run="r", attempt=1, latest=latest)
    append(journal, 0, 0.5)
    append(journal, 1, 0.75)
    append(journal, 1, 0.125, "acc")
    journal.append_row(1.5, 1, "eval_batch", None, "validate", {"loss": 0.5})
    journal.append_row(1.5, 1, "eval_batch", None, "validate", {"loss": 0.25})
    journal.tell_latest()
    journal.tell_latest()
    assert latest == {
        ("train", "step"): {"old": 0.25, "loss": 0.75, "acc": 0.125},
        ("validate", "eval_batch"): {"loss": 0.25},
    }
    append(journal, 2, 1.5)
    journal.tell_latest()
    other: Latest = {}
    journal.latest = other
    append(journal, 2, 1.0)
    journal.tell_latest()
    assert other == {("train", "step"): {"loss": 1.0}}
    assert latest["train", "step"]["loss"] == 1.5
    journal.close()


PLACES = st.tuples(st.sampled_from(["train", "validate"]), st.sampled_from(["step", "eval_batch"]))
NAMED = st.sampled_from([("a",), ("a", "b"), ("b", "a"), ("c",)])


@given(st.lists(st.none() | st.tuples(PLACES, NAMED, st.booleans()), max_size=30))
def test_the_latest_values_are_those_of_the_newest_row_that_has_them(
    tmp_path_factory: pytest.TempPathFactory,
    history: list[tuple[tuple[str, str], tuple[str, ...], bool] | None],
) -> None:
    journal = Journal(tmp_path_factory.mktemp("latest"), run="r", attempt=1)
    wanted: Latest = {}
    for n, one in enumerate(history):
        if one is None:
            journal.tell_latest()
            assert {place: known for place, known in journal.latest.items() if known} == wanted
            continue
        place, names, anew = one
        values = {"".join([name, ""]) if anew else name: float(n) for name in names}
        assert journal.append_row(1.5, n, place[1], None, place[0], values) is not None
        wanted.setdefault(place, {}).update(values)
    journal.tell_latest()
    assert journal.latest == wanted
    journal.close()


@pytest.mark.parametrize("number", [0.123, math.nan, -math.inf])
def test_a_journal_that_nobody_holds_is_gone_at_once_and_nothing_of_its_rows_is_held(
    tmp_path: Path, number: float
) -> None:
    value, name = float(str(number)), "".join(["n"] * 50)  # nobody else holds them
    before = sys.getrefcount(value), sys.getrefcount(name)
    gc.collect()
    gc.disable()
    try:
        journal = Journal(tmp_path, run="r", attempt=1, keep_bytes=1 << 20)
        for step in range(100):
            append(journal, step, value, name)
            append(journal, step, value, "b")
            row = {"a": 0.5, name: value, "c": -value}
            assert journal.append_row(1.5, step, "step", None, "train", row) is not None
        del row
        fd = journal._fd
        gone = weakref.ref(journal)
        del journal
        assert gone() is None
    finally:
        gc.enable()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)
    assert (sys.getrefcount(value), sys.getrefcount(name)) == before


def test_whichever_allocation_fails_a_wide_row_is_whole_or_not_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="r", attempt=1, keep_bytes=1 << 20)
    if type(journal) is Journal:
        pytest.skip("msgspec does not look at the result of all of its own")
    testcapi: Any = pytest.importorskip("_testcapi")

    append(journal, 0)
    taken: set[int] = set()
    for which in range(200):
        names = [f"é{n}" * 20 for n in range(100)]  # nobody has asked for their UTF-8 yet
        values = {name: math.nan if n % 3 else n / 7 for n, name in enumerate(names)}
        testcapi.set_nomemory(which, which + 1)
        try:
            journal.append_row(1.5, 2 * which + 1, "step", None, "train", values)
            taken.add(which)
        except MemoryError:
            pass
        finally:
            testcapi.remove_mem_hooks()
        append(journal, 2 * which + 2)
    other = threading.Thread(target=append, args=(journal, 401))
    other.start()
    other.join(10)  # the lock is free
    journal.close()
    found = rows(tmp_path)
    assert 0 < len(taken) < 100
    assert {2 * which + 1 for which in taken} <= {row.step for row in found}
    assert [row.step for row in found if row.step % 2 == 0] == list(range(0, 401, 2))
    assert {len(row.items()) for row in found if row.step % 2 and row.step < 400} == {100}


def test_a_journal_that_could_not_be_made_closes_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        Journal(tmp_path)  # type: ignore[call-arg]
    os.fstat(0)
