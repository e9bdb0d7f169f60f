"""Data sets of the Hugging Face library, read from folders that it saved itself."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from etm_lightning.text.hub import HubData


def saved(folder: Path, *, labels: list[str]) -> Path:
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=labels)}
    )
    rows = {"text": [f"word {i}" for i in range(40)], "label": [i % len(labels) for i in range(40)]}
    whole = datasets.Dataset.from_dict(rows, features=features)
    parts = datasets.DatasetDict(
        {
            "train": whole.select(range(24)),
            "validation": whole.select(range(24, 32)),
            "test": whole.select(range(32, 40)),
        }
    )
    parts.save_to_disk(str(folder))
    return folder


def test_a_saved_folder_is_read_with_its_class_names_and_splits(tmp_path: Path) -> None:
    data = HubData(
        str(saved(tmp_path / "set", labels=["no", "yes"])),
        tokenizer="tiny",
        cache_dir=str(tmp_path / "cache"),
    )
    data.prepare_data()
    data.setup("fit")
    assert data.labels == ["no", "yes"]
    assert {split: len(rows) for split, rows in data.rows.items()} == {
        "train": 24,
        "validate": 8,
        "test": 8,
    }


def test_sentences_with_class_numbers_for_tags_are_read_as_tags(tmp_path: Path) -> None:
    tags = ["O", "B-PER", "I-PER"]
    features = datasets.Features(
        {
            "tokens": datasets.Sequence(datasets.Value("string")),
            "ner_tags": datasets.Sequence(datasets.ClassLabel(names=tags)),
        }
    )
    rows = {"tokens": [["Anna", "Lee", f"sleeps{i}"] for i in range(20)], "ner_tags": [[1, 2, 0]] * 20}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "set"))
    data = HubData(
        str(tmp_path / "set"),
        validation=None,
        test=None,
        text="tokens",
        label="ner_tags",
        task="tagging",
        tokenizer="tiny",
        cache_dir=str(tmp_path / "cache"),
    )
    data.prepare_data()
    data.setup("fit")
    assert set(data.labels) == set(tags)


def test_a_data_set_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    data = HubData(str(tmp_path / "empty"), tokenizer="tiny", cache_dir=str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match=r"data\.name"):
        data.prepare_data()
