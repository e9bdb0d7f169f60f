"""Texts in CSV, TSV and JSONL files with named columns."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etm_lightning.text.data import TextData
from etm_lightning.text.rows import Label, Row, nearest
from etm_lightning.text.targets import Kind

FIELD_LIMIT = 10_000_000  # characters of one cell
ENDINGS = {".csv": ",", ".tsv": "\t", ".tab": "\t", ".jsonl": None, ".ndjson": None, ".json": None}
NAMES = {
    "train": ("train", "training"),
    "validate": ("validation", "valid", "dev", "val"),
    "test": ("test", "eval"),
}


def check_file(argument: str, path: Path) -> Path:
    """Refuse a path that is no file.

    Raises:
        FileNotFoundError: naming the argument, the folder, and the nearest file there.
    """
    if path.is_file():
        return path
    folder = path.parent
    there = sorted(p.name for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []
    what = f"{folder} has {', '.join(there[:8]) or 'no files'}" if folder.is_dir() else f"no folder {folder}"
    raise FileNotFoundError(f"`{argument}` must be a file but got {path}{nearest(path.name, there)}; {what}")


def need_columns(asked: Mapping[str, str | None], there: Sequence[str], name: str) -> None:
    """Refuse column names that a file does not have.

    Args:
        asked: column by argument, such as `{"data.label": "intent"}`; None is not asked for.
        there: columns of the file.
        name: of the file.

    Raises:
        ValueError: naming the argument, the columns, and the nearest one.
    """
    for argument, column in asked.items():
        if column is not None and column not in there:
            raise ValueError(
                f"`{argument}` must name a column of {name} but got {column!r}{nearest(column, there)}; "
                f"columns: {', '.join(there)}"
            )


def read_delimited(path: Path, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read a file with a header line; gives line numbers and cells by column.

    Raises:
        ValueError: for a line with too few or too many cells, or text that is not UTF-8.
    """
    before = csv.field_size_limit(FIELD_LIMIT)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter=delimiter, restkey="\0more")
            for cells in reader:
                if None in cells.values() or "\0more" in cells:
                    wanted = len(reader.fieldnames or ())
                    has = "more" if "\0more" in cells else "fewer"
                    raise ValueError(
                        f"{path.name} line {reader.line_num}: must have {wanted} cells as its header "
                        f"has, but has {has}; quote texts that hold {delimiter!r}"
                    )
                yield reader.line_num, cells
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: must be UTF-8 text ({error.reason} at byte {error.start})") from None
    except csv.Error as error:
        raise ValueError(f"{path.name} line {reader.line_num}: {error}") from None
    finally:
        csv.field_size_limit(before)


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read a file with one JSON object per line.

    Raises:
        ValueError: naming the line that is none.
    """
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                cells = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(
                    f"{path.name} line {number}: must be one JSON object ({error.msg})"
                ) from None
            if not isinstance(cells, dict):
                raise ValueError(
                    f"{path.name} line {number}: must be one JSON object but is {line.strip()[:40]}"
                )
            yield number, cells


def read_label(value: Any, kind: Kind, separator: str, place: str) -> Label:
    """Read one label.

    Args:
        value: a cell.
        kind: the task.
        separator: between the names of a multilabel cell.
        place: for errors.

    Raises:
        ValueError: for an empty label, or one that is no finite number where the task is regression.

    >>> read_label("b|a", "multilabel", "|", "line 1"), read_label("0.5", "regression", "|", "line 1")
    (('b', 'a'), 0.5)
    """
    if kind == "multilabel":
        names = value if isinstance(value, list) else str("" if value is None else value).split(separator)
        return tuple(str(name).strip() for name in names if str(name).strip())
    if kind == "regression":
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(
                f"{place}: `data.label` must be a finite number for regression but got {value!r}"
            )
        return number
    if isinstance(value, bool):
        return str(value).lower()
    name = "" if value is None else str(value).strip()
    if not name:
        raise ValueError(f"{place}: `data.label` must not be empty")
    return name


def read_table(
    path: Path,
    text: str,
    label: str,
    text_pair: str | None,
    kind: Kind,
    separator: str,
    delimiter: str | None,
    group: str | None = None,
) -> list[Row]:
    """Read the rows of one file.

    Args:
        path: `.csv`, `.tsv`, `.jsonl`; another ending needs `delimiter`.
        text: column of the text.
        label: column of the label.
        text_pair: column of a second text, if any.
        kind: the task.
        separator: between the names of a multilabel cell.
        delimiter: between cells; None takes it from the ending.
        group: column of what keeps rows together in folds, if any.

    Raises:
        ValueError: for a missing column or a bad row, naming file and line.
    """
    ending = path.suffix.lower()
    if delimiter is None and ending not in ENDINGS:
        known = ", ".join(ENDINGS)
        raise ValueError(f"`data.delimiter` must be given for {path.name}; endings known without: {known}")
    mark = delimiter or ENDINGS[ending]
    lines = read_delimited(path, mark) if mark else read_json_lines(path)
    asked = {"data.text": text, "data.label": label, "data.text_pair": text_pair}
    asked["data.group"] = group
    rows = []
    for number, cells in lines:
        place = f"{path.name} line {number}"
        need_columns(asked, list(cells), path.name if mark else place)
        pair = None if text_pair is None else str(cells[text_pair] or "")
        found = read_label(cells[label], kind, separator, place)
        kin = "" if group is None else str(cells[group] or "")
        rows.append(Row(str(cells[text] or ""), found, pair, place, kin))
    return rows


def find_splits(
    folder: Path, endings: Sequence[str], extra: Mapping[str, str] | None = None
) -> dict[str, Path]:
    """Find train, validation and test files in a folder by their usual names.

    Args:
        folder: where to look.
        endings: of the files, the preferred one first.
        extra: further names, each with its split, such as `{"eng.testa": "validate"}`.

    Raises:
        FileNotFoundError: where the folder, or a training file in it, is missing.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"`data.dir` must be a folder but got {folder}")
    names = dict(extra or {})
    for split, stems in NAMES.items():
        names |= {stem + ending: split for ending in endings for stem in stems}
    found: dict[str, Path] = {}
    for name, split in names.items():
        if (folder / name).is_file():
            found.setdefault(split, folder / name)
    if "train" not in found:
        there = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        wanted = ", ".join("train" + ending for ending in endings)
        raise FileNotFoundError(f"`data.dir` must hold one of {wanted} but {folder} holds {there}")
    return found


