"""The compiled way writes the bytes and reads the numbers that Python does, or leaves it to Python."""

from __future__ import annotations

import itertools
import random
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etm_lightning.journal import Journal
from etm_lightning.lines import unseal
from etm_lightning.native import lines as native
from etm_lightning.reading import Damage, read
from etm_lightning.records import Scalars
from etm_lightning.store import blocks
from etm_lightning.store.picked import Picker
from tests.native.ways import (
    AWKWARD,
    FINITE,
    NAMES,
    ROWS,
    Appended,
    gap,
    line_of,
    sealed,
    spoiled,
    strange,
    told,
)

pytestmark = pytest.mark.skipif(native.Appender is None, reason=f"nothing is compiled: {native.WHY_NOT}")


def compiled_row(*row: Any, n: int = 7) -> bytes | None:
    return Appended(itertools.count(n)).append(*row)


def both(data: bytes) -> tuple[Any, Any]:
    """A block as the compiled way reads it, where it does, and as Python does."""
    found: list[Any] = []
    for way in (blocks._compiled, lambda _: None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(blocks, "_compiled", way)
            try:
                found.append(told(blocks._clean(data, Path("1-train-host-1-abcd.0.jsonl"))))
            except OverflowError as error:  # a number of more than 64 bits
                found.append(str(error))
    return found[0], found[1]


@given(ROWS.filter(lambda row: bool(row[-1])))
def test_a_row_has_the_same_bytes(row: Any) -> None:
    assert compiled_row(*row) == line_of(7, *row)


@given(st.lists(FINITE, min_size=20, max_size=200))
def test_every_double_has_the_digits_that_python_writes(values: list[float]) -> None:
    row = 1.5, 3, "step", None, "train", {str(i): value for i, value in enumerate([*AWKWARD, *values])}
    line = compiled_row(*row)
    assert line == line_of(7, *row)
    [rows] = blocks._compiled(line).rows  # type: ignore[union-attr]  # it is plain
    assert [rows.values[i][0].hex() for i in range(len(row[-1]))] == [
        value.hex() for value in row[-1].values()
    ]


@given(st.integers(-(2**54), 2**54) | st.sampled_from([2**53, 2**53 + 1, -(2**53), -(2**53) - 1, 2**64]))
def test_an_integer_is_the_float_that_it_becomes_or_left_to_python(value: int) -> None:
    line = compiled_row(1.5, 3, "step", None, "train", {"a": value})
    exact = abs(value) <= 2**53
    assert line == (compiled_row(1.5, 3, "step", None, "train", {"a": float(value)}) if exact else None)


def test_the_checksum_is_right_at_every_length() -> None:
    for size in range(300):
        line = compiled_row(1.5, 3, "step", None, "train", {"x" * size: 1.0})
        assert line is not None
        assert not isinstance(unseal(line[:-1]), str)


@pytest.mark.parametrize("size", range(1, 26))
def test_a_name_is_plain_unless_json_escapes_one_of_its_bytes(size: int) -> None:
    for at in range(size):
        for character in (*map(chr, range(256)), "損", "🦊"):
            name = "a" * at + character + "é" * (size - at - 1)
            row = 1.5, 3, "step", None, "train", {name: 1.0}
            escaped = character < " " or character in '"\\'
            assert compiled_row(*row) == (None if escaped else line_of(7, *row))


@pytest.mark.parametrize("values", strange(), ids=repr)
def test_what_is_not_plain_is_left_to_python_and_takes_no_number(
    values: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = itertools.count(7)
    given = Appended(numbers)
    line = given.append(1.5, 3, "step", None, "train", values)
    assert next(numbers) == (7 if line is None else 8)
    if line is not None:
        floats = {name: float(value) for name, value in values.items()}
        assert line == line_of(7, 1.5, 3, "step", None, "train", floats)
    given.appender.tell_latest()
    assert given.appender.latest == {("train", "step"): {} if line is None else values}
    outcomes = []
    for way in ("compiled", "python"):
        if way == "python":
            monkeypatch.setattr(native, "Appender", None)
        journal = Journal(tmp_path / way, run="r", attempt=1, clock=lambda: 1.0)
        try:
            if journal.append_row(1.5, 3, "step", None, "train", values) is None:
                journal.append(Scalars(time=1.5, step=3, stage="train", values=values))
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            outcomes.append(f"{type(error).__name__}: {error}")
        journal.append_row(2.5, 4, "step", None, "train", {"a": 1.0})
        journal.close()
        [path] = (tmp_path / way).iterdir()
        items = [item.reason if isinstance(item, Damage) else repr(item) for _, item in read(path)]
        outcomes[:] = [*outcomes, *items[1:]]
    half = len(outcomes) // 2
    assert outcomes[:half] == outcomes[half:]


@pytest.mark.parametrize(
    "odd",
    [
        (float("nan"), 3, "step", None, "train"),
        (1, 3, "step", None, "train"),
        (1.5, 3.0, "step", None, "train"),
        (1.5, True, "step", None, "train"),
        (1.5, 2**63, "step", None, "train"),
        (1.5, 3, None, None, "train"),
        (1.5, 3, 'st"ep', None, "train"),
        (1.5, 3, "step", 1.0, "train"),
        (1.5, 3, "step", -(2**63) - 1, "train"),
        (1.5, 3, "step", None, "tr\nain"),
        (1.5, 3, "step", None, b"train"),
    ],
    ids=repr,
)
def test_a_place_that_is_not_plain_is_left_to_python(odd: Any) -> None:
    assert compiled_row(*odd, {"a": 1.0}) is None


def test_a_mistake_in_the_call_is_told() -> None:
    assert native.rows is not None
    row = 1.5, 3, "step", None, "train", {"a": 1.0}
    for numbers in (iter([]), iter(["7"]), iter([2**70])):
        with pytest.raises(ValueError, match="`_numbers`"):
            Appended(numbers).append(*row)
    with pytest.raises(ZeroDivisionError):
        Appended(1 // 0 for _ in "a").append(*row)
    calls: list[tuple[Any, ...]] = [(), (1.5,), (*row, *row)]
    for wrong in calls:
        with pytest.raises(TypeError):
            Appended(itertools.count()).append(*wrong)
    for name, value in (("_numbers", 5), ("latest", []), ("latest", OrderedDict())):
        odd = Appended(itertools.count())
        setattr(odd.appender, name, value)
        with pytest.raises(AttributeError):
            odd.append(*row)
    for name in ("_numbers", "_enter", "_leave", "_keep", "_write_row", "_time_row", "latest"):
        odd = Appended(itertools.count())
        delattr(odd.appender, name)
        with pytest.raises(AttributeError):
            odd.append(*row)
    calls = [(), ("text",), (bytearray(b"\n"),), (b"\n", 5), (b"\n", "a", "b")]
    for wrong in calls:
        with pytest.raises(TypeError):
            native.rows(*wrong)
    with pytest.raises(UnicodeEncodeError):
        native.rows(b"\n", "\ud800")


def test_an_error_on_the_way_frees_the_lock_and_is_told() -> None:
    row = 1.5, 3, "step", None, "train", {"a": 1.0}

    def fails(*_: object) -> float:
        raise ZeroDivisionError

    for name in ("_numbers", "_keep", "_write_row", "_time_row"):
        given = Appended(itertools.count())
        setattr(given.appender, name, map(fails, "a") if name == "_numbers" else fails)
        with pytest.raises(ZeroDivisionError):
            given.append(*row)
        assert not given.held


LINES = st.lists(st.one_of(ROWS, ROWS, ROWS, st.none()), min_size=1, max_size=12)


def laid(rows: list[Any], first: int = 0) -> list[bytes]:
    return [gap(n) if row is None else line_of(n, *row) for n, row in enumerate(rows, first)]


@given(LINES)
def test_plain_lines_are_read_alike(rows: list[Any]) -> None:
    data = b"".join(laid(rows))
    assert blocks._compiled(data) is not None
    compiled, python = both(data)
    assert compiled == python
    assert compiled is not None


@given(LINES, st.randoms(use_true_random=False))
def test_damaged_lines_are_read_alike(rows: list[Any], dice: random.Random) -> None:
    compiled, python = both(spoiled(laid(rows), dice))
    assert compiled == python


BODIES = [
    '"n":1,"t":1.5,"s":3',
    '"n":1,"t":1.5,"s":3,"v":{}',
    '"n":1,"t":1.5,"s":3,"v":{"a":0.5},"x":{"b":"nan","c":"inf","d":"-inf"}',
    '"n":1,"t":1.5,"s":3,"x":{"b":"nan"}',
    '"n":1,"t":1.5,"s":3,"v":{"a":0.5},"x":{"a":"nan"}',
    '"n":1,"t":1.5,"s":3,"x":{"b":"NaN"}',
    '"n":1,"t":1.5,"s":3,"x":{"b":1.0}',
    '"n":1,"t":1.5,"s":3,"v":{"a":0.5,"a":0.25}',
    '"n":1,"t":1.5,"s":3,"v":{"a":0.5,"b":1.0,"a":0.25}',
    '"n":1,"t":1.5,"s":3,"v":{"a":null}',
    '"n":1,"t":1.5,"s":3,"v":{"a":true}',
    '"n":1,"t":1.5,"s":3,"v":{"a":0.5},"y":1',
    '"n":1,"t":1.5,"s":3,"v":{"\\u0061\\"":0.5}',
    '"n":1,"t":1.5,"s":3,"v":{"a" :0.5}',
    '"n":1,"t":1.5,"s":3,"v":{"a":0.5,}',
    '"n":1,"t":1.5,"s":3,"v":{"a":0.5}}',
    '"n":1,"t":1.5,"s":3,"v":{"a":0.5',
    '"n":1,"t":1.5,"s":3,"v":["a"]',
    '"n":1,"t":1.5,"s":3,"v":{"\x01":0.5}',
    '"n":1,"t":1.5,"s":3,"v":{"\x7f":0.5}',
    '"n":1,"s":3,"t":1.5',
    '"n":1,"t":1.5',
    '"n":1,"s":3',
    '"n":1,"t":1.5,"s":3,"g":"train","e":2',
    '"n":1,"t":1.5,"s":3,"a":"step","e":2,"g":""',
    '"n":1,"t":1.5,"s":3,"a":null',
    '"n":1,"t":1.5,"s":3,"e":null',
    '"n":1,"t":1.5,"s":3,"n":2',
    '"n":-1,"t":1.5,"s":3',
    '"n":01,"t":1.5,"s":3',
    '"n":1.0,"t":1.5,"s":3',
    '"n":999999999999999999,"t":1.5,"s":3',
    '"n":9223372036854775806,"t":1.5,"s":3',
    '"n":9223372036854775808,"t":1.5,"s":3',
    '"n":1,"t":1.5,"s":9223372036854775807',
    '"n":1,"t":1.5,"s":-9223372036854775807',
    '"n":1,"t":1.5,"s":-0',
    '"n":1,"t":1.5,"s":1e2',
    '"n":1,"t":1.5,"s":3.0',
    '"n":1,"t":1.5,"s":3,"e":9223372036854775807',
]
NUMBERS = [
    *(
        "1",
        "-1",
        "0",
        "-0",
        "-0.0",
        "00",
        "01",
        "1.",
        ".5",
        "-",
        "+1",
        "1e5",
        "1E5",
        "1e+5",
        "1e-05",
        "1e",
        "1e+",
    ),
    *(
        "1.e5",
        "1.5.5",
        "1e400",
        "-1e400",
        "1e-400",
        "1e400000000000000000000",
        "nan",
        "inf",
        "Infinity",
        "0x10",
    ),
    *("123456789012345678901234567890", "9007199254740993", "0." + "3" * 400, "1" * 400, "1_0", "1 ", " 1"),
    *("4.9e-324", "2.4703282292062328e-324", "2.4703282292062327e-324", "1.7976931348623158e308"),
]


@pytest.mark.parametrize("body", [*BODIES, *(f'"n":1,"t":1.5,"s":3,"v":{{"a":{text}}}' for text in NUMBERS)])
def test_a_line_with_a_right_checksum_is_read_alike_whatever_it_holds(body: str) -> None:
    odd = sealed(b'{"k":"scalars",%b}' % body.encode())
    for data in (odd, b"".join([*laid([(1.5, 2, "step", None, "", {"a": 1.0})], 5), odd, gap(9)])):
        compiled, python = both(data)
        assert compiled == python


@pytest.mark.parametrize("text", [*NUMBERS, *("0." + "3" * size for size in range(26)), "1" * 18, "1" * 24])
def test_a_number_within_a_line_is_read_or_passed_over_alike(text: str, tmp_path: Path) -> None:
    values = f'{{"a":{text},"more":0.5,"what follows is long enough":1.0}}'
    odd = sealed(f'{{"k":"scalars","n":1,"t":1.5,"s":3,"v":{values}}}'.encode())
    compiled, python = both(odd)
    assert compiled == python
    assert_picked_alike(tmp_path / "1-train-h-1-abcd.0.jsonl", odd, ["a", "more", "none"])


@pytest.mark.parametrize("text", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xc3"])
def test_a_name_that_is_no_text_is_left_to_python(text: bytes) -> None:
    line = sealed(b'{"k":"scalars","n":1,"t":1.5,"s":3,"v":{"%b":0.5}}' % text)
    assert blocks._compiled(line) is None
    assert both(line) == (None, None)


@given(LINES, NAMES, st.randoms(use_true_random=False), st.booleans())
def test_one_name_is_picked_alike(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], name: str, dice: random.Random, damaged: bool
) -> None:
    lines = laid(rows, 1)
    path = tmp_path_factory.mktemp("picked") / "1-train-h-1-abcd.0.jsonl"
    known = [name, *(one for row in rows if row is not None for one in row[-1])]
    assert_picked_alike(path, spoiled(lines, dice) if damaged else b"".join(lines), known)


def assert_picked_alike(path: Path, lines: bytes, names: Iterable[str]) -> None:
    header = (
        b'{"k":"header","n":0,"t":1.0,"format":1,"run":"r","attempt":1,"role":"train","rank":0,"host":"h",'
    )
    header += b'"boot":"b","pid":1,"born":1.0,"segment":0}'
    path.write_bytes(sealed(header) + lines)
    for one in dict.fromkeys(names):
        compiled = picked(path, one)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native, "rows", None)
            python = picked(path, one)
        # damage in a line without the name may be Python's to see, and then the whole run is read
        assert compiled == python


def picked(path: Path, name: str) -> Any:
    """The points of a name in one segment, to the bit."""
    try:
        found = Picker(name)._of_lines(path)
    except Exception as error:
        return type(error)
    if found is None:
        return None
    return found.key, [one.tobytes() for one in (found.steps, found.epochs, found.times, found.values)]
