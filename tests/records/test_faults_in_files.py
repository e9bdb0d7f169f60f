from __future__ import annotations

import random
from pathlib import Path

import pytest

from etm_lightning.journal import seal
from etm_lightning.reading import Cursor, Damage, follow, read
from etm_lightning.records import Gap, Params, Record, Scalars, encode
from tests.records.histories import laid, long_history, small_history, written

PAGE = 4096
Originals = dict[int, str]
Found = list[tuple[Cursor, Record | Damage]]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    [path] = laid(tmp_path, small_history())
    return path


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A journal of some 16 pages."""
    [path] = laid(tmp_path, long_history(512))
    assert 14 * PAGE < path.stat().st_size < 20 * PAGE
    return path


def put(path: Path, content: bytes) -> None:
    """Make `content` that of a file that exists; to truncate it first would wait for the disk."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def originals(path: Path) -> Originals:
    return {cursor.n: repr(item) for cursor, item in read(path, final=True)}


def spans(content: bytes) -> list[tuple[int, int]]:
    """Begin and end of the lines, newlines included; the number of a line is its place in the list."""
    found, begin = [], 0
    for line in content.splitlines(keepends=True):
        found.append((begin, begin + len(line)))
        begin += len(line)
    return found


def intact(found: Found, expected: Originals) -> set[int]:
    """The numbers of the records that were found, each once and with its true value."""
    numbers = [cursor.n for cursor, item in found if not isinstance(item, Damage)]
    assert len(set(numbers)) == len(numbers)
    for cursor, item in found:
        if not isinstance(item, Damage):
            assert repr(item) == expected[cursor.n]
    return set(numbers)


def damage(found: Found) -> list[tuple[int, int]]:
    """Begin and end of the damaged stretches."""
    return [
        (item.offset, item.offset + item.size)
        for _, item in found
        if isinstance(item, Damage) and item.reason
    ]


def test_a_flipped_bit_costs_one_record_and_a_newline_none(small: Path) -> None:
    content, expected = small.read_bytes(), originals(small)
    lines = spans(content)
    for n, (begin, end) in enumerate(lines):
        for byte in range(begin, end):
            for bit in range(8):
                flipped = bytearray(content)
                flipped[byte] ^= 1 << bit
                put(small, bytes(flipped))
                found = list(read(small, final=True))
                lost = expected.keys() - intact(found, expected)
                assert lost == (set() if byte == end - 1 else {n}), (byte, bit)
                assert any(first <= byte < last for first, last in damage(found)), (byte, bit)


def test_a_truncated_file_keeps_every_whole_line(small: Path) -> None:
    content, expected = small.read_bytes(), originals(small)
    lines = spans(content)
    for size in range(len(content) + 1):
        put(small, content[:size])
        whole = {n for n, (_, end) in enumerate(lines) if end <= size}
        tail = size - max((end for _, end in lines if end <= size), default=0)

        live = list(read(small))
        assert intact(live, expected) == whole
        assert not damage(live)

        dead = list(read(small, final=True))
        if any(size == end - 1 for _, end in lines):  # only the newline is missing
            assert intact(dead, expected) == {*whole, len(whole)}
            assert not damage(dead)
        else:
            assert intact(dead, expected) == whole
            assert damage(dead) == ([(size - tail, size)] if tail else [])


def test_a_zeroed_page_costs_the_records_on_it(pages: Path) -> None:
    content, expected = pages.read_bytes(), originals(pages)
    lines = spans(content)
    for begin in range(0, len(content), PAGE):
        end = min(begin + PAGE, len(content))
        put(pages, content[:begin] + bytes(end - begin) + content[end:])
        found = list(read(pages, final=True))
        on_it = {n for n, (first, last) in enumerate(lines) if first < end and last > begin}
        lost = expected.keys() - intact(found, expected)
        assert lost <= on_it
        # where the page ends in a newline, or begins behind one, a neighbour may be whole all the same
        assert len(on_it - lost) <= 1
        [(first, last)] = damage(found)
        assert first <= begin
        assert last >= end


def test_a_file_of_zeros_is_pending_while_its_writer_lives_and_damage_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "1-train-host-1-abcd.0.jsonl"
    path.write_bytes(bytes(PAGE))
    assert list(read(path)) == []
    assert damage(list(read(path, final=True))) == [(0, PAGE)]


def test_a_page_that_stands_there_twice_costs_nothing(pages: Path) -> None:
    content, expected = pages.read_bytes(), originals(pages)
    for begin in range(0, len(content) - PAGE, PAGE):
        end = begin + PAGE
        put(pages, content[:end] + content[begin:end] + content[end:])
        found = list(follow([pages], final=True))
        assert intact(found, expected) == expected.keys()
        assert [item for _, item in found if isinstance(item, Damage)]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"\n\n\n",
        b"hello\n",
        b"{}\n",
        b"\xff\xfe\x00\n",
        b'{"c":"',
        b'{"c":"00000000","k":"gap","n":3,',
        b"x",
    ],
)
def test_garbage_between_lines_costs_nothing(garbage: bytes, small: Path) -> None:
    content, expected = small.read_bytes(), originals(small)
    for begin, _ in spans(content):
        put(small, content[:begin] + garbage + content[begin:])
        found = list(read(small, final=True))
        assert intact(found, expected) == expected.keys()
        assert damage(found) == [(begin, begin + len(garbage))]


