"""A run without Lightning: what it takes, what it refuses, and a disk that fails."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from etm_lightning import Run
from etm_lightning.reading import writers
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store


def stored(store: Path) -> StoredRun:
    return Store(store).run("latest")


def test_nothing_is_written_before_the_start(tmp_path: Path) -> None:
    run = Run("p", save_dir=tmp_path / "store", name="first")
    assert "-first-" in run.id
    assert not (tmp_path / "store").exists()
    with run:
        assert run.folder.identity_file.exists()
        assert stored(tmp_path / "store").status == "running"
    assert stored(tmp_path / "store").status == "finished"


def test_what_a_run_is_for_is_kept_with_it(tmp_path: Path) -> None:
    told: dict[str, Any] = {"group": "g", "tags": ["a", "b"], "notes": "n", "question": "q?", "method": "m"}
    with Run("p", save_dir=tmp_path, params={"lr": 0.1, "net": {"size": 3}}, **told):
        pass
    run = stored(tmp_path)
    assert (run.project, run.group, run.tags, run.notes) == ("p", "g", ("a", "b"), "n")
    assert (run.question, run.method) == ("q?", "m")
    assert run.params == {"lr": 0.1, "net": {"size": 3}}


def test_numbers_of_all_makers_are_kept_exactly(tmp_path: Path) -> None:
    given = {
        "float": 0.1,
        "int": 3,
        "bool": True,
        "numpy float64": np.float64(0.1),
        "numpy float32": np.float32(0.1),
        "numpy int": np.int64(7),
        "numpy array": np.array([2.5]),
        "torch": torch.tensor(0.1),
        "torch with gradient": torch.tensor([1.5], requires_grad=True),
        "torch bfloat16": torch.tensor(0.1, dtype=torch.bfloat16),
        "nan": math.nan,
        "infinite": torch.tensor(-math.inf),
    }
    expected = {
        "float": 0.1,
        "int": 3.0,
        "bool": 1.0,
        "numpy float64": 0.1,
        "numpy float32": float(np.float32(0.1)),
        "numpy int": 7.0,
        "numpy array": 2.5,
        "torch": float(np.float32(0.1)),
        "torch with gradient": 1.5,
        "torch bfloat16": 0.10009765625,
        "infinite": -math.inf,
    }
    with Run("p", save_dir=tmp_path, strict=True) as run:
        run.log(given, step=5, epoch=2)
    kept = {name: stored(tmp_path).series(name) for name in given}
    assert all([(p.step, p.epoch) for p in points] == [(5, 2)] for points in kept.values())
    assert math.isnan(kept.pop("nan")[0].value)
    assert {name: points[0].value for name, points in kept.items()} == expected


REFUSED = {"text": "0.5", "complex": 1j, "many": torch.zeros(2), "nothing": None}


def test_what_is_no_number_is_refused_by_name_counted_and_alerted_once(tmp_path: Path) -> None:
    with Run("p", save_dir=tmp_path) as run:
        for step in range(3):
            run.log({"good": 1.0, **REFUSED}, step=step)
        assert run.rejected == 3
    assert [point.step for point in stored(tmp_path).series("good")] == [0, 1, 2]
    assert set(stored(tmp_path).metrics) == {"good"}
    [alert] = stored(tmp_path).alerts
    assert alert.title == "a value could not be logged"
    assert all(f"`values['{name}']`" in alert.text for name in REFUSED)
    assert "good" not in alert.text


@pytest.mark.parametrize("name", REFUSED)
def test_a_strict_run_raises_what_a_lenient_one_counts_and_keeps_the_rest(name: str, tmp_path: Path) -> None:
    run = Run("p", save_dir=tmp_path, strict=True)
    with pytest.raises(TypeError, match=rf"values\['{name}'\]"):
        run.log({name: REFUSED[name], "good": 1.0}, step=0)
    run.end()
    assert set(stored(tmp_path).metrics) == {"good"}
    assert run.rejected == 1


def test_a_strict_run_refuses_a_crooked_table_matrix_and_a_missing_file(tmp_path: Path) -> None:
    run = Run("p", save_dir=tmp_path, strict=True)
    with pytest.raises(TypeError, match=r"`rows\[1\]` must have 2 values"):
        run.log_table("t", ["a", "b"], [[1, 2], [3]])
    with pytest.raises(TypeError, match="`counts` must have 2 rows"):
        run.log_confusion_matrix("c", ["a", "b"], [[1, 2]])
    with pytest.raises(TypeError, match="`path` must be a file"):
        run.log_artifact(tmp_path / "nowhere")
    with pytest.raises(TypeError, match="`step`, `epoch` must be whole numbers"):
        run.log({"a": 1.0}, step="x")  # type: ignore[arg-type]
    run.end()
    assert stored(tmp_path).media == stored(tmp_path).artifacts == []
    assert stored(tmp_path).metrics == {}


def test_tables_matrices_files_and_texts_are_read_back(tmp_path: Path) -> None:
    outside = tmp_path / "model.bin"
    outside.write_bytes(b"weights")
    with Run("p", save_dir=tmp_path / "store", strict=True) as run:
        run.log_table("words", ["word", "count"], [["ä", 1], ["b", np.int64(2)]], step=3)
        run.log_confusion_matrix("val/cm", ["cat", "dog"], [[3, 1], [0, 4]], step=4)
        run.log_text("sample", "ein Täxt\n", step=5, stage="test")
        inside = run.folder.path / "notes.txt"
        inside.write_text("inside")
        run.log_artifact(outside, name="model", type="model", aliases=["best"])
        run.log_artifact(inside)
    found = stored(tmp_path / "store")
    words, matrix = found.media
    assert (words.name, words.type, words.step, words.stage) == ("words", "table", 3, "train")
    assert (matrix.name, matrix.type, matrix.step, matrix.stage) == (
        "val/cm",
        "confusion_matrix",
        4,
        "validate",
    )
    assert json.loads(found.file(words.file).read_bytes()) == {
        "columns": ["word", "count"],
        "rows": [["ä", 1], ["b", 2]],
    }
    assert json.loads(found.file(matrix.file).read_bytes()) == {
        "labels": ["cat", "dog"],
        "counts": [[3, 1], [0, 4]],
    }
    [text] = found.texts
    assert (text.name, text.text, text.step, text.stage) == ("sample", "ein Täxt\n", 5, "test")
    model, notes = found.artifacts
    assert (model.name, model.type, model.aliases, model.size) == ("model", "model", ("best",), 7)
    assert model.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert found.file(model.path) == outside
    assert (notes.name, notes.path) == ("notes.txt", "notes.txt")


def test_the_same_table_twice_is_one_file(tmp_path: Path) -> None:
    with Run("p", save_dir=tmp_path) as run:
        for step in range(2):
            run.log_table("t", ["a"], [[1]], step=step)
    assert [media.step for media in stored(tmp_path).media] == [0, 1]
    assert len(list(run.folder.media.iterdir())) == 1


def test_an_end_that_is_none_is_refused_and_a_run_goes_on_after_its_end(tmp_path: Path) -> None:
    run = Run("p", save_dir=tmp_path)
    with pytest.raises(ValueError, match="`status` must be one of finished, failed"):
        run.end("done")  # type: ignore[arg-type]
    run.log({"a": 1.0}, step=0)
    run.end("pruned", "too slow")
    assert (stored(tmp_path).status, stored(tmp_path).reason) == ("pruned", "too slow")
    run.log({"a": 2.0}, step=1)
    assert stored(tmp_path).status == "running"
    run.end()
    assert stored(tmp_path).status == "finished"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_disk_that_fails_costs_what_it_refused_and_leaves_a_gap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run("p", save_dir=tmp_path, strict=True)
    run.log({"a": 0.0}, step=0)
    journal, moved = run.folder.journal, run.folder.path / "moved"
    fill(journal)
    journal.rename(moved)
    journal.write_text("no folder: no new segment either")
    for step in (1, 2, 3):
        run.log({"a": float(step)}, step=step)
    run.sync()
    assert run.lost == 3
    journal.unlink()
    moved.rename(journal)
    run.log({"a": 4.0}, step=4)
    run.end()
    found = stored(tmp_path)
    assert [point.step for point in found.series("a")] == [0, 4]
    assert [gap.lost for gap in found.gaps] == [3]
    assert found.status == "finished"
    assert caplog.text.count("records are being lost") == 1


def fill(journal: Path) -> None:
    """Put a full device under the descriptor by which this process writes the journal's only segment."""
    [[segment]] = writers(journal).values()
    for name in os.listdir("/proc/self/fd"):
        try:
            found = os.fstat(int(name))
        except OSError:
            continue
        if os.path.samestat(found, segment.stat()):
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, int(name))
            os.close(full)
            return
    raise AssertionError(f"{segment} is not open")
