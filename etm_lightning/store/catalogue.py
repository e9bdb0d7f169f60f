"""The catalogue: what all runs of a store are, found without reading their journals again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, Unpack

import msgspec

from etm_lightning.layout import RunFolder
from etm_lightning.store import database
from etm_lightning.store.index import Changes, Index
from etm_lightning.store.row import Row
from etm_lightning.store.search import Field, fields, parse
from etm_lightning.store.search_sql import Clause, Names, compile_query, named, order_by
from etm_lightning.store.values import value_of

if TYPE_CHECKING:
    from etm_lightning.store.digest import Digest

_ROW = msgspec.json.Decoder(Row)
_FEW = 20
_Made = TypeVar("_Made")


class Narrowed(TypedDict, total=False):
    """Which of the runs that a query finds.

    Attributes:
        project: of this project only.
        group: of this group only.
        status: with this status only.
        tags: with all these tags.
        keys: of these keys only.
        archived: with archived runs too; None for all. False by default.
        trashed: the runs in the trash instead; None for all. False by default.
    """

    project: str | None
    group: str | None
    status: str | None
    tags: Iterable[str]
    keys: Iterable[str] | None
    archived: bool | None
    trashed: bool | None


class Listed(Narrowed, total=False):
    """Which of them, and in which order.

    Attributes:
        sort: a column, ``param.<name>`` or ``metric.<name>``; a ``-`` in front for the largest first. Runs
            without a value come last. ``-created`` by default.
        limit: so many at most.
        offset: from this one on.
    """

    sort: str
    limit: int | None
    offset: int


class Catalogue:
    """The runs of one store. Safe for threads, and for any number of processes at once.

    What it keeps is derived: a SQLite file in the user's cache, or in memory where there can be none. It is
    correct when that file is deleted, old, damaged or of another version. Each question looks first at what
    changed in the store, unless the last look is not older than `max_age`.

    Args:
        store: the folder of projects.
        max_age: seconds for which a look counts.
        path: the file; by default `etm_lightning.store.database.place` of the store.
    """

    def __init__(self, store: Path, *, max_age: float = 0.0, path: Path | None = None) -> None:
        self.store = store
        self._looks = True
        self._index = Index(store, max_age=max_age, path=path or database.place(store))

    def known(self) -> Catalogue:
        """The same runs as the last look found them: its questions look at nothing, and wait for no look."""
        same = copy(self)
        same._looks = False
        return same

    def rows(self, query: str = "", **listed: Unpack[Listed]) -> list[Row]:
        """Runs that fit.

        Args:
            query: in the search language of `etm_lightning.store.search`; all runs if empty.
            **listed: which of them, as `Listed` has it.

        Raises:
            QueryError: for a query that cannot be read, with the column and the nearest field.
            ValueError: if there is nothing to sort by that name.
        """
        return self._listed("row", _row, query, **listed)

    def plain(
        self,
        query: str = "",
        *,
        decode: Callable[[bytes], dict[str, Any]] = msgspec.json.decode,
        **listed: Unpack[Listed],
    ) -> list[dict[str, Any]]:
        """The same as `rows`, as plain data for JSON; `decode` may leave something out of them."""

        def made(_: str, looked: float, kept: bytes) -> dict[str, Any]:
            row = decode(kept)
            if row["status"] == "running":
                row["duration"] += max(0.0, time.time() - looked)
            return row

        return self._listed("row", made, query, **listed)

    def digests(self, query: str = "", **listed: Unpack[Listed]) -> list[tuple[RunFolder, Digest]]:
        """The same runs as `rows`, each with its folder and all that is kept of it."""

        def made(folder: str, looked: float, kept: bytes) -> tuple[RunFolder, Digest]:
            return RunFolder(self.store / folder), _digest(kept, looked)

        return self._listed("digest", made, query, **listed)

    def count(self, query: str = "", **narrowed: Unpack[Narrowed]) -> int:
        """How many runs fit; arguments as those of `rows`."""
        where = self._where(query, **narrowed)
        return int(self._index.ask(f"SELECT COUNT(*) FROM runs WHERE {where.sql}", where.values)[0][0])

    def folder(self, key: str) -> RunFolder:
        """The folder of the run with this key.

        Raises:
            LookupError: if there is none.
        """
        asked = "SELECT folder FROM runs WHERE key = ?"
        found = self._index.ask(asked, (key,))
        if not found:
            self._index.fresh()
            found = self._index.ask(asked, (key,))
        if not found:
            raise LookupError(f"`key` must be of a run of {str(self.store)!r} but got {key!r}")
        return RunFolder(self.store / found[0][0])

    def fields(self, names: Iterable[str]) -> list[Field]:
        """The columns, params and metrics that people mean by `names`.

        Raises:
            ValueError: if there is none of a name.
        """
        known = self.names()
        return [named(name.strip(), known) for name in names if name.strip()]

    def columns(self, query: str = "", **narrowed: Unpack[Narrowed]) -> dict[str, list[dict[str, Any]]]:
        """What the runs that fit have: ``params`` and ``metrics``, each with how many runs have it.

        A param tells whether all its values are numbers (``numeric``), and its ``values`` where they are few;
        a metric its ``min`` and ``max``.
        """
        where = self._where(query, **narrowed)
        inside = Clause(f"AND vals.run IN (SELECT run FROM runs WHERE {where.sql})", where.values)
        if not query and not narrowed.keys() - {"archived", "trashed"} and self._none_hidden():
            inside = Clause("")
        found = self._index.ask(
            "SELECT names.kind, names.text, COUNT(*), MIN(vals.number), MAX(vals.number), "
            "SUM(vals.kind = 'n'), COUNT(DISTINCT COALESCE(vals.text, vals.number)) "
            f"FROM vals JOIN names USING (name) WHERE TRUE {inside.sql} GROUP BY vals.name ORDER BY 1, 2",
            inside.values,
        )
        return {
            "params": [
                {"name": name, "count": count, "numeric": numbers == count}
                | ({"values": self._values(name, inside)} if few <= _FEW else {})
                for kind, name, count, _, _, numbers, few in found
                if kind == "param"
            ],
            "metrics": [
                {"name": name, "count": count, "min": least, "max": most}
                for kind, name, count, least, most, _, _ in found
                if kind == "metric"
            ],
        }

    def _none_hidden(self) -> bool:
        return not self._index.ask("SELECT 1 FROM runs WHERE archived OR trashed LIMIT 1")

    def _values(self, name: str, inside: Clause) -> list[Any]:
        found = self._index.ask(
            "SELECT DISTINCT vals.kind, vals.number, vals.text FROM vals JOIN names USING (name) "
            f"WHERE names.kind = 'param' AND names.text = ? {inside.sql} ORDER BY 1, 2, 3",
            (name, *inside.values),
        )
        return [value_of(*row) for row in found]

    def _listed(
        self,
        column: Literal["row", "digest"],
        make: Callable[[str, float, bytes], _Made],
        query: str,
        *,
        sort: str = "-created",
        limit: int | None = None,
        offset: int = 0,
        **narrowed: Unpack[Narrowed],
    ) -> list[_Made]:
        where = self._where(query, **narrowed)
        order = order_by(sort, self._names())
        end = f"LIMIT {-1 if limit is None else int(limit)} OFFSET {int(offset)}"
        return self._index.bodies(
            column,
            f"SELECT run, folder, looked FROM runs WHERE {where.sql} ORDER BY {order.sql}, id DESC {end}",
            (*where.values, *order.values),
            make,
        )

    def _where(
        self,
        query: str,
        *,
        project: str | None = None,
        group: str | None = None,
        status: str | None = None,
        tags: Iterable[str] = (),
        keys: Iterable[str] | None = None,
        archived: bool | None = False,
        trashed: bool | None = False,
    ) -> Clause:
        asked = parse(query) if query.strip() else None
        mentioned = {field.name for field in fields(asked) if not field.kind} if asked else set()
        archived = None if "archived" in mentioned else archived
        trashed = None if "trashed" in mentioned else trashed
        self._fresh()
        parts = [Clause("TRUE", ())]
        for name, wanted in (("project", project), ("group", group), ("status", status)):
            if wanted is not None:
                parts.append(Clause(f'"{name}" = ?', (wanted,)))
        parts += [Clause("EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)", (tag,)) for tag in tags]
        if keys is not None:
            parts.append(
                Clause("key IN (SELECT value FROM json_each(?))", (msgspec.json.encode(list(keys)).decode(),))
            )
        if trashed is not None:
            parts.append(Clause("trashed = ?", (trashed,)))
        if archived is False and not trashed:
            parts.append(Clause("NOT archived", ()))
        if asked:
            parts.append(compile_query(asked, self._names(), query=query, now=time.time()))
        return Clause(
            " AND ".join(f"({part.sql})" for part in parts), tuple(v for part in parts for v in part.values)
        )

    def called(self) -> tuple[set[str], set[str]]:
        """What runs are called by: the ids of all, and the groups of those in ordinary lists."""
        self._fresh()
        found = self._index.ask('SELECT id, "group", archived OR trashed FROM runs')
        return {id for id, _, _ in found}, {group for _, group, hidden in found if group and not hidden}

    def names(self) -> Names:
        """The params and metrics that the runs have."""
        self._fresh()
        return self._names()

    def _names(self) -> Names:
        found = self._index.ask("SELECT kind, text FROM names", ())
        return Names(
            tuple(text for kind, text in found if kind == "param"),
            tuple(text for kind, text in found if kind == "metric"),
        )

    def pulse(self) -> dict[str, object]:
        """By run what changes when there is news of it: its files have grown, or its process is gone."""
        if self._looks:
            self._index.refresh()
        found = self._index.ask("SELECT key, changed, files, status FROM runs")
        return {key: tuple(rest) for key, *rest in found}

    def _fresh(self) -> None:
        if self._looks:
            self._index.fresh()

    def refresh(self) -> Changes:
        """Look at the store now: which runs are new, changed or gone since the last look."""
        return self._index.refresh()

    @property
    def path(self) -> Path | None:
        """Its file; None if it is in memory."""
        return self._index.path

    def remove(self) -> None:
        """Delete its file; the next question makes it anew."""
        self.close()
        if self.path is not None:
            database.remove(self.path)

    def close(self) -> None:
        """Close the file; the next question opens it again."""
        self._index.close()


def _row(_: str, looked: float, kept: bytes) -> Row:
    """A row now: a run that is running has taken longer since it was looked at."""
    row = _ROW.decode(kept)
    if row.status != "running":
        return row
    return msgspec.structs.replace(row, duration=row.duration + max(0.0, time.time() - looked))


def _digest(kept: bytes, looked: float) -> Digest:
    from etm_lightning.store.digest import decoder

    one = decoder.decode(kept)
    if one.state.status != "running":
        return one
    duration = one.state.duration + max(0.0, time.time() - looked)
    return msgspec.structs.replace(one, state=replace(one.state, duration=duration))
