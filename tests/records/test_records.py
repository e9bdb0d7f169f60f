from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etm_lightning.journal import Journal, seal
from etm_lightning.reading import Cursor, Damage, follow, read, writers
from etm_lightning.records import (
    KINDS,
    Checkpoint,
    Gap,
    Known,
    Params,
    Scalars,
    Text,
    Unknown,
    decode,
    encode,
    split,
)
from tests.records.histories import ODD_NAMES, exact, finite, histories, written, wrote

RANDOM = settings(max_examples=150)


def one_segment(tmp_path: Path, *lines: bytes) -> Path:
    path = tmp_path / "1-train-host-1-abcd.0.jsonl"
    path.write_bytes(b"".join(lines))
    return path


@given(history=histories)
@RANDOM
def test_every_record_comes_back_as_it_was_written(
    history: list[Known], tmp_path_factory: pytest.TempPathFactory
) -> None:
    segments = written(tmp_path_factory.mktemp("journal"), history)
    assert exact(wrote(segments)) == exact(history)


@given(value=finite)
@example(-0.0)
@example(5e-324)
@example(2.2250738585072009e-308)
@example(1e308)
@example(1.7976931348623157e308)
@example(0.1 + 0.2)
@example(float(2**53 + 2))
@example(1e16)
@RANDOM
def test_a_float_comes_back_bit_by_bit(value: float) -> None:
    record = decode("scalars", encode(Scalars(time=1.0, step=0, values={"x": value})))
    assert isinstance(record, Scalars)
    assert struct.pack("d", record.values["x"]) == struct.pack("d", value)


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
@RANDOM
def test_a_float_of_32_bits_comes_back_bit_by_bit(value: float) -> None:
    record = decode("scalars", encode(Scalars(time=1.0, step=0, values={"x": value})))
    assert isinstance(record, Scalars)
    assert struct.pack("f", record.values["x"]) == struct.pack("f", value)


@given(values=st.dictionaries(st.text(max_size=5), st.floats(), max_size=6))
@RANDOM
def test_nan_and_the_infinities_come_back_under_their_names(values: dict[str, float]) -> None:
    fine, odd = split(values)
    assert all(map(math.isfinite, fine.values()))
    line = seal(encode(Scalars(time=1.0, step=0, values=fine, nonfinite=odd)), 0)
    assert "null" not in line.decode() or any("null" in name for name in values)
    record = decode("scalars", line)
    assert isinstance(record, Scalars)
    assert {name: str(value) for name, value in record.items().items()} == {
        name: str(value) for name, value in values.items()
    }


@pytest.mark.parametrize(
    "record",
    [
        Scalars(time=1.0, step=0, values={"fine": 1.0, "loss": math.nan}),
        Scalars(time=1.0, step=0, values={"loss": math.inf, "other": -math.inf}),
        Scalars(time=math.nan, step=0, values={"loss": 1.0}),
        Params(time=1.0, params={"model": {"clip": [1.0, math.inf]}}),
        Checkpoint(time=1.0, id="a", step=0, score=math.nan),
    ],
)
def test_a_number_that_json_does_not_have_is_refused_and_nothing_is_written(
    record: Known, tmp_path: Path
) -> None:
    journal = Journal(tmp_path, run="run", attempt=1)
    with pytest.raises(ValueError, match="must be finite but got"):
        journal.append(record)
    assert list(tmp_path.iterdir()) == []
    assert exact(wrote(written(tmp_path, [Gap(time=1.0, lost=0, since=0.0)]))) == [
        "Gap(time=1.0, lost=0, since=0.0, reason='')"
    ]


def test_finite_values_whose_sum_is_not_finite_are_taken(tmp_path: Path) -> None:
    record = Scalars(time=1.0, step=0, values={"a": 1e308, "b": 1e308, "null": 1e308})
    assert wrote(written(tmp_path, [record])) == [record]


def test_none_is_not_taken_for_a_number(tmp_path: Path) -> None:
    record = Params(time=1.0, params={"clip": None, "null": [None, "null"]})
    assert wrote(written(tmp_path, [record])) == [record]


@pytest.mark.parametrize("number", [2**53 + 1, -(2**63), 2**64, 2**64 + 1, -(2**200) + 1])
def test_an_integer_of_any_size_comes_back_exactly(number: int, tmp_path: Path) -> None:
    history: list[Known] = [Scalars(time=1.0, step=number), Params(time=1.0, params={"n": [number]})]
    assert exact(wrote(written(tmp_path, history))) == exact(history)


