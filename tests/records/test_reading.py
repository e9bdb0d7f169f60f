from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from etm_lightning.journal import Journal, seal
from etm_lightning.reading import START, Cursor, Damage, follow, read, writers
from etm_lightning.records import Gap, Header, Record, Scalars, encode
from tests.records.histories import laid, long_history, small_history, written, wrote

Found = list[tuple[Cursor, Record | Damage]]


def line(n: int) -> bytes:
    return seal(encode(Scalars(time=1.0, step=n)), n)


def segment(folder: Path, number: int, content: bytes) -> Path:
    path = folder / f"1-train-host-1-abcd.{number}.jsonl"
    path.write_bytes(content)
    return path


def numbers(found: Sequence[tuple[Cursor, Record | Damage]]) -> list[int]:
    return [cursor.n for cursor, item in found if not isinstance(item, Damage)]


def records(found: Sequence[tuple[Cursor, Record | Damage]]) -> Found:
    return [(cursor, item) for cursor, item in found if not isinstance(item, Damage)]


def without_hint(cursor: Cursor) -> Cursor:
    return Cursor(cursor.segment, cursor.n)


def test_cursors_are_equal_when_they_mean_the_same_record() -> None:
    assert Cursor("a.0.jsonl", 3, 100) == Cursor("a.0.jsonl", 3)
    assert len({Cursor("a.0.jsonl", 3, 100), Cursor("a.0.jsonl", 3), Cursor("a.0.jsonl", 4, 100)}) == 2
    assert Cursor("a.0.jsonl", 3) != Cursor("a.1.jsonl", 3)
    assert Cursor() == START
    assert START != ("", -1, 0)


@pytest.mark.parametrize("hint", [True, False], ids=["with its offset", "without its offset"])
def test_reading_goes_on_from_any_cursor(hint: bool, tmp_path: Path) -> None:
    segments = written(tmp_path, small_history() * 6, segment_bytes=700)
    assert len(segments) > 3
    everything = list(follow(segments))
    for i, (cursor, _) in enumerate(everything):
        after = cursor if hint else without_hint(cursor)
        assert list(follow(segments, after)) == everything[i + 1 :]


@pytest.mark.parametrize("hint", [True, False], ids=["with its offset", "without its offset"])
@pytest.mark.parametrize("seed", range(10))
def test_reading_goes_on_from_any_cursor_of_a_damaged_file(seed: int, hint: bool, tmp_path: Path) -> None:
    chance = random.Random(seed)
    segments = laid(tmp_path, long_history(60), per_segment=20)
    for path in segments:
        content = bytearray(path.read_bytes())
        for _ in range(4):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        begin = chance.randrange(len(content))
        path.write_bytes(content + content[begin : begin + 500])
    everything = list(follow(segments, final=True))
    assert any(isinstance(item, Damage) for _, item in everything)
    for i, (cursor, item) in enumerate(everything):
        if isinstance(item, Damage):  # it has the cursor of the record before it
            continue
        after = cursor if hint else without_hint(cursor)
        assert list(follow(segments, after, final=True)) == everything[i + 1 :]


def test_reading_goes_on_behind_a_record_that_was_damaged_after_it_was_read(tmp_path: Path) -> None:
    path = segment(tmp_path, 0, b"".join(map(line, range(6))))
    cursor = without_hint(list(read(path))[3][0])
    path.write_bytes(b"".join(line(n) if n != 3 else line(n).replace(b"1.0", b"2.0") for n in range(6)))
    found = list(read(path, cursor))
    assert isinstance(found[0][1], Damage)
    assert numbers(found) == [4, 5]


@pytest.mark.parametrize("offset", [1, 5, 10**9])
def test_an_offset_that_does_not_fit_the_file_is_not_believed(offset: int, tmp_path: Path) -> None:
    path = segment(tmp_path, 0, b"".join(map(line, range(6))))
    assert numbers(list(read(path, Cursor(path.name, 3, offset)))) == [4, 5]


def test_a_cursor_of_another_segment_says_nothing_about_this_one(tmp_path: Path) -> None:
    path = segment(tmp_path, 0, b"".join(map(line, range(3))))
    assert numbers(list(read(path, Cursor("1-train-host-1-abcd.7.jsonl", 1, 10)))) == [0, 1, 2]
    assert numbers(list(follow([path], Cursor("1-train-host-1-abcd.7.jsonl", 1, 10)))) == [0, 1, 2]


@pytest.mark.parametrize("hint", [True, False], ids=["with its offset", "without its offset"])
def test_records_that_overtook_each_other_are_all_read_from_any_cursor(hint: bool, tmp_path: Path) -> None:
    order = [0, 1, 4, 2, 3, 5, 7, 6, 8]  # a signal handler that logs inside `append` takes the later number
    first = segment(tmp_path, 0, b"".join(map(line, order)))
    second = segment(tmp_path, 1, b"".join(map(line, [9, 11, 10])))
    everything = list(follow([first, second]))
    assert numbers(everything) == [*order, 9, 11, 10]
    for i, (cursor, _) in enumerate(everything):
        after = cursor if hint else without_hint(cursor)
        assert numbers(list(follow([first, second], after))) == numbers(everything[i + 1 :])


def test_lower_numbers_behind_a_header_that_was_read_and_then_lost_are_read(tmp_path: Path) -> None:
    # lines that waited for the disk have their numbers, 2 and 3, when the header 4 of a new file is written
    header, rest = line(4), line(2) + line(3) + line(5)
    first, second = segment(tmp_path, 0, line(0) + line(1)), segment(tmp_path, 1, header + rest)
    cursor = next(cursor for cursor, _ in follow([first, second]) if cursor.n == 4)
    second.write_bytes(bytes(len(header)) + rest)  # a sync that failed may take what readers have seen
    assert numbers(list(follow([first, second], cursor))) == [2, 3, 5]


