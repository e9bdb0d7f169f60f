"""Runs as rows of the catalogue's tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from etm_lightning.store.values import cell

if TYPE_CHECKING:
    from etm_lightning.store.digest import Digest

_encode = msgspec.json.Encoder().encode
_PLAIN = (
    *("key", "project", "id", "name", "group", "status", "reason", "created", "started", "ended", "duration"),
    *("attempts", "notes", "archived", "trashed", "question", "forked_from", "evaluates", "replicates"),
    *("alerts", "damage"),
)
_COLUMNS = ("run", "folder", "changed", "settled", "files", "looked", *_PLAIN, "tags")
_INSERT = (
    "INSERT OR REPLACE INTO runs (" + ", ".join(f'"{name}"' for name in _COLUMNS) + ") "
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)


@dataclass(frozen=True)
class Read:
    """A run as it was read, and what the file system said before."""

    folder: str
    changed: int
    files: dict[str, tuple[int, int]]
    digest: Digest
    settled: bool
    time: float


def write(
    known: sqlite3.Connection, read: Iterable[Read], gone: Sequence[str], key: Callable[[str], str]
) -> None:
    """Put runs in, or in the place of what was known of them, and take others out.

    Args:
        known: the database.
        read: runs as they are.
        gone: folders of runs that are no more.
        key: the key of the run in a folder.
    """
    known.execute("BEGIN IMMEDIATE")
    try:
        names: dict[tuple[str, str], int] = {}
        for one in read:
            _put(known, one, names, key(one.folder))
        for folder in gone:
            number = known.execute("SELECT run FROM runs WHERE folder = ?", (folder,)).fetchone() or (0,)
            for table in ("vals", "bodies", "runs"):
                known.execute(f"DELETE FROM {table} WHERE run = ?", number)
        if gone:
            known.execute("DELETE FROM names WHERE name NOT IN (SELECT name FROM vals)")
        known.execute("COMMIT")
    except BaseException:
        if known.in_transaction:
            known.execute("ROLLBACK")
        raise


def _put(known: sqlite3.Connection, one: Read, names: dict[tuple[str, str], int], key: str) -> None:
    project, _, id = one.folder.partition("/")
    row = one.digest.row(key, unquote(project), id)
    (number,) = known.execute("SELECT run FROM runs WHERE folder = ?", (one.folder,)).fetchone() or (None,)
    if number is not None:
        known.execute("DELETE FROM vals WHERE run = ?", (number,))
    files = "" if one.settled else _encode(one.files).decode()
    plain = [getattr(row, name) for name in _PLAIN]
    cells = [number, one.folder, one.changed, one.settled, files, one.time, *plain]
    number = known.execute(_INSERT, [*cells, _encode(row.tags).decode()]).lastrowid
    bodies = (number, _encode(row), _encode(one.digest))
    known.execute("INSERT OR REPLACE INTO bodies VALUES (?, ?, ?)", bodies)
    known.executemany(
        "INSERT INTO vals VALUES (?, ?, ?, ?, ?)",
        [
            (number, _name(known, names, kind, name), *cell(value, metric=kind == "metric"))
            for kind, several in (("param", row.params), ("metric", row.metrics))
            for name, value in several.items()
        ],
    )


def _name(known: sqlite3.Connection, names: dict[tuple[str, str], int], kind: str, text: str) -> int:
    number = names.get((kind, text))
    if number is None:
        known.execute("INSERT OR IGNORE INTO names (kind, text) VALUES (?, ?)", (kind, text))
        (number,) = known.execute(
            "SELECT name FROM names WHERE kind = ? AND text = ?", (kind, text)
        ).fetchone()
        names[kind, text] = number
    return number
