"""Data modules on files made here: splits, labels, tokens, cache, and errors with a cure."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from etm_lightning.text.bbc import BBCNews
from etm_lightning.text.data import TextData
from etm_lightning.text.loading import grouped
from etm_lightning.text.rows import Row, count_labels, split_off
from etm_lightning.text.tables import CSVData
from tests.text.conftest import write_csv, write_json_lines


def test_one_file_is_split_the_same_way_each_time(tmp_path: Path, settings: dict[str, Any]) -> None:
    file = str(write_csv(tmp_path / "all.csv", 100))
    first, again = (CSVData(file, validation_share=0.2, test_share=0.1, **settings) for _ in range(2))
    assert first.describe() == again.describe()
    sizes = {name: split["rows"] for name, split in first.describe()["splits"].items()}
    assert sizes == {"train": 70, "validate": 20, "test": 10}
    assert max(count_labels(first.rows["validate"]).values()) <= 7
    other = CSVData(file, validation_share=0.2, test_share=0.1, **{**settings, "seed": 1})
    assert other.describe()["content_sha256"] != first.describe()["content_sha256"]
    assert first.labels == ["food", "sport", "tech"]


def test_equal_texts_never_lie_in_two_splits() -> None:
    rows = [Row(f"text {i % 40}", "ab"[i % 2]) for i in range(200)]
    rest, part = split_off(rows, 0.25, seed=3)
    assert len(part) == 50
    assert not {row.text for row in rest} & {row.text for row in part}


def test_a_subset_of_the_training_rows_keeps_the_shares_of_labels(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    data = CSVData(str(write_csv(tmp_path / "all.csv", 120)), limit_train_rows=30, **settings)
    assert data.describe()["splits"]["train"]["labels"] == {"food": 10, "sport": 10, "tech": 10}


def test_tsv_jsonl_and_pairs_are_read(tmp_path: Path, settings: dict[str, Any]) -> None:
    tsv = tmp_path / "a.tsv"
    tsv.write_text('q\ty\tp\n"two\nlines"\tno\tx, y\nb\tyes\tz\n', encoding="utf-8-sig")
    rows: list[dict[str, Any]] = [{"q": "c", "y": True, "p": "u"}, {"q": "d", "y": "no", "p": None}]
    lines = write_json_lines(tmp_path / "b.jsonl", rows)
    lines.write_text(lines.read_text().replace("true", '"yes"'))
    data = CSVData(
        str(tsv), str(lines), text="q", label="y", text_pair="p", task="binary", test_share=0.0, **settings
    )
    data.setup()
    assert data.rows["train"][0] == Row("two\nlines", "no", "x, y", "a.tsv line 3")
    assert data.datasets["validate"].target.tolist() == [1.0, 0.0]
    batch = next(iter(data.val_dataloader()))
    assert isinstance(batch, dict)
    assert batch["token_type_ids"].max() == 1


def test_multilabel_and_regression_targets(tmp_path: Path, settings: dict[str, Any]) -> None:
    rows = [{"text": f"t{i}", "label": ["a|b", "", "b"][i % 3], "value": i / 2} for i in range(30)]
    file = str(write_json_lines(tmp_path / "all.jsonl", rows))
    several = CSVData(file, task="multilabel", class_weights="balanced", **settings)
    assert several.labels == ["a", "b"]
    assert set(map(tuple, several.datasets["train"].target.tolist())) == {(1, 1), (0, 0), (0, 1)}
    weights = several.model_kwargs()["class_weights"]
    assert weights[0] > weights[1]
    real = CSVData(file, label="value", task="regression", **settings)
    assert real.model_kwargs()["labels"] is None
    assert real.labels == []
    json.dumps(real.describe())


def test_balanced_weights_are_offered_to_the_model(tmp_path: Path, settings: dict[str, Any]) -> None:
    file = tmp_path / "train.csv"
    file.write_text("text,label\n" + "".join(f"t{i},{'a' if i % 4 else 'b'}\n" for i in range(40)))
    data = CSVData(dir=str(tmp_path), class_weights="balanced", **settings)
    light, heavy = data.model_kwargs()["class_weights"]
    assert heavy / light == pytest.approx(3, rel=0.2)


def test_truncation_and_lengths_are_described(tmp_path: Path, settings: dict[str, Any]) -> None:
    file = tmp_path / "train.csv"
    file.write_text("text,label\n" + "".join(f"{'ab ' * n},{n % 2}\n" for n in range(1, 21)))
    data = CSVData(str(file), validation_share=0.0, test_share=0.0, **{**settings, "max_length": 12})
    split = data.describe()["splits"]["train"]
    assert split["token_lengths"]["max"] == 22
    assert split["truncated_share"] == 0.5
    assert max(data.datasets["train"].sizes) == 12


def test_batches_are_as_long_as_their_longest_row_and_rows_come_once(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    file = tmp_path / "train.csv"
    file.write_text("text,label\n" + "".join(f"{'ab ' * (1 + i % 40)},{i % 2}\n" for i in range(200)))
    data = CSVData(str(file), validation_share=0.0, test_share=0.0, **settings)
    data.setup()
    loader = data.train_dataloader()
    batches = list(loader)
    assert sorted(torch.cat([b["rows"] for b in batches]).tolist()) == list(range(200))
    assert all(b["attention_mask"].sum(1).max() == b["input_ids"].shape[1] for b in batches)
    padding = 1 - sum(b["attention_mask"].sum() for b in batches) / sum(
        b["input_ids"].numel() for b in batches
    )
    assert padding < 0.12
    loader.sampler.set_epoch(1)  # type: ignore[attr-defined]
    later = [b["rows"].tolist() for b in loader]
    assert later != [b["rows"].tolist() for b in batches]
    loader.sampler.set_epoch(0)  # type: ignore[attr-defined]
    assert [b["rows"].tolist() for b in loader] == [b["rows"].tolist() for b in batches]


def cache_files(settings: dict[str, Any]) -> list[Path]:
    return sorted(p for p in Path(settings["cache_dir"]).rglob("*") if p.is_file())


def test_tokens_are_cached_and_a_damaged_cache_is_made_again(
    tmp_path: Path, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    file = str(write_csv(tmp_path / "all.csv", 60))
    first = CSVData(file, **settings)
    first.setup()
    files = cache_files(settings)
    assert len(files) == 3
    for path in files:
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        path.write_bytes(raw)
    again = CSVData(file, **settings)
    again.setup()
    assert caplog.text.count("is damaged and will be made again") == 3
    for name, dataset in first.datasets.items():
        assert torch.equal(dataset.tokens.ids, again.datasets[name].tokens.ids)
    assert cache_files(settings) == files
    CSVData(file, **{**settings, "max_length": 32}).setup()
    assert len(cache_files(settings)) == 6
    assert "TOKENIZERS_PARALLELISM" not in os.environ


def test_loader_processes_work_and_leave_the_environment_alone(
    tmp_path: Path, settings: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    data = CSVData(str(write_csv(tmp_path / "all.csv", 40)), num_workers=1, **settings)
    data.setup()
    assert len(list(data.train_dataloader())) == 4
    assert "TOKENIZERS_PARALLELISM" not in os.environ
    assert "TOKENIZERS_PARALLELISM" not in capfd.readouterr().err


def fail(**options: Any) -> str:
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        CSVData(**options).setup()
    return str(caught.value)


def test_bad_input_names_the_argument_the_place_and_the_cure(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    train = str(write_csv(tmp_path / "train.csv", 30))
    bad = tmp_path / "validation.csv"
    bad.write_text("text,label\nx,sport\ny,sprot\n")
    short = tmp_path / "short.csv"
    short.write_text("text,label\nx,sport\ny\n")
    empty = tmp_path / "empty.csv"
    empty.write_text("text,label\n")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a", "label": "b"}\n{"text": \n')
    latin = tmp_path / "latin.csv"
    latin.write_bytes("text,label\ncaf\xe9,a\n".encode("latin-1"))
    assert fail(train=train, label="lable", **settings) == (
        "`data.label` must name a column of train.csv but got 'lable'; did you mean 'label'?; "
        "columns: text, label"
    )
    assert "validation.csv line 3 has 'sprot'; did you mean 'sport'?" in fail(
        train=train, validation=str(bad), **settings
    )
    assert "`data.train` must be a file but got" in fail(train=train + "x", **settings)
    assert "did you mean 'train.csv'?" in fail(train=train + "x", **settings)
    assert "short.csv line 3: must have 2 cells" in fail(train=str(short), **settings)
    assert "validate split must have rows but has none" in fail(
        train=train, validation=str(empty), **settings
    )
    assert "broken.jsonl line 2: must be one JSON object" in fail(train=str(broken), **settings)
    assert "latin.csv: must be UTF-8 text" in fail(train=str(latin), **settings)
    assert "must be a finite number for regression but got 'sport'" in fail(
        train=str(bad), task="regression", **settings
    )
    assert "needs exactly two labels in the training rows but found 3" in fail(
        train=train, task="binary", **settings
    )
    assert "`data.train` must be a file (or `data.dir` a folder with one)" in fail(**settings)
    assert "did you mean 'multiclass'?" in fail(train=train, task="multclass", **settings)
    assert "`data.max_length` must be at most 512" in fail(train=train, **{**settings, "max_length": 999})
    assert "`data.batch_size` must be at least 1" in fail(train=train, **{**settings, "batch_size": 0})
    assert "`data.tokenizer` must be" in fail(train=train, **{**settings, "tokenizer": "./nowhere"})
    assert "must be ≥ 0, together < 1" in fail(train=train, test_share=0.6, validation_share=0.4, **settings)


def test_articles_are_read_in_order_and_repeated_ones_dropped(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    for kind in ("sport", "tech"):
        (tmp_path / "bbc" / kind).mkdir(parents=True)
        for i in range(20):
            (tmp_path / "bbc" / kind / f"{i:03}.txt").write_text(f"{kind} {i // 2} £\n")
    data = BBCNews(dir=str(tmp_path / "bbc"), validation_share=0.1, test_share=0.2, **settings)
    sizes = {name: split["rows"] for name, split in data.describe()["splits"].items()}
    assert sizes == {"train": 14, "validate": 2, "test": 4}
    with pytest.raises(FileNotFoundError, match=r"`data.dir` must hold <class>/\*.txt"):
        BBCNews(dir=str(tmp_path / "none"), **settings).setup()


def test_a_parent_without_a_reader_says_so(settings: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        TextData(**settings).setup()


def test_rows_are_in_random_order_where_they_are_not_grouped_by_length() -> None:
    sizes = [1, 9] * 16
    mixed = [{sizes[row] for row in batch} for batch in grouped(sizes, 8, seed=0, pool=1)]
    alike = [{sizes[row] for row in batch} for batch in grouped(sizes, 8, seed=0)]
    assert {1, 9} in mixed
    assert {1, 9} not in alike
