"""Folds of a cross-validation: every row once, labels and groups where they belong, the same every time."""

from __future__ import annotations

import random
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from etm_lightning.design.folds import folds_of
from etm_lightning.text.conll import CoNLLData
from etm_lightning.text.data import TextData
from etm_lightning.text.hub import HubData
from etm_lightning.text.tables import CSVData
from tests.text.conftest import write_conll, write_csv, write_json_lines


def held_out(modules: list[TextData]) -> list[str]:
    for data in modules:
        data.setup()
        here, there = ({row.place for row in data.rows[name]} for name in ("train", "validate"))
        assert not here & there
    return sorted(row.place for data in modules for row in data.rows["validate"])


def test_every_row_is_validated_on_once_and_labels_keep_their_shares(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    file = str(write_csv(tmp_path / "all.csv", 97))
    options: dict[str, Any] = {"test_share": 0.2, "folds": 4, **settings}
    modules: list[TextData] = [CSVData(file, fold=fold, **options) for fold in range(4)]
    assert len(set(held_out(modules))) == len(held_out(modules)) == 97 - len(modules[0].rows["test"])
    assert len({str(data.rows["test"]) for data in modules}) == 1
    counts = [Counter(row.label for row in data.rows["validate"]) for data in modules]
    for label in ("food", "sport", "tech"):
        assert max(count[label] for count in counts) - min(count[label] for count in counts) <= 1
    again = CSVData(file, fold=2, **options)
    again.setup()
    assert again.rows == modules[2].rows
    assert len({data.describe()["content_sha256"] for data in modules}) == 1, "it is the same data"
    assert [data.describe()["fold"] for data in modules] == [0, 1, 2, 3]


def test_a_validation_file_joins_the_folds_and_a_label_of_one_row_is_known_in_all(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    write_csv(tmp_path / "train.csv", 20)
    (tmp_path / "dev.csv").write_text("text,label\nonly one,rare\n")
    write_csv(tmp_path / "test.csv", 6, start=100)
    modules: list[TextData] = [
        CSVData(dir=str(tmp_path), fold=fold, folds=3, **settings) for fold in range(3)
    ]
    assert "dev.csv line 2" in held_out(modules)
    assert [data.labels for data in modules] == [["food", "rare", "sport", "tech"]] * 3
    assert {row.place.split()[0] for row in modules[0].rows["test"]} == {"test.csv"}


def test_rows_of_one_group_are_never_parted(tmp_path: Path, settings: dict[str, Any]) -> None:
    rows = [{"text": f"t {i}", "label": "ab"[i % 2], "author": f"who {i % 11}"} for i in range(80)]
    file = str(write_json_lines(tmp_path / "all.jsonl", rows))
    modules: list[TextData] = [
        CSVData(file, group="author", test_share=0.0, fold=fold, folds=5, **settings) for fold in range(5)
    ]
    held_out(modules)
    places = [{row.group for row in data.rows["validate"]} for data in modules]
    assert sum(map(len, places)) == len(set().union(*places)) == 11
    with pytest.raises(ValueError, match=r"`data\.group` must name a column"):
        CSVData(file, group="writer", fold=0, folds=2, **settings).setup()


def test_equal_texts_are_in_one_fold(tmp_path: Path, settings: dict[str, Any]) -> None:
    rows = [{"text": f"t {i % 15}", "label": "ab"[i % 2]} for i in range(60)]
    file = str(write_json_lines(tmp_path / "all.jsonl", rows))
    for fold in range(3):
        data = CSVData(file, test_share=0.0, fold=fold, folds=3, **settings)
        data.setup()
        assert not {row.text for row in data.rows["train"]} & {row.text for row in data.rows["validate"]}


def test_sentences_and_saved_data_sets_have_folds_too(tmp_path: Path, settings: dict[str, Any]) -> None:
    file = str(write_conll(tmp_path / "train.conll", 40))
    tagged: list[TextData] = [CoNLLData(file, test_share=0.0, fold=f, folds=3, **settings) for f in range(3)]
    assert len(held_out(tagged)) > 20
    datasets = pytest.importorskip("datasets")
    table = {
        "text": [f"t {i}" for i in range(12)],
        "label": ["a", "b"] * 6,
        "who": [f"{i % 4}" for i in range(12)],
    }
    datasets.DatasetDict({"train": datasets.Dataset.from_dict(table)}).save_to_disk(str(tmp_path / "saved"))
    options: dict[str, Any] = {"validation": None, "test": None, "test_share": 0.0, "group": "who"}
    saved: list[TextData] = [
        HubData(str(tmp_path / "saved"), fold=f, folds=2, task="multiclass", **options, **settings)
        for f in range(2)
    ]
    assert len(held_out(saved)) == 12


def test_groups_are_shared_out_as_evenly_as_scikit_learn_does() -> None:
    chance = random.Random(0)
    ours, theirs = [], []
    for seed in range(20):
        groups = [chance.randint(0, 30) for _ in range(300)]
        labels = [(group + (chance.random() < 0.3)) % 3 for group in groups]
        ours.append(unevenness(labels, folds_of(labels, 5, seed, groups)))
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        place = np.zeros(300, int)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for fold, (_, held) in enumerate(splitter.split(labels, labels, groups)):
                place[held] = fold
        theirs.append(unevenness(labels, place.tolist()))
    assert sum(ours) <= 1.1 * sum(theirs)


def unevenness(labels: list[int], folds: list[int]) -> float:
    counts = Counter(zip(labels, folds, strict=True))
    shares = [[counts[label, fold] for fold in range(5)] for label in set(labels)]
    return float(np.std(np.array(shares) / np.sum(shares, axis=1, keepdims=True), axis=1).mean())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fold": 1}, "`data.fold` needs `data.folds`"),
        ({"folds": 3}, "`data.folds` needs `data.fold`"),
        ({"fold": 3, "folds": 3}, r"must be in \[0, 3\)"),
    ],
)
def test_a_fold_that_is_none_is_refused(given: dict[str, Any], words: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=words):
        CSVData("x.csv", **given, **settings)
    with pytest.raises(ValueError, match="at most 2, the groups"):
        folds_of("aaaa", 3, groups="xxyy")
