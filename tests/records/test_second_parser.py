from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings

from etm_lightning.reading import Cursor, Damage, follow, writers
from etm_lightning.records import KINDS, Known, Record, Unknown
from tests.records import second_parser
from tests.records.histories import histories, laid, long_history, records, small_history, written

RANDOM = settings(max_examples=150)


def as_json(cursor: Cursor, record: Record) -> dict[str, Any]:
    """What a stranger sees of a record."""
    if isinstance(record, Unknown):
        return {"k": record.kind, "n": cursor.n, **record.fields}
    return {"n": cursor.n, **json.loads(msgspec.json.encode(record))}


def ours(segments: list[Path], *, final: bool) -> list[dict[str, Any]]:
    return [
        as_json(cursor, item)
        for cursor, item in follow(segments, final=final)
        if not isinstance(item, Damage)
    ]


def theirs(segments: list[Path], *, final: bool) -> list[dict[str, Any]]:
    found = second_parser.parse_writer(segments, final=final)
    return [{name: value for name, value in record.items() if name != "c"} for record in found]


def same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Equal, and -0.0, 0.0 and 0 differ."""
    return [json.dumps(record, sort_keys=True) for record in one] == [
        json.dumps(record, sort_keys=True) for record in other
    ]


@given(history=histories)
@RANDOM
def test_a_stranger_reads_what_we_read(
    history: list[Known], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    segments = written(folder, history, segment_bytes=1500)
    found = theirs(segments, final=True)
    assert same(found, ours(segments, final=True))
    assert len(found) == len(history) + len(segments)
    assert {writer: sorted(paths) for writer, paths in second_parser.by_writer(folder).items()} == {
        writer: sorted(paths) for writer, paths in writers(folder).items()
    }


@given(record=records)
@RANDOM
def test_a_stranger_knows_every_field_by_its_documented_name(record: Known) -> None:
    names = {field.encode_name for field in msgspec.structs.fields(KINDS[type(record).__name__.lower()])}
    assert set(json.loads(msgspec.json.encode(record))) <= {"k", *names}


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("final", [True, False], ids=["dead", "alive"])
def test_a_stranger_saves_from_a_damaged_file_what_we_save(seed: int, final: bool, tmp_path: Path) -> None:
    chance = random.Random(seed)
    segments = laid(tmp_path, small_history() * 4 + long_history(20), per_segment=15)
    for path in segments:
        content = bytearray(path.read_bytes())
        for _ in range(chance.randrange(4)):
            at, size = chance.randrange(len(content)), chance.choice([1, 3, 50, 400])
            match chance.randrange(6):
                case 0:
                    content[at] ^= 1 << chance.randrange(8)
                case 1:
                    del content[at : at + size]
                case 2:
                    content[at:at] = content[at : at + size]
                case 3:
                    content[at : at + size] = bytes(len(content[at : at + size]))
                case 4:
                    content[at:at] = chance.choice([b"\n", b'{"c":"', chance.randbytes(size)])
                case _:
                    newline = content.find(b"\n", at)
                    content[newline] = chance.randrange(256)
        path.write_bytes(content)
    assert same(theirs(segments, final=final), ours(segments, final=final))
