"""A run without Lightning."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etm_lightning import Run
from etm_lightning.layout import new_run_id
from etm_lightning.records import Alert, Artifact, Media, Params, Scalars, Text
from etm_lightning.store.store import Store
from etm_lightning.track.spool import Spool
from tests.track.lines import below, ends, of_kind, only_run, records, rows


def test_a_run_is_created_at_its_first_use(tmp_path: Path) -> None:
    run = Run("p", save_dir=tmp_path, params={"lr": 1}, question="why?", method="so", tags=["t"], group="g")
    assert below(tmp_path) == []
    run.log({"loss": 1.0}, step=0, epoch=3, stage="validate")
    run.end()
    stored = Store(tmp_path).run("latest")
    assert (stored.question, stored.method, stored.tags, stored.group) == ("why?", "so", ("t",), "g")
    assert stored.params == {"lr": 1}
    assert rows(run.folder) == [("validate", "step", 0, 3, {"loss": 1.0})]


def test_a_block_that_ends_is_finished_and_one_that_raises_failed(tmp_path: Path) -> None:
    with Run(save_dir=tmp_path / "a") as run:
        assert run.started
    assert ends(run.folder) == ["finished"]
    with pytest.raises(ZeroDivisionError), Run(save_dir=tmp_path / "b") as run:
        1 / 0  # noqa: B018
    stored = Store(tmp_path / "b").run("latest")
    assert (stored.status, stored.reason) == ("failed", "ZeroDivisionError: division by zero")
    assert "1 / 0" in stored.traceback


@pytest.mark.parametrize("status", ["finished", "failed", "interrupted", "preempted", "pruned"])
def test_a_run_ends_as_it_is_told(status: Any, tmp_path: Path) -> None:
    run = Run(save_dir=tmp_path)
    run.end(status, "said so")
    stored = Store(tmp_path).run("latest")
    assert (stored.status, stored.reason) == (status, "said so")


@pytest.mark.parametrize("status", ["crashed", "running", "done"])
def test_a_run_cannot_end_itself_in_other_ways(status: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"`status` must be one of finished, .* but got '{status}'"):
        Run(save_dir=tmp_path).end(status)
    assert below(tmp_path) == []


def test_a_run_goes_on_with_what_is_logged_after_its_end(tmp_path: Path) -> None:
    run = Run(save_dir=tmp_path)
    for step in range(2):
        run.log({"a": 1}, step=step)
        run.end()
        run.end()
    assert ends(run.folder) == ["finished", "finished"]


def test_numbers_of_numpy_and_torch_are_numbers(tmp_path: Path) -> None:
    place: dict[str, Any] = {"step": np.int64(5), "epoch": torch.tensor(2)}
    with Run(save_dir=tmp_path, strict=True) as run:
        run.log(
            {
                "a": np.float32(0.1),
                "b": np.array([2]),
                "c": torch.tensor(3),
                "d": torch.tensor([[4.0]], requires_grad=True),
                "e": True,
                "f": 1 << 60,
                "g": np.nan,
                "h": -np.inf,
            },
            **place,
        )
    [row] = rows(run.folder)
    assert (row.step, row.epoch) == (5, 2)
    values = {**row.values}
    assert str(values.pop("g")) == "nan"
    assert values == {"a": float(np.float32(0.1)), "b": 2, "c": 3, "d": 4, "e": 1, "f": 1 << 60, "h": -np.inf}


def test_values_that_json_has_no_number_for_go_the_short_way_and_leave_what_the_long_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[dict[str, float]] = [
        {"b": math.nan, "a": 0.5, "c": 1.0},
        {"b": 0.25, "a": -math.inf, "c": math.inf},
        {"b": math.nan, "a": math.nan},
        {"a": 0.5, "b": 0.125},
        {"d": math.inf, "a": math.nan, "b": 2.0},
    ]
    lines: list[list[bytes]] = []
    for way in ("short", "long"):
        written: list[object] = []
        with monkeypatch.context() as patch:
            patch.setattr(Spool, "write", _noting(written))
            if way == "long":
                patch.setattr(Spool, "write_row", lambda *_: False)
            with Run("p", save_dir=tmp_path / way, id="r", shipper=False, clock=lambda: 1.2345) as run:
                for step, values in enumerate(rows):
                    run.log(values, step=step, epoch=0)
                    if step == 1:
                        run.mark_checkpoint(step=step)
        assert len(of_kind(run.folder, Scalars)) == len(rows)
        assert any(isinstance(item, Scalars) for item in written) == (way == "long")
        [segment] = run.folder.journal.iterdir()
        # a header names its process, a mark its writer, a start where it came from
        kinds = b'"k":"scalars"', b'"k":"ended"'
        lines.append([line for line in segment.read_bytes().splitlines() if line[16:].startswith(kinds)])
    short, long = lines
    assert short == long
    assert json.loads(short[-1])["summary"] == {"a": "nan", "b": 2.0, "c": "inf", "d": "inf"}


def _noting(written: list[object]) -> Callable[[Spool, Any], None]:
    """`Spool.write`, which notes what it writes."""
    own = Spool.write

    def write(spool: Spool, item: Any) -> None:
        written.append(item)
        own(spool, item)

    return write


@pytest.mark.parametrize("wrong", [1j, "0.5", b"1", None, [1.0], torch.zeros(2), np.complex64(1), {"a": 1}])
def test_a_strict_run_names_the_value_that_is_no_number_and_keeps_the_others(
    wrong: Any, tmp_path: Path
) -> None:
    run = Run(save_dir=tmp_path, strict=True)
    with pytest.raises(TypeError, match=r"`values\['wrong'\]` must be (a|one) number but got"):
        run.log({"right": 1.0, "wrong": wrong}, step=0)
    assert rows(run.folder) == [("train", "step", 0, None, {"right": 1.0})]
    run.end()


def test_a_strict_run_refuses_a_position_that_is_none(tmp_path: Path) -> None:
    run = Run(save_dir=tmp_path, strict=True)
    with pytest.raises(TypeError, match="`step`, `epoch` must be whole numbers but got 'x', None"):
        run.log({"a": 1.0}, step="x")  # type: ignore[arg-type]
    assert below(tmp_path) == []


def test_a_run_that_is_not_strict_counts_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Run(save_dir=tmp_path) as run:
        for step in range(3):
            run.log({"wrong": "x"}, step=step)
        run.log_table("t", ["a", "b"], [[1]])
        run.log_confusion_matrix("m", ["a"], [[1, 2]])
        run.log_artifact(tmp_path / "missing")
        run.log_params([1])  # type: ignore[arg-type]
    assert run.rejected == 7
    [alert] = of_kind(run.folder, Alert)
    assert (alert.title, alert.text) == (
        "a value could not be logged",
        "`values['wrong']` must be a number but got 'x'",
    )
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_strict_run_refuses_exhibits_of_the_wrong_shape(tmp_path: Path) -> None:
    run = Run(save_dir=tmp_path, strict=True)
    with pytest.raises(TypeError, match=r"`rows\[1\]` must have 2 values, one for each column, but got 1"):
        run.log_table("t", ["a", "b"], [[1, 2], [3]])
    with pytest.raises(TypeError, match="`counts` must have 2 rows of 2 counts"):
        run.log_confusion_matrix("m", ["a", "b"], [[1, 2]])
    with pytest.raises(TypeError, match=r"`path` must be a file or a folder but got '.*missing'"):
        run.log_artifact(tmp_path / "missing")


def content(run: Run, media: Media) -> Any:
    encoded = (run.folder.path / media.file).read_bytes()
    assert len(encoded) == media.size
    return json.loads(encoded)


def test_tables_and_confusion_matrices_are_files_of_the_run(tmp_path: Path) -> None:
    with Run(save_dir=tmp_path) as run:
        run.log_table("words", ["word", "count"], [["a", np.int64(3)], ["b", float("nan")]], step=7)
        run.log_confusion_matrix("val/confusion", ["x", "y"], torch.tensor([[3, 1], [0, 4]]).tolist())
        run.log_table("same", ["word", "count"], [["a", 3], ["b", float("nan")]])
    table, matrix, same = of_kind(run.folder, Media)
    assert (table.name, table.type, table.step, table.stage) == ("words", "table", 7, "train")
    assert content(run, table) == {"columns": ["word", "count"], "rows": [["a", 3], ["b", "nan"]]}
    assert (matrix.type, matrix.stage) == ("confusion_matrix", "validate")
    assert content(run, matrix) == {"labels": ["x", "y"], "counts": [[3, 1], [0, 4]]}
    assert same.file == table.file
    assert len(list(run.folder.media.iterdir())) == 2


def test_a_file_is_recorded_where_it_lies(tmp_path: Path) -> None:
    outside = tmp_path / "model.bin"
    outside.write_bytes(b"abc")
    with Run(save_dir=tmp_path / "store") as run:
        inside = run.folder.path / "inside.txt"
        inside.write_text("x")
        run.log_artifact(outside, type="model", aliases=["best"])
        run.log_artifact(inside, name="note")
    first, second = of_kind(run.folder, Artifact)
    assert (first.name, first.path, first.size, first.aliases) == ("model.bin", str(outside), 3, ("best",))
    assert first.sha256.startswith("ba7816bf")
    assert (second.name, second.path) == ("note", "inside.txt")


def test_texts_are_kept_whole_and_halves_of_surrogates_spelled_out(tmp_path: Path) -> None:
    with Run(save_dir=tmp_path, strict=True) as run:
        run.log_text("long", "x" * 200_000, step=1)
        run.log_text("half\ud800", "a\udfff")
        run.log_text("number", 5)  # type: ignore[arg-type]
    found = of_kind(run.folder, Text)
    assert [len(text.text) for text in found] == [200_000, 7, 1]
    assert (found[1].name, found[1].text) == ("half\\ud800", "a\\udfff")


def test_media_wait_for_the_start_as_records_do(tmp_path: Path) -> None:
    run = Run(save_dir=tmp_path)
    run.hold()
    run.log_table("t", ["a"], [[1]])
    run.log({"a": 1}, step=0)
    assert below(tmp_path) == []
    run.start()
    run.sync()
    assert {type(item).__name__ for item in records(run.folder)[2:]} == {"Media", "Scalars"}
    assert len(list(run.folder.media.iterdir())) == 1
    run.end()


def test_a_run_held_until_there_are_values_starts_with_them(tmp_path: Path) -> None:
    run = Run(save_dir=tmp_path)
    run.hold("values")
    run.log_params({"lr": 1})
    assert below(tmp_path) == []
    run.log({"a": 1}, step=0)
    assert [type(item).__name__ for item in records(run.folder)][2:] == ["Params", "Scalars"]
    run.end()


def test_a_muted_run_writes_nothing(tmp_path: Path) -> None:
    run = Run(save_dir=tmp_path)
    run.muted = True
    run.log({"a": 1}, step=0)
    run.log_table("t", ["a"], [[1]])
    assert run.mark_checkpoint(step=1) == ""
    run.end()
    assert below(tmp_path) == []


def test_the_identity_is_fixed_by_the_start(tmp_path: Path) -> None:
    run = Run(save_dir=tmp_path)
    run.become(forked_from="other")
    run.start()
    assert only_run(tmp_path).identity().forked_from == "other"
    with pytest.raises(RuntimeError, match="has started: its identity cannot change"):
        run.become(forked_from="third")
    run.end()


def test_a_store_that_is_a_file_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with (
        pytest.raises(NotADirectoryError, match=r"is a file\. Give another folder"),
        Run(save_dir=tmp_path / "store"),
    ):
        raise AssertionError("never reached")


@pytest.mark.parametrize("id", ["", "a/b", "..", ".hidden", "a\0b"])
def test_an_id_is_the_name_of_a_folder(id: str) -> None:
    with pytest.raises(ValueError, match="`version` must be the name of a run's folder"):
        Run(id=id)


def test_every_id_that_is_made_can_be_given(tmp_path: Path) -> None:
    id = new_run_id("lr=1e-5,weird/../name\0")
    assert Run(id=id).id == id


def test_settings_of_any_kind_are_shown(tmp_path: Path) -> None:
    with Run(save_dir=tmp_path) as run:
        run.log_params({"a": {"b": Path("x/y")}, "token": 1, "hf_token": "secret"}, about="data")
    [params] = of_kind(run.folder, Params)
    assert (params.about, params.params) == (
        "data",
        {"a": {"b": "x/y"}, "token": 1, "hf_token": "<hidden>"},
    )
    assert b"secret" not in b"".join(path.read_bytes() for path in run.folder.journal.iterdir())