def chosen_files(
    folder: str | None,
    given: Mapping[str, str | None],
    endings: Sequence[str],
    extra: Mapping[str, str] | None = None,
) -> dict[str, Path]:
    """Give the file of each split: named ones first, then those found in the folder.

    Raises:
        FileNotFoundError: where a file is missing.
        ValueError: where neither a training file nor a folder is given.
    """
    words = {"train": "train", "validation": "validate", "test": "test"}
    found = find_splits(Path(folder).expanduser(), endings, extra) if folder is not None else {}
    for argument, path in given.items():
        if path is not None:
            found[words[argument]] = check_file(f"data.{argument}", Path(path).expanduser())
    if "train" not in found:
        raise ValueError("`data.train` must be a file (or `data.dir` a folder with one) but got neither")
    return found


class CSVData(TextData):
    """Texts in CSV, TSV or JSONL files with named columns.

    Args:
        train: training file; where there is no other, validation and test rows are parted off it.
        validation: validation file.
        test: test file.
        dir: folder with `train.csv`, `validation.csv`, `test.csv` (or `.tsv`, `.jsonl`; `dev`, `valid`).
        text: column of the text.
        label: column of the label.
        text_pair: column of a second text, if any.
        group: column of what keeps rows together in a cross-validation, such as an author; None for none.
        label_separator: between the names of a multilabel cell.
        delimiter: between cells; None takes it from the file's ending.
        common: the arguments of `TextData`.

    Raises:
        ValueError: for an argument out of its range, a missing column, a bad row.
        FileNotFoundError: for a missing file.
    """

    def __init__(
        self,
        train: str | None = None,
        validation: str | None = None,
        test: str | None = None,
        dir: str | None = None,
        text: str = "text",
        label: str = "label",
        text_pair: str | None = None,
        group: str | None = None,
        label_separator: str = "|",
        delimiter: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.given, self.dir = {"train": train, "validation": validation, "test": test}, dir
        self.columns = {"text": text, "label": label, "text_pair": text_pair, "group": group}
        self.separator, self.delimiter = label_separator, delimiter

    def read(self) -> dict[str, list[Row]]:
        files = chosen_files(self.dir, self.given, tuple(ENDINGS))
        options: dict[str, Any] = {**self.columns, "kind": self.task, "separator": self.separator}
        return {s: read_table(path, delimiter=self.delimiter, **options) for s, path in files.items()}
