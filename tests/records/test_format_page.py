"""`docs/format.md` says what the code does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import get_args

import duckdb
import msgspec
import pytest

from etm_lightning import column_writer, packing
from etm_lightning.columns import FIXED, LATER, About, Shape
from etm_lightning.layout import Identity
from etm_lightning.reading import read
from etm_lightning.records import FORMAT, KINDS, STATUSES, Axis, Known, Nonfinite, Scalars, Stage
from etm_lightning.track.media.exhibits import Exhibits
from tests.records import second_parser
from tests.records.histories import long_history, small_history, written

PAGE = Path(__file__).parents[2].joinpath("docs", "format.md").read_text()
ROWS = {row[1]: row[2] for row in re.finditer(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)}
LINE, BODY = re.findall(r"```json\n(.*)\n```", PAGE)


def test_the_page_is_about_this_version() -> None:
    assert f"format version {FORMAT}." in PAGE


def test_exactly_our_kinds_are_documented() -> None:
    assert list(ROWS) == list(KINDS)


@pytest.mark.parametrize(("name", "kind"), KINDS.items(), ids=KINDS)
def test_every_field_is_documented_and_so_is_whether_it_may_be_left_out(name: str, kind: type[Known]) -> None:
    row = ROWS[name]
    for field in msgspec.structs.fields(kind):
        assert f"`{field.encode_name}`" in row, field.encode_name
        assert (f"(`{field.encode_name}`" in row) is not field.required, field.encode_name


@pytest.mark.parametrize("name", [*STATUSES, *get_args(Stage), *get_args(Axis), *get_args(Nonfinite)])
def test_every_value_of_a_fixed_list_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE or f'`"{name}"`' in PAGE


def test_exactly_the_types_of_media_that_can_be_logged_are_documented() -> None:
    section = PAGE.split("## Media and artifacts")[1].split("\n## ")[0]
    methods = {name.removeprefix("log_") for name in vars(Exhibits) if name.startswith("log_")}
    types = methods - {"text", "artifact"} | {"plotly"}
    assert set(re.findall(r'^\| `"(\w+)"` \|', section, re.MULTILINE)) == types


@pytest.mark.parametrize("field", msgspec.structs.fields(Identity), ids=lambda field: field.name)
def test_every_field_of_run_json_is_documented(field: msgspec.structs.FieldInfo) -> None:
    section = PAGE.split("## run.json")[1].split("##")[0]
    assert f"`{field.encode_name}`" in section


def test_the_example_has_the_checksum_it_claims(tmp_path: Path) -> None:
    assert f"{zlib.crc32(BODY.encode()):08x}" == json.loads(LINE)["c"]
    assert "{" + LINE[16:] == BODY
    path = tmp_path / "1-train-host-1-abcd.0.jsonl"
    path.write_text(LINE + "\n")
    [(cursor, record)] = read(path)
    assert cursor.n == 412
    assert isinstance(record, Scalars)
    assert record.items() == {"train/loss": 0.4113, "train/grad_norm": float("inf")}


def test_the_expression_for_a_line_is_the_one_that_the_second_parser_uses() -> None:
    [expression] = re.findall(r"`\^(\\\{.*?)`, its checksum", PAGE)
    assert expression.replace("(0|", "(?:0|").encode() == second_parser.START.pattern


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_examples_with_jq_work(tmp_path: Path) -> None:
    written(tmp_path / "journal", [*small_history(), *long_history(3)])
    everything, curve = (
        subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        for command in re.findall(r"^jq .*$", PAGE, re.MULTILINE)
    )
    assert [json.loads(line)["s"] for line in everything.splitlines()] == [1, 2, 0, 1, 2]
    assert curve == ""

    written(tmp_path / "journal", [Scalars(time=1.0, step=4, values={"train/loss": 0.5})])
    [_, command] = re.findall(r"^jq .*$", PAGE, re.MULTILINE)
    found = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout == "4\t0.5\n"


def test_columns_are_documented_with_all_their_names_and_the_examples_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = PAGE.split("## Segments in columns")[1].split("\n## ")[0]
    names = [field.encode_name for kind in (About, Shape) for field in msgspec.structs.fields(kind)]
    for name in (*FIXED, LATER, *names, "etm.check"):
        assert f"`{name}`" in section, name
    rows = [
        Scalars(time=1.75e9 + step, step=step, stage="train", values={"train/loss": 0.5}) for step in (1, 2)
    ]
    [segment] = written(tmp_path / "journal", rows)
    target = segment.with_suffix(".parquet")
    queries = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    for many, query in zip((4, 3), queries, strict=True):
        monkeypatch.setattr(column_writer, "MANY", many)
        packing.write(segment.read_bytes(), target)
        found = duckdb.connect().execute(re.sub(r"'journal/.*?'", f"'{target}'", query)).fetchall()
        assert found == [(1, 1.75e9 + 1, 0.5), (2, 1.75e9 + 2, 0.5)]