@pytest.mark.parametrize("hint", [True, False], ids=["with its offset", "without its offset"])
def test_a_record_that_was_written_twice_is_read_once_from_any_cursor(hint: bool, tmp_path: Path) -> None:
    # the disk failed at 4: what was not yet synced, 2 and 3, comes again behind the header 5 of a new file
    first = segment(tmp_path, 0, b"".join(map(line, [0, 1, 2, 3])) + line(4)[:20])
    second = segment(tmp_path, 1, b"".join(map(line, [5, 2, 3, 4, 6])))
    third = segment(tmp_path, 2, b"".join(map(line, [7, 4, 6, 8])))
    segments = [first, second, third]
    everything = list(follow(segments))
    assert numbers(everything) == [0, 1, 2, 3, 5, 4, 6, 7, 8]
    for i, (cursor, item) in enumerate(everything):
        after = cursor if hint else without_hint(cursor)
        rest = list(follow(segments, after))
        # the damage between 3 and 5 has the cursor of 3
        assert records(rest) == records(everything[i + 1 :])
        assert rest == everything[i + 1 :] or isinstance(item, Damage)


@pytest.mark.parametrize("hint", [True, False], ids=["with its offset", "without its offset"])
def test_a_record_that_overtook_another_and_was_written_twice_is_read_once(
    hint: bool, tmp_path: Path
) -> None:
    first = segment(tmp_path, 0, b"".join(map(line, [0, 1, 3, 2])))
    second = segment(tmp_path, 1, b"".join(map(line, [4, 3, 2, 5])))
    everything = list(follow([first, second]))
    assert numbers(everything) == [0, 1, 3, 2, 4, 5]
    for i, (cursor, _) in enumerate(everything):
        after = cursor if hint else without_hint(cursor)
        assert list(follow([first, second], after)) == everything[i + 1 :]


def test_a_number_of_any_size_costs_no_memory(tmp_path: Path) -> None:
    path = segment(tmp_path, 0, line(0) + line(10**18) + line(5) + line(10**18))
    assert numbers(list(follow([path]))) == [0, 10**18, 5]


def test_the_pending_tail_of_a_live_file_becomes_a_record_once_it_is_finished(tmp_path: Path) -> None:
    last = line(2)
    for size in range(len(last)):
        path = segment(tmp_path, 0, line(0) + line(1) + last[:size])
        found = list(follow([path]))
        assert [item for _, item in found] == [Scalars(time=1.0, step=0), Scalars(time=1.0, step=1)]
        with path.open("ab") as file:
            file.write(last[size:])
        assert [item for _, item in follow([path], found[-1][0])] == [Scalars(time=1.0, step=2)]


def test_a_tail_is_not_pending_once_a_later_segment_exists(tmp_path: Path) -> None:
    first = segment(tmp_path, 0, line(0) + line(1)[:-20])
    second = segment(tmp_path, 1, line(2) + line(3)[:-20])
    found = list(follow([first, second]))
    assert numbers(found) == [0, 2]
    assert [item.path for _, item in found if isinstance(item, Damage)] == [first]


def test_a_record_without_its_newline_is_read_once_its_writer_is_dead(tmp_path: Path) -> None:
    path = segment(tmp_path, 0, line(0) + line(1)[:-1])
    found = list(follow([path], final=True))
    assert numbers(found) == [0, 1]
    assert list(follow([path], found[-1][0], final=True)) == []


def test_a_reader_follows_a_live_writer(tmp_path: Path) -> None:
    history = long_history(3000)
    journal = Journal(tmp_path, run="run", attempt=1, segment_bytes=50_000)

    def write() -> None:
        for record in history:
            journal.append(record)

    writer = threading.Thread(target=write)
    writer.start()
    found: Found = []
    cursor, alive, rounds = START, True, 0
    while alive:
        alive = writer.is_alive()
        found.extend(follow(writers(tmp_path).get(journal.writer, []), cursor))
        cursor = found[-1][0] if found else START
        rounds += 1
    writer.join()
    journal.close()
    assert rounds > 1
    segments = writers(tmp_path)[journal.writer]
    assert len(segments) > 5
    assert [item for _, item in found if not isinstance(item, Header)] == history
    assert found == list(follow(segments, final=True))


def test_an_empty_file_and_no_file_hold_nothing(tmp_path: Path) -> None:
    assert writers(tmp_path) == {}
    assert writers(tmp_path / "missing") == {}
    assert list(follow([])) == []
    assert list(follow([segment(tmp_path, 0, b"")], final=True)) == []
    with pytest.raises(FileNotFoundError):
        list(read(tmp_path / "missing.0.jsonl"))


def test_segments_are_sorted_by_number_and_other_files_left_alone(tmp_path: Path) -> None:
    names = [f"1-train-a.b-1-abcd.{n}.jsonl" for n in (0, 2, 9, 10, 100)]
    for name in [*reversed(names), "notes.jsonl", "1-train-a.b-1-abcd.x.jsonl", "1-train-a.b-1-abcd.3.json"]:
        (tmp_path / name).touch()
    assert {writer: [path.name for path in paths] for writer, paths in writers(tmp_path).items()} == {
        "1-train-a.b-1-abcd": names
    }


def test_what_a_reader_gets_is_what_was_written_whatever_the_size_of_segments(tmp_path: Path) -> None:
    history = [*small_history(), Gap(time=9.0, lost=1, since=8.0)] * 5
    for size in (0, 1, 300, 1000, 10**6):
        assert wrote(written(tmp_path / str(size), history, segment_bytes=size)) == history
