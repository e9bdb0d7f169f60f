"""Tables, pictures and files of a run by their content: written once, named by their hash."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from etm_lightning.layout import RunFolder
from etm_lightning.records import Media
from etm_lightning.track.plain import plain


@dataclass(frozen=True)
class Exhibit:
    """A record that names a file, and what is to be in that file."""

    record: Media
    content: bytes

    def store(self, folder: RunFolder) -> None:
        """Put the content where the record says, whole or not at all.

        Raises:
            OSError: if the folder cannot be written.
        """
        path = folder.path / self.record.file
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".{secrets.token_hex(8)}"
        try:
            temporary.write_bytes(self.content)
            os.replace(temporary, path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def exhibit(name: str, type: str, content: Any, *, time: float, step: int | None, stage: str) -> Exhibit:
    """`content`, which is plain data, as a JSON file of a run and the record of it."""
    encoded = msgspec.json.encode(content)
    digest = hashlib.sha256(encoded).hexdigest()
    record = Media(
        time=time,
        name=name,
        type=type,
        file=f"media/{digest}.json",
        sha256=digest,
        size=len(encoded),
        step=step,
        stage=stage,
    )
    return Exhibit(record, encoded)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """The content of a table.

    Raises:
        ValueError: if a row has not as many values as there are columns.

    >>> table(["word", "count"], [["a", 1]])
    {'columns': ['word', 'count'], 'rows': [['a', 1]]}
    """
    for number, row in enumerate(rows):
        if len(row) != len(columns):
            raise ValueError(
                f"`rows[{number}]` must have {len(columns)} values, one for each column, but got {len(row)}"
            )
    return {
        "columns": [str(column) for column in columns],
        "rows": [[plain(value) for value in row] for row in rows],
    }


def confusion_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> dict[str, Any]:
    """The content of a confusion matrix; `counts` of shape (classes, classes), true class by row.

    Raises:
        ValueError: if `counts` is not of that shape.

    >>> confusion_matrix(["cat", "dog"], [[3, 1], [0, 4]])
    {'labels': ['cat', 'dog'], 'counts': [[3, 1], [0, 4]]}
    """
    size = len(labels)
    if len(counts) != size or any(len(row) != size for row in counts):
        raise ValueError(f"`counts` must have {size} rows of {size} counts, as there are {size} labels")
    return {
        "labels": [str(label) for label in labels],
        "counts": [[int(count) for count in row] for row in counts],
    }


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def relative(folder: RunFolder, path: Path) -> str:
    """`path` from the run's folder if it lies inside, else absolute."""
    path = path.absolute()
    return str(path.relative_to(folder.path)) if path.is_relative_to(folder.path) else str(path)
