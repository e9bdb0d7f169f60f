"""Random records of every kind, and small journals made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import msgspec
from hypothesis import strategies as st

from etm_lightning.journal import Journal, seal
from etm_lightning.reading import Damage, follow, writers
from etm_lightning.records import KINDS, Gap, Header, Known, Params, Record, Scalars, Text, encode

ODD_NAMES = [
    "",
    "train/loss",
    "🦊/été/損失",
    "مرحبا\u202eolleh",
    "a\x00b\nc\td\x7f\u2028e",
    '{"c":"00000000","k":"gap","n":1,"t":1.0}',
    '"\\',
    "null",
]

finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.one_of(st.sampled_from(ODD_NAMES), st.text(max_size=20))
moments = st.floats(min_value=0, max_value=4e9)
integers = st.one_of(st.integers(-5, 5), st.integers(-(2**80), 2**80))
json: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), integers, finite, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
objects = st.dictionaries(texts, json, max_size=3)
_BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: integers,
    float: finite,
    dict[str, Any]: objects,
    dict[str, float]: st.dictionaries(texts, finite, max_size=4),
    tuple[str, ...]: st.lists(texts, max_size=3).map(tuple),
}


def of_kind(kind: type[Known]) -> st.SearchStrategy[Known]:
    """Any record of a kind, as its fields are declared."""
    fields = {field.name: _of_type(field.type) for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **{**fields, "time": moments})


def _of_type(type: Any) -> st.SearchStrategy[Any]:
    if isinstance(type, UnionType):
        return st.one_of([_of_type(part) for part in get_args(type)])
    return _BY_TYPE[type] if type in _BY_TYPE else st.from_type(type)


records: st.SearchStrategy[Known] = st.one_of([of_kind(kind) for kind in KINDS.values()])
histories = st.lists(records, max_size=12)


def small_history() -> list[Known]:
    """A few records of several kinds; one holds what looks like the start of a line."""
    return [
        Scalars(time=1.5, step=1, epoch=0, stage="train", values={"loss": 0.1, "é": -0.0}),
        Params(time=2.5, params={"c": "00000000", "k": "gap", "inner": {"c": "9f3a01bc"}}),
        Text(time=3.5, name="sample", text='🦊 {"c":"9f3a01bc"}\n'),
        Scalars(time=4.5, step=2, nonfinite={"loss": "nan"}),
        Gap(time=5.5, lost=3, since=5.0, reason="disk full"),
    ]


def long_history(size: int) -> list[Known]:
    """`size` measurements."""
    return [
        Scalars(time=1.7e9 + i, step=i, stage="train", values={"loss": 1 / (i + 1), "lr": i / 7})
        for i in range(size)
    ]


def written(folder: Path, history: Sequence[Known], **options: Any) -> list[Path]:
    """The segments of a new writer that wrote `history`."""
    journal = Journal(folder, run="run", attempt=1, clock=lambda: 1.0, **options)
    for record in history:
        journal.append(record)
    journal.close()
    return writers(folder).get(journal.writer, [])


def laid(folder: Path, history: Sequence[Known], *, per_segment: int = 1000) -> list[Path]:
    """The same without a journal, byte for byte equal every time; with one header, at the beginning."""
    header = Header(
        time=1.0,
        format=1,
        run="run",
        attempt=1,
        role="train",
        rank=0,
        host="host",
        boot="boot",
        pid=1,
        born=1.0,
        segment=0,
    )
    lines = [seal(encode(record), n) for n, record in enumerate([header, *history])]
    segments = []
    for number, begin in enumerate(range(0, len(lines), per_segment)):
        path = folder / f"1-train-host-1-abcd.{number}.jsonl"
        path.write_bytes(b"".join(lines[begin : begin + per_segment]))
        segments.append(path)
    return segments


def wrote(segments: Sequence[Path], *, final: bool = True) -> list[Record]:
    """The records in a writer's segments less the first of each, its header; there is no damage."""
    found, segment = [], ""
    for cursor, item in follow(segments, final=final):
        assert not isinstance(item, Damage)
        if cursor.segment == segment:
            found.append(item)
        else:
            assert isinstance(item, Header)
            segment = cursor.segment
    return found


def exact(found: Sequence[Record]) -> list[str]:
    """Records such that -0.0, 0.0 and 0 differ."""
    return [repr(record) for record in found]
