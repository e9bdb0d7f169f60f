from __future__ import annotations

import os
import random
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etm_lightning.journal import Journal
from etm_lightning.process import this_process
from etm_lightning.reading import Cursor, Damage, follow, read, writers
from etm_lightning.records import FORMAT, Gap, Header, Record, Scalars
from tests.records.histories import long_history, wrote

NAME = re.compile(r"(\d+-(train|child|shipper)\d*|edits)-[A-Za-z0-9._]+-\d+-[0-9a-f]{4}\.\d+\.jsonl")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal", run="run", attempt=1)
    yield journal
    journal.close()


def steps(journal: Journal) -> list[int]:
    """The steps of the measurements in all files of a writer, in the order of the files."""
    found = [item for _, item in follow(writers(journal.folder)[journal.writer], final=True)]
    return [item.step for item in found if isinstance(item, Scalars)]


def step(number: int) -> Scalars:
    return Scalars(time=1.0, step=number)


def in_child(work: Callable[[], None]) -> int:
    """Exit code of a forked child that does `work`."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_nothing_is_created_before_the_first_record(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run" / "journal", run="run", attempt=1)
    journal.sync()
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_the_first_line_of_every_segment_says_who_writes_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="r1", attempt=3, rank=2, clock=lambda: 7.5, segment_bytes=0)
    journal.append(step(0))
    journal.append(step(1))
    journal.close()
    who = this_process()
    for number, path in enumerate(writers(tmp_path)[journal.writer]):
        _, header = next(read(path))
        assert header == Header(
            time=7.5,
            format=FORMAT,
            run="r1",
            attempt=3,
            role="train",
            rank=2,
            host=socket.gethostname(),
            boot=who.boot,
            pid=os.getpid(),
            born=who.born,
            segment=number,
        )
    assert number == 1


@pytest.mark.parametrize(
    ("attempt", "role", "rank", "begin"),
    [
        (1, "train", 0, "1-train-"),
        (12, "train", 3, "12-train3-"),
        (2, "shipper", 0, "2-shipper-"),
        (0, "edits", 0, "edits-"),
    ],
)
def test_the_name_of_a_file_says_who_writes_it(
    attempt: int, role: str, rank: int, begin: str, tmp_path: Path
) -> None:
    journal = Journal(tmp_path, run="run", attempt=attempt, role=role, rank=rank)
    journal.append(step(0))
    journal.close()
    [path] = tmp_path.iterdir()
    assert NAME.fullmatch(path.name)
    assert path.name.startswith(begin)
    assert path.name == f"{journal.writer}.0.jsonl"
    assert path.name.split("-")[-2] == str(os.getpid())


def test_two_writers_of_one_process_have_two_files(tmp_path: Path) -> None:
    journals = [Journal(tmp_path, run="run", attempt=1) for _ in range(50)]
    for number, journal in enumerate(journals):
        journal.append(step(number))
        journal.close()
    assert len(writers(tmp_path)) == 50
    assert [steps(journal) for journal in journals] == [[number] for number in range(50)]


def test_a_writer_whose_name_is_taken_draws_another_one(journal: Journal) -> None:
    journal.folder.mkdir()
    taken = journal.folder / f"{journal.writer}.0.jsonl"
    taken.write_bytes(b"another writer's\n")
    journal.append(step(5))
    assert taken.read_bytes() == b"another writer's\n"
    assert f"{journal.writer}.0.jsonl" != taken.name
    assert steps(journal) == [5]


def test_a_record_can_be_read_as_soon_as_it_is_appended(journal: Journal) -> None:
    for number in range(20):
        journal.append(step(number))
        assert steps(journal) == list(range(number + 1))


def test_a_segment_that_is_full_is_followed_by_another_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="run", attempt=1, segment_bytes=1000)
    history = long_history(100)
    for record in history:
        journal.append(record)
    journal.close()
    segments = writers(tmp_path)[journal.writer]
    assert len(segments) > 10
    assert all(1000 < path.stat().st_size < 1200 for path in segments[:-1])
    assert wrote(segments) == history


def test_a_closed_journal_can_be_appended_to_again(journal: Journal) -> None:
    for number in range(4):
        journal.append(step(number))
        journal.close()
        journal.close()
    assert len(writers(journal.folder)[journal.writer]) == 4
    assert steps(journal) == [0, 1, 2, 3]


def test_a_journal_that_nobody_holds_gives_its_descriptor_back(tmp_path: Path) -> None:
    held: list[Journal] = []
    for attempt in range(1, 4):
        journal = Journal(tmp_path, run="r", attempt=attempt)
        journal.append(Gap(time=1.5, lost=1, since=1.0))
        held.append(journal)
    last = held[-1]._fd
    del journal
    held.pop()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(last)
    held[0].append(Gap(time=1.5, lost=1, since=1.0))  # the others go on


def test_numbers_go_on_through_all_segments(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="run", attempt=1, segment_bytes=300)
    for number in range(20):
        journal.append(step(number))
        if number % 7 == 0:
            journal.close()
    journal.close()
    found = [cursor.n for cursor, _ in follow(writers(tmp_path)[journal.writer])]
    assert found == list(range(len(found)))


def test_many_threads_write_whole_records(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="run", attempt=1, segment_bytes=20_000)
    stop = threading.Event()

    def sync() -> None:
        while not stop.is_set():
            journal.sync()

    def write(first: int) -> None:
        for number in range(first, first + 500):
            journal.append(step(number))

    syncer = threading.Thread(target=sync)
    threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 4000, 500)]
    for thread in (syncer, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    syncer.join()
    journal.close()
    found = list(follow(writers(tmp_path)[journal.writer], final=True))
    assert not [item for _, item in found if isinstance(item, Damage)]
    assert [cursor.n for cursor, _ in found] == list(range(len(found)))
    assert sorted(steps(journal)) == list(range(4000))


def test_a_signal_handler_may_append_inside_append(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="run", attempt=1, segment_bytes=5000)
    handled = 0

    def handler(*_: object) -> None:
        nonlocal handled
        handled += 1
        journal.append(step(-handled))
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-5, 3e-4))

    chance = random.Random(0)
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 1e-4)
    written = 0
    try:
        while handled < 400:
            written += 1
            journal.append(step(written))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    journal.close()
    found = list(follow(writers(tmp_path)[journal.writer], final=True))
    numbers = [cursor.n for cursor, _ in found]
    assert not [item for _, item in found if isinstance(item, Damage)]
    assert sorted(numbers) == list(range(len(numbers)))
    assert sorted(steps(journal)) == [*range(-handled, 0), *range(1, written + 1)]


def test_a_forked_child_has_a_file_of_its_own(journal: Journal) -> None:
    journal.append(step(0))
    parent = writers(journal.folder)[journal.writer]
    for number in range(1, 4):

        def work(number: int = number) -> None:
            for i in range(5):
                journal.append(step(number * 10 + i))
            assert in_child(lambda: journal.append(step(number * 100))) == 0

        assert in_child(work) == 0
        journal.append(step(number))

    assert steps(journal) == [0, 1, 2, 3]
    assert writers(journal.folder)[journal.writer] == parent
    children = writers(journal.folder).keys() - {journal.writer}
    assert len(children) == 6
    found = {}
    for child in children:
        cursor, header = next(read(writers(journal.folder)[child][0]))
        assert cursor.n == 0
        assert isinstance(header, Header)
        assert (header.role, header.attempt, header.run) == ("child", 1, "run")
        assert header.pid != os.getpid()
        assert child.startswith("1-child-")
        found[header.pid] = [
            item.step for _, item in follow(writers(journal.folder)[child]) if isinstance(item, Scalars)
        ]
    children_wrote = [[*range(first, first + 5)] for first in (10, 20, 30)]
    grandchildren_wrote = [[100], [200], [300]]
    assert sorted(found.values()) == children_wrote + grandchildren_wrote


def test_a_forked_shipper_stays_a_shipper(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="run", attempt=1, role="shipper")
    assert in_child(lambda: journal.append(step(0))) == 0
    [name] = writers(tmp_path)
    assert name.startswith("1-shipper-")
    assert name != journal.writer


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # that is the point
def test_a_child_may_be_forked_while_another_thread_appends(journal: Journal) -> None:
    stop = threading.Event()
    count = 0

    def write() -> None:
        nonlocal count
        while not stop.is_set():
            journal.append(step(count))
            count += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        codes = [in_child(lambda: journal.append(step(-1))) for _ in range(10)]
    finally:
        stop.set()
        thread.join()
    assert codes == [0] * 10
    assert steps(journal) == list(range(count))
    assert len(writers(journal.folder)) == 11


def test_what_is_synced_is_the_file_in_use(journal: Journal) -> None:
    journal.append(Gap(time=1.0, lost=0, since=0.0))
    journal.sync()
    journal.append(Gap(time=2.0, lost=0, since=0.0))
    journal.sync()
    found: list[tuple[Cursor, Record | Damage]] = list(follow(writers(journal.folder)[journal.writer]))
    assert len(found) == 3
