"""A segment as columns is the same segment."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etm_lightning import column_writer, columns, packing
from etm_lightning.journal import seal
from etm_lightning.reading import START, Cursor, Damage, follow, read, segment_name, writers
from etm_lightning.records import Known, Record, Scalars
from tests.records import columnar_parser, second_parser
from tests.records.histories import histories, laid, long_history, small_history, written

RANDOM = settings(max_examples=40)
NAMES = st.sampled_from(["loss", "acc", "é|\x00", ""])
NUMBERS = st.one_of(
    st.floats(width=32), st.floats(), st.sampled_from([0.1, -0.0, 5e-324, 1e308, 3.0000000001e38])
)


def row(
    step: int, values: dict[str, float], *, axis: str, stage: str, epoch: int | None, ticks: int
) -> Scalars:
    finite = {name: value for name, value in values.items() if value - value == 0}
    others: Any = {name: str(value) for name, value in values.items() if value - value != 0}
    time = 1.7e9 + ticks / 2**22
    return Scalars(time=time, step=step, axis=axis, stage=stage, epoch=epoch, values=finite, nonfinite=others)


rows = st.builds(
    row,
    st.integers(-(2**70), 2**70) | st.integers(0, 9),
    st.dictionaries(NAMES, NUMBERS, max_size=3),
    axis=st.sampled_from(["step", "eval_batch", "a|b"]),
    stage=st.sampled_from(["train", "validate", "", "a|b"]),
    epoch=st.none() | st.integers(0, 3),
    ticks=st.integers(0, 2**40),
)


def as_columns(segment: Path, *, remove: bool = True) -> Path:
    target = segment.with_suffix(".parquet")
    packing.write(segment.read_bytes(), target)
    if remove:
        segment.unlink()
    return target


def items(segments: list[Path], after: Cursor = START) -> list[tuple[Any, ...]]:
    """Everything such that -0.0 and 0.0 differ."""
    return [(c.segment, c.n, repr(item)) for c, item in follow(segments, after, final=True)]


@pytest.fixture(params=["few rows", "many rows"])
def many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are as many: times as differences, and a row group for each seven rows."""
    if request.param == "many rows":
        monkeypatch.setattr(column_writer, "MANY", 1)
        monkeypatch.setattr(column_writer, "ROWS", 7)