@pytest.mark.parametrize("name", [*ODD_NAMES, "x" * 65536, "é🦊" * 10922], ids=lambda name: ascii(name[:20]))
def test_any_text_is_a_name(name: str, tmp_path: Path) -> None:
    history: list[Known] = [
        Scalars(time=1.0, step=0, values={name: 1.0}),
        Scalars(time=1.0, step=1, nonfinite={name: "inf"}),
        Text(time=1.0, name=name, text=name),
    ]
    segments = written(tmp_path, history)
    assert exact(wrote(segments)) == exact(history)
    assert segments[0].read_bytes().count(b"\n") == 4


@pytest.mark.parametrize("text", ["\ud800", "a\udc00", "\udfff\ud800"])
def test_half_a_surrogate_pair_is_refused_and_nothing_is_written(text: str, tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="run", attempt=1)
    first = Gap(time=1.0, lost=0, since=0.0)
    journal.append(first)
    for record in (
        Scalars(time=1.0, step=0, values={text: 1.0}),
        Text(time=1.0, name="x", text=text),
        Params(time=1.0, params={"a": [text]}),
    ):
        with pytest.raises(UnicodeEncodeError):
            journal.append(record)
    journal.append(first)
    journal.close()
    found = list(follow(writers(tmp_path)[journal.writer], final=True))
    assert [cursor.n for cursor, _ in found] == [0, 1, 2]


def test_something_json_has_no_form_for_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="run", attempt=1)
    with pytest.raises(TypeError):
        journal.append(Params(time=1.0, params={"layer": object()}))
    assert list(tmp_path.iterdir()) == []


def test_a_hundred_thousand_names_come_back(tmp_path: Path) -> None:
    history = [
        Scalars(time=1.0, step=i, values={f"layer.{i}/weight.{k}": i * 1000.0 + k for k in range(1000)})
        for i in range(100)
    ]
    found = wrote(written(tmp_path, history))
    assert found == history
    assert len({name for record in found if isinstance(record, Scalars) for name in record.values}) == 100_000


def test_an_unknown_kind_comes_back_with_its_fields(tmp_path: Path) -> None:
    path = one_segment(tmp_path, seal(b'{"k":"hologram","t":2.5,"beams":[1,{"n":2}],"x":"nan"}', 3))
    assert list(read(path)) == [
        (Cursor(path.name, 3), Unknown("hologram", {"t": 2.5, "beams": [1, {"n": 2}], "x": "nan"}))
    ]
    [(_, record)] = read(path)
    assert isinstance(record, Unknown)
    assert record.time == 2.5
    assert Unknown("hologram", {"t": "yesterday"}).time == 0.0


def test_a_known_kind_is_read_when_it_has_more_fields(tmp_path: Path) -> None:
    path = one_segment(tmp_path, seal(b'{"k":"gap","t":1.5,"lost":3,"since":1.0,"disk":{"free":[0]}}', 0))
    assert [item for _, item in read(path)] == [Gap(time=1.5, lost=3, since=1.0)]


@pytest.mark.parametrize(
    "body",
    [
        b'{"k":"gap","t":1.5,"lost":"three","since":1.0}',
        b'{"k":"gap","t":1.5}',
        b'{"k":"gap",\xff}',
        b'{"k":"hologram","t":1.5',
        b'{"k":"hologram","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"k":"params","t":1.0,"params":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    ],
)
def test_a_sealed_line_that_is_no_record_is_damage(body: bytes, tmp_path: Path) -> None:
    good = seal(encode(Gap(time=1.5, lost=3, since=1.0)), 1)
    path = one_segment(tmp_path, bad := seal(body, 0), good)
    (_, damage), (_, record) = read(path)
    assert isinstance(damage, Damage)
    assert (damage.offset, damage.size) == (0, len(bad))
    assert damage.reason.startswith("not a record")
    assert record == Gap(time=1.5, lost=3, since=1.0)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_field_takes_a_name_that_lines_use(kind: type[Known]) -> None:
    names = [field.encode_name for field in msgspec.structs.fields(kind)]
    assert not {"c", "k", "n"} & set(names)
    assert len(set(names)) == len(names)
    assert "t" in names


@given(history=histories)
@RANDOM
def test_every_line_is_json_whose_first_keys_are_checksum_kind_and_number(
    history: list[Known], tmp_path_factory: pytest.TempPathFactory
) -> None:
    segments = written(tmp_path_factory.mktemp("journal"), [*history, Gap(time=1.0, lost=0, since=0.0)])
    lines = segments[0].read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert [list(json.loads(line))[:3] for line in lines] == [["c", "k", "n"]] * len(lines)
    assert [json.loads(line)["n"] for line in lines] == list(range(len(history) + 2))