def test_a_torn_line_costs_only_itself_when_the_next_one_follows_on_it(small: Path) -> None:
    content, expected = small.read_bytes(), originals(small)
    lines = spans(content)
    for n, (begin, end) in enumerate(lines[:-1]):
        for cut in range(begin + 1, end - 1):
            put(small, content[:cut] + content[end:])
            found = list(read(small, final=True))
            assert intact(found, expected) == expected.keys() - {n}
            assert damage(found) == [(begin, cut)]


def test_a_line_that_lies_in_a_damaged_record_is_not_a_record(tmp_path: Path) -> None:
    inner = Params(time=1.0, params={"forged": True})
    line = seal(encode(inner), 9).decode().rstrip()
    for body in (
        f'{{"k":"params","t":1.0,"params":{line}}}',
        f'{{"k":"params","t":1.0,"params":{{"a":{line}}}}}',
        f'{{"k":"params","t":1.0,"params":{{"a":[{line},{line},1]}}}}',
        f'{{"k":"hologram","t":1.0,"beam":{line},"more":1}}',
    ):
        path = tmp_path / "1-train-host-1-abcd.0.jsonl"
        whole = seal(body.encode(), 0)
        path.write_bytes(whole.replace(b'"t":1.0', b'"t":2.0', 1))
        assert damage(list(read(path, final=True))) == [(0, len(whole))]


def test_a_record_may_hold_what_looks_like_a_line(tmp_path: Path) -> None:
    [path] = written(tmp_path, [Gap(time=1.0, lost=0, since=0.0)])
    line = path.read_bytes().splitlines()[1].decode()
    history = [Params(time=1.0, params={"line": line, "lines": [line] * 3})]
    [path] = written(tmp_path, history)
    assert [item for _, item in read(path)][1:] == history


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_to_a_file_every_untouched_record_is_read_and_none_is_invented(
    seed: int, pages: Path
) -> None:
    chance = random.Random(seed)
    content, expected = pages.read_bytes(), originals(pages)
    pieces = [content]
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(pieces))
        begin = chance.randrange(len(pieces[at]) + 1)
        end = min(len(pieces[at]), begin + chance.choice([0, 1, 7, 100, 1000, PAGE]))
        head, middle, tail = pieces[at][:begin], pieces[at][begin:end], pieces[at][end:]
        fault = chance.choice(
            [
                b"",
                bytes(len(middle)),
                chance.randbytes(len(middle)),
                b"\n",
                chance.randbytes(40),
                middle + middle,
            ]
        )
        pieces[at : at + 1] = [head, fault, tail]
    damaged = b"".join(pieces)
    put(pages, damaged)
    lines = spans(content)
    untouched = {n for n, (begin, end) in enumerate(lines) if content[begin:end] in damaged}
    assert intact(list(follow([pages], final=True)), expected) >= untouched

    found = list(read(pages, final=True))  # every byte is part of a record's line, or reported
    numbers = [cursor.n for cursor, item in found if not isinstance(item, Damage)]
    size = sum(lines[n][1] - lines[n][0] for n in numbers) + sum(end - begin for begin, end in damage(found))
    assert size - len(numbers) <= len(damaged) <= size


def test_a_damaged_segment_is_reported_at_the_cursor_of_the_record_before_it(tmp_path: Path) -> None:
    segments = written(tmp_path, long_history(20), segment_bytes=500)
    assert len(segments) > 3
    content = segments[2].read_bytes()
    segments[2].write_bytes(content[:5] + b"?" + content[6:])
    found = list(follow(segments, final=True))
    at = next(i for i, (_, item) in enumerate(found) if isinstance(item, Damage))
    assert found[at][0] == found[at - 1][0]
    assert found[at][0].segment == segments[1].name
    assert list(follow(segments, found[at][0], final=True)) == found[at:]


def test_two_bad_lines_in_a_row_are_one_damage_and_two_apart_are_two(tmp_path: Path) -> None:
    [path] = written(tmp_path, [Scalars(time=1.0, step=i) for i in range(6)])
    lines = path.read_bytes().splitlines(keepends=True)
    for n in (2, 3, 5):
        lines[n] = lines[n].replace(b"1.0", b"2.0")
    path.write_bytes(b"".join(lines))
    starts = [sum(map(len, lines[:n])) for n in range(len(lines) + 1)]
    assert damage(list(read(path, final=True))) == [(starts[2], starts[4]), (starts[5], starts[6])]
