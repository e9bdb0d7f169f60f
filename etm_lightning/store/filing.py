"""Runs as rows of the catalogue's tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote

import msgspec

from etm_lightning.store import looking
from etm_lightning.store.values import cell, short

if TYPE_CHECKING:
    from etm_lightning.store.digest import Digest

_encode = msgspec.json.Encoder().encode
_OF_ROW = (
    *("project", "id", "name", "group", "status", "reason", "created", "started", "ended", "duration"),
    *("attempts", "notes", "archived", "trashed", "question", "forked_from", "evaluates", "replicates"),
    *("alerts", "damage"),
)
_COLUMNS = ("run", "folder", "key", "changed", "settled", "files", "looked", "tags", *_OF_ROW)
_INSERT = (
    "INSERT OR REPLACE INTO runs (" + ", ".join(f'"{name}"' for name in _COLUMNS) + ") "
    f"VALUES ({', '.join('?' * len(_COLUMNS))})"
)


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """Where a run is: ``<project>/<id>`` in its store, its key, and when its journal changed."""

    folder: str
    key: str
    changed: int


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A run as the tables have it, but for its number: made where the run is read, be it another process.

    `columns` are those of the table of runs after `folder` and `key`, `row` and `digest` are JSON, and
    `values` has the kind and the name of each param and metric, and its `cell`.
    """

    folder: str
    key: str
    columns: list[str | int | float | bool | None]
    row: bytes
    digest: bytes
    values: list[tuple[str, str, str, float | None, str | None]]


def entry(seen: Seen, files: Mapping[str, tuple[int, int]], digest: Digest, looked: float) -> Entry:
    """The entry of a run.

    Args:
        seen: where it is.
        files: what the file system said of its files before they were read.
        digest: what they hold.
        looked: the time for which the digest tells how it stands.
    """
    project, _, id = seen.folder.partition("/")
    row = digest.row(seen.key, unquote(project), id)
    settled = looking.settled(digest, seen.changed, files)
    told = "" if settled else _encode(files).decode()
    of_row = [short(getattr(row, name)) for name in _OF_ROW]
    return Entry(
        folder=seen.folder,
        key=seen.key,
        columns=[seen.changed, settled, told, looked, _encode(row.tags).decode(), *of_row],
        row=_encode(row),
        digest=_encode(digest),
        values=[
            *(("param", name, *cell(value)) for name, value in row.params.items()),
            *(("metric", name, *cell(value, metric=True)) for name, value in row.metrics.items()),
        ],
    )


def write(known: sqlite3.Connection, entries: Sequence[Entry], gone: Sequence[str] = ()) -> None:
    """Put runs in, or in the place of what was known of them, and take others out.

    Args:
        known: the database.
        entries: runs as they are.
        gone: folders of runs that are no more.
    """
    known.execute("BEGIN IMMEDIATE")
    try:
        _put(known, entries)
        _remove(known, gone)
        known.execute("COMMIT")
    except BaseException:
        if known.in_transaction:
            known.execute("ROLLBACK")
        raise


def _put(known: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    if not entries:
        return
    before = _numbers(known, [one.folder for one in entries])
    known.executemany("DELETE FROM vals WHERE run = ?", [(number,) for number in before.values()])
    (last,) = known.execute("SELECT COALESCE(MAX(run), 0) FROM runs").fetchone()
    new = (one.folder for one in entries if one.folder not in before)
    numbers = before | {folder: number for number, folder in enumerate(new, last + 1)}
    names = _names(known, entries)
    known.executemany(_INSERT, [(numbers[one.folder], one.folder, one.key, *one.columns) for one in entries])
    known.executemany(
        "INSERT OR REPLACE INTO bodies VALUES (?, ?, ?)",
        [(numbers[one.folder], one.row, one.digest) for one in entries],
    )
    known.executemany(
        "INSERT INTO vals VALUES (?, ?, ?, ?, ?)",
        (
            (numbers[one.folder], names[kind, name], *value)
            for one in entries
            for kind, name, *value in one.values
        ),
    )


def _numbers(known: sqlite3.Connection, folders: Sequence[str]) -> dict[str, int]:
    """By folder the number of each run that is known."""
    asked = "SELECT folder, run FROM runs WHERE folder IN (SELECT value FROM json_each(?))"
    return dict(known.execute(asked, (_encode(folders).decode(),)))


def _names(known: sqlite3.Connection, entries: Sequence[Entry]) -> dict[tuple[str, str], int]:
    """By kind and name the number of each param and metric that they have."""
    used = dict.fromkeys((kind, name) for one in entries for kind, name, *_ in one.values)
    known.executemany("INSERT OR IGNORE INTO names (kind, text) VALUES (?, ?)", used)
    asked = "SELECT name FROM names WHERE kind = ? AND text = ?"
    return {one: known.execute(asked, one).fetchone()[0] for one in used}


def _remove(known: sqlite3.Connection, folders: Sequence[str]) -> None:
    if not folders:
        return
    numbers = [(number,) for number in _numbers(known, folders).values()]
    for table in ("vals", "bodies", "runs"):
        known.executemany(f"DELETE FROM {table} WHERE run = ?", numbers)
    known.execute("DELETE FROM names WHERE name NOT IN (SELECT name FROM vals)")
