"""Texts from the Hugging Face hub, or from a folder that `save_to_disk` wrote."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from etm_lightning.text.conll import check_tag
from etm_lightning.text.data import TextData
from etm_lightning.text.rows import Row, nearest
from etm_lightning.text.tables import need_columns, read_label
from etm_lightning.text.targets import Kind


def load_splits(name: str, subset: str | None) -> Mapping[str, Any]:
    """Load all splits of a data set.

    Args:
        name: folder of `save_to_disk`, or name on the hub.
        subset: configuration of it, if any.

    Raises:
        ImportError: where the package `datasets` is absent.
        FileNotFoundError: where the data set cannot be had.
    """
    if importlib.util.find_spec("datasets") is None:
        raise ImportError("`data=hub` needs the package datasets: pip install datasets")
    import datasets

    try:
        if (folder := Path(name).expanduser()).is_dir():
            loaded = datasets.load_from_disk(str(folder))
            return loaded if isinstance(loaded, dict) else {"train": loaded}
        loaded = datasets.load_dataset(name, subset)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise FileNotFoundError(
            f"`data.name` must be a data set of the hub or a folder of save_to_disk but got {name!r}: "
            f"{reason}. Cure: check the spelling and `data.subset`; with no network, give a saved folder"
        ) from None
    return dict(loaded)


def names_of(feature: Any) -> list[str] | None:
    """Give the class names of a column, where it holds numbers for them (`ClassLabel`, or a list of it)."""
    inner = getattr(feature, "feature", feature)
    names = getattr(inner, "names", None)
    return None if names is None else list(names)


def named(value: Any, names: list[str] | None) -> Any:
    """Put names in place of class numbers, in lists too.

    >>> named([1, 0], ["no", "yes"]), named(1, None)
    (['yes', 'no'], 1)
    """
    if names is None:
        return value
    return [names[i] for i in value] if isinstance(value, list) else names[value]


class HubData(TextData):
    """A data set of the Hugging Face hub, by name or saved folder.

    Args:
        name: name on the hub, or folder of `save_to_disk`.
        subset: configuration of it, if any.
        train: name of its training split.
        validation: name of its validation split; None parts one off the training rows.
        test: name of its test split; None likewise. Hub tests without labels must be None.
        text: column of the text, or of the list of words for tagging.
        label: column of the label, or of the list of tags.
        text_pair: column of a second text, if any.
        group: column of what keeps rows together in a cross-validation; None for none.
        label_separator: between the names of a multilabel cell that is one string.
        common: the arguments of `TextData`.

    Raises:
        ImportError: where the package `datasets` is absent.
        ValueError: for an argument out of its range, an unknown split or column.
        FileNotFoundError: where the data set cannot be had.
    """

    def __init__(
        self,
        name: str,
        subset: str | None = None,
        train: str = "train",
        validation: str | None = "validation",
        test: str | None = "test",
        text: str = "text",
        label: str = "label",
        text_pair: str | None = None,
        group: str | None = None,
        label_separator: str = "|",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.dataset, self.subset = name, subset
        self.splits = {"train": train, "validation": validation, "test": test}
        self.columns = {"data.text": text, "data.label": label, "data.text_pair": text_pair}
        self.group = group
        self.separator = label_separator

    def read(self) -> dict[str, list[Row]]:
        loaded = load_splits(self.dataset, self.subset)
        found = {}
        for argument, name in self.splits.items():
            if name is None:
                continue
            if name not in loaded:
                raise ValueError(
                    f"`data.{argument}` must be a split of {self.dataset} but got {name!r}"
                    f"{nearest(name, loaded)}; splits: {', '.join(loaded)} (null: parted off training)"
                )
            found["validate" if argument == "validation" else argument] = self._rows(loaded[name], name)
        return found

    def _rows(self, table: Any, split: str) -> list[Row]:
        need_columns(
            {**self.columns, "data.group": self.group}, table.column_names, f"{self.dataset} ({split})"
        )
        text, label, pair = self.columns.values()
        names = names_of(table.features[label])
        return [
            self._row(
                cells[text],
                named(cells[label], names),
                cells[pair] if pair else None,
                f"{split} row {i}",
                str(cells[self.group]) if self.group else "",
            )
            for i, cells in enumerate(table)
        ]

    def _row(self, text: Any, label: Any, pair: str | None, place: str, group: str) -> Row:
        kind: Kind = self.task
        if kind != "tagging":
            return Row(text or "", read_label(label, kind, self.separator, place), pair, place, group)
        if len(text) != len(label):
            raise ValueError(f"{place}: must have a tag for each word but has {len(text)} and {len(label)}")
        return Row(tuple(text), tuple(check_tag(tag, place) for tag in label), place=place, group=group)