@pytest.mark.usefixtures("many")
@given(history=st.lists(rows, max_size=30) | histories)
@RANDOM
def test_every_record_comes_back_and_so_does_every_byte(
    history: list[Known], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    segments = written(folder, history)
    if not segments:
        return
    before, content = items(segments), segments[0].read_bytes()
    target = as_columns(segments[0])
    assert b"".join(columns.lines(target)) == content
    assert [target] == next(iter(writers(folder).values()))
    assert items([target]) == before
    assert columnar_parser.parse(target) == [
        {name: value for name, value in record.items() if name != "c"}
        for record in second_parser.parse(content, final=True)
    ]


def test_fields_and_kinds_of_a_later_version_come_back(tmp_path: Path) -> None:
    path = tmp_path / "1-train-host-1-abcd.0.jsonl"
    bodies = [
        b'{"k":"quantum","t":1.5,"spin":[1,2.0,null]}',
        b'{"k":"scalars","t":1.5,"s":1,"v":{"a":1.0},"unit":"m"}',
        b'{"k":"scalars","t":1.5,"s":1,"a":"step","g":"","v":{"a":1}}',
        b'{"k":"scalars","t":1.5,"s":1,"a":"step","g":"","v":{"a":1.0}}',
        b'{"k":"scalars","t":1e-9,"s":1,"e":null,"v":{}}',
        b'{"k":"scalars","t":1.5,"s":1,"v":{"a":1.0},"x":{"a":"nan"}}',
        b'{"k":"scalars","t":1.5,"s":1,"a":"none of this stays in columns","v":{"a":1.0},"x":{"a":"nan"}}',
    ]
    path.write_bytes(b"".join(seal(body, n) for n, body in enumerate(bodies)))
    content, before = path.read_bytes(), items([path])
    target = as_columns(path)
    assert b"".join(columns.lines(target)) == content
    assert items([target]) == before
    assert sum(shape is not None for shape in pq.read_table(target)["shape"].to_pylist()) == 1


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("seed", range(10))
def test_cursors_stay_valid_in_both_directions(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    history = small_history() * 2 + long_history(15)
    dice.shuffle(history)
    segments = laid(tmp_path, history, per_segment=dice.choice([4, 7, 12, 100]))
    again = segments[-1].with_name("1-train-host-1-abcd.90.jsonl")  # after an error of the disk: once more
    again.write_bytes(segments[-1].read_bytes() + segments[0].read_bytes())
    segments.append(again)
    kept = shutil.copytree(tmp_path, tmp_path / "lines")
    lines = next(iter(writers(kept).values()))
    for path in dice.sample(segments, dice.randint(1, len(segments))):
        as_columns(path)
    mixed = next(iter(writers(tmp_path).values()))
    assert [segment_name(path) for path in mixed] == [path.name for path in lines]
    assert items(mixed) == items(lines)
    of_lines = [cursor for cursor, _ in follow(lines, final=True)]
    of_mixed = [cursor for cursor, _ in follow(mixed, final=True)]
    for i in dice.sample(range(len(of_lines)), 8):
        wanted = items(lines, of_lines[i])
        bare = Cursor(of_lines[i].segment, of_lines[i].n)
        assert items(mixed, of_lines[i]) == items(mixed, bare) == items(lines, of_mixed[i]) == wanted


def test_a_segment_that_becomes_columns_while_it_is_read_is_read_on(tmp_path: Path) -> None:
    segments = laid(tmp_path, long_history(30), per_segment=10)
    wanted = items(segments)
    listed = list(segments)
    as_columns(segments[0])
    found = follow(listed, final=True)
    got = [next(found) for _ in range(5)]
    as_columns(segments[2])
    got += list(found)
    assert [(c.segment, c.n, repr(item)) for c, item in got] == wanted


def test_of_two_forms_the_lines_count_and_both_count_once(tmp_path: Path) -> None:
    segments = laid(tmp_path, long_history(5))
    wanted = items(segments)
    as_columns(segments[0], remove=False)
    assert writers(tmp_path) == {"1-train-host-1-abcd": segments}
    assert items(next(iter(writers(tmp_path).values()))) == wanted


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda content: content[:-1], "no end"),
        (lambda content: content.replace(b'"loss":1.0', b'"loss":2.0'), "damaged at byte"),
        (lambda content: content + b"\n", "damaged at byte"),
        (lambda content: content + seal(b'{"k":"scalars","t":1.5,"s":"one"}', 99), "record 99 is damaged"),
        (lambda content: content + seal(b'{"k":"odd","t":1.5,"x":"\xff"}', 99), "record 99 is damaged"),
    ],
)
def test_a_damaged_segment_stays_as_it_is(spoil: Any, reason: str, tmp_path: Path) -> None:
    [path] = laid(tmp_path, long_history(5))
    with pytest.raises(column_writer.RefusedError, match=reason):
        packing.write(spoil(path.read_bytes()), tmp_path / "x.parquet")


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("seed", range(40))
def test_damage_in_columns_is_told_and_never_changes_a_record(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    [path] = laid(tmp_path, small_history() + long_history(200))
    true = {(c.n, repr(item)) for c, item in read(path)}
    target = as_columns(path)
    content = bytearray(target.read_bytes())
    at = dice.randrange(len(content))
    if dice.random() < 0.2:
        del content[at:]
    else:
        content[at] ^= 1 << dice.randrange(8)
    target.write_bytes(content)
    found: list[tuple[Cursor, Record | Damage]] = list(read(target))
    records = {(c.n, repr(item)) for c, item in found if not isinstance(item, Damage)}
    assert records <= true
    assert records == true or any(isinstance(item, Damage) for _, item in found)


def test_ordinary_values_take_less_than_eight_bytes(tmp_path: Path) -> None:
    dice = random.Random(0)
    size = 500
    history = [
        Scalars(
            time=1.8e9 + step * 0.05 + dice.gauss(0, 1e-3),
            step=step,
            epoch=step // 100,
            stage="train",
            values={f"train/{i}": to_float32(dice.gauss(i, 1)) for i in range(20)},
        )
        for step in range(size)
    ]
    [path] = laid(tmp_path, history, per_segment=10**6)
    assert as_columns(path).stat().st_size <= 8 * 20 * size


def test_metrics_that_are_logged_one_after_the_other_take_less_than_five_bytes_each(tmp_path: Path) -> None:
    dice = random.Random(0)
    now, history = 1.8e9, []
    for step in range(2500):
        now += 0.05 + dice.gauss(0, 1e-3)
        for i in range(4):
            now += 15e-6 + dice.gauss(0, 1e-6)
            values = {f"train/{i}": to_float32(dice.gauss(i, 1))}
            history.append(Scalars(time=now, step=step, epoch=0, stage="train", values=values))
    [path] = laid(tmp_path, history, per_segment=10**6)
    content, target = path.read_bytes(), as_columns(path)
    assert target.stat().st_size <= 5 * len(history)
    assert b"".join(columns.lines(target)) == content


def to_float32(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


WITHOUT_PANDAS = """
import sys
from pathlib import Path
from etm_lightning.layout import RunFolder
from etm_lightning.store.run import StoredRun
from etm_lightning.store.picked import Picker
run = StoredRun(RunFolder(Path(sys.argv[1])))
print(len(run.series("loss")), len(Picker("loss").points(run).values), "pandas" in sys.modules)
"""


@pytest.mark.usefixtures("many")
def test_columns_are_read_without_importing_pandas(tmp_path: Path) -> None:
    (tmp_path / "journal").mkdir()
    [path] = laid(tmp_path / "journal", long_history(50))
    as_columns(path)
    command = [sys.executable, "-c", WITHOUT_PANDAS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["50", "50", "False"]


def test_each_series_has_its_statistics(tmp_path: Path) -> None:
    [path] = laid(tmp_path, long_history(50))
    file = pq.ParquetFile(as_columns(path))
    group = file.metadata.row_group(0)
    found = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert found["train|step|loss"].statistics.max == 1.0
    assert found["train|step|loss"].statistics.null_count == 1  # the header
    assert "BYTE_STREAM_SPLIT" in found["train|step|loss"].encodings
    assert "DELTA_BINARY_PACKED" in found["s"].encodings
    assert "DELTA_BINARY_PACKED" in found["ticks"].encodings
    compressed = {name for name, column in found.items() if column.compression == "ZSTD"}
    assert compressed == {"json", *(name for name in found if "|" in name)}
