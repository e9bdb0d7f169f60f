"""A search as SQL over the catalogue's tables; every value is a parameter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from etm_lightning.store.search import (
    And,
    Compare,
    Contains,
    Field,
    Has,
    Member,
    Node,
    Not,
    Or,
    QueryError,
    Within,
    Word,
    quoted,
)
from etm_lightning.store.words import Day, Literal, Span, day_after, is_nan

COLUMNS = {
    **dict.fromkeys(("id", "name", "project", "group", "status", "reason", "notes", "question"), "text"),
    **dict.fromkeys(("forked_from", "evaluates", "replicates", "key"), "text"),
    **dict.fromkeys(("created", "started", "ended"), "time"),
    **dict.fromkeys(("duration", "attempts", "alerts", "damage"), "number"),
    **dict.fromkeys(("archived", "trashed"), "truth"),
    "tags": "list",
}
"""What every run has, and of which sort it is."""
_CALLED = ("id", "name", "project", "group", "notes", "question", "tags")


class Clause(NamedTuple):
    """A part of an SQL statement and the values of its question marks."""

    sql: str
    values: tuple[Any, ...] = ()


class Names(NamedTuple):
    """The params and metrics there are."""

    params: tuple[str, ...]
    metrics: tuple[str, ...]


def named(name: str, names: Names, argument: str = "columns") -> Field:
    """The column, param or metric that people mean by a name outside a query.

    Raises:
        ValueError: if there is none.
    """
    kind, _, rest = name.partition(".")
    field = Field(rest, kind) if kind in ("param", "metric") and rest else Field(name)
    try:
        return Compiler(name, names, 0.0).resolved(field)
    except QueryError as error:
        raise ValueError(
            f"`{argument}` must name columns, params or metrics but got {name!r}: {error.reason}"
        ) from None


def order_by(sort: str, names: Names) -> Clause:
    """How to sort by a column, param or metric; with a ``-`` in front from the largest down.

    Raises:
        ValueError: if there is none of that name.
    """
    name, way = sort.removeprefix("-").removeprefix("+"), "DESC" if sort.startswith("-") else "ASC"
    field = named(name, names, "sort")
    if field == Field("created"):
        return Clause(f"created {way}")
    if not field.kind:
        return Clause(f"{_column(field.name)[0]} {way} NULLS LAST, created DESC")
    one = (
        "(SELECT {} FROM vals WHERE run = runs.run AND name = "
        "(SELECT name FROM names WHERE kind = ? AND text = ?))"
    )
    numbers, texts = one.format("number"), one.format("text")
    return Clause(
        f"{numbers} {way} NULLS LAST, {texts} {way} NULLS LAST, created DESC", (field.kind, field.name) * 2
    )


def _column(name: str) -> tuple[str, str]:
    """A column in SQL, and its sort. A run that is running has taken longer since it was looked at."""
    if name == "duration":
        aged = "(CASE status WHEN 'running' THEN unixepoch('subsec') - looked ELSE 0 END)"
        return f"(duration + {aged})", "number"
    return f'"{name}"', COLUMNS[name]


def compile_query(node: Node, names: Names, *, query: str = "", now: float) -> Clause:
    """The condition that a search makes.

    Args:
        node: the search.
        names: the params and metrics there are.
        query: as it was typed, for messages.
        now: Unix seconds.

    Raises:
        QueryError: for a field that is not there, may be two, or cannot be compared with the value.
    """
    return Compiler(query, names, now).clause(node)


class Compiler:
    """Makes SQL of a tree."""

    def __init__(self, query: str, names: Names, now: float) -> None:
        self._query, self._names, self._now = query, names, now

    def clause(self, node: Node) -> Clause:
        """The condition of a node."""
        if isinstance(node, And | Or):
            parts = [self.clause(part) for part in node.parts]
            word = " AND " if isinstance(node, And) else " OR "
            return Clause(word.join(f"({part.sql})" for part in parts), _values(parts))
        if isinstance(node, Not):
            part = self.clause(node.part)
            return Clause(f"NOT IFNULL(({part.sql}), 0)", part.values)
        if isinstance(node, Word):
            return self._word(node)
        field = self.resolved(node.field)
        if field.kind:
            part = _of_value(node)
            return Clause(
                "EXISTS (SELECT 1 FROM vals WHERE run = runs.run AND name = "
                f"(SELECT name FROM names WHERE kind = ? AND text = ?) AND ({part.sql}))",
                (field.kind, field.name, *part.values),
            )
        return self._of_column(node, field)

    # fields

    def resolved(self, field: Field) -> Field:
        """The column, param or metric that is meant."""
        if not field.kind and field.name in COLUMNS:
            return field
        known = {"param": self._names.params, "metric": self._names.metrics}
        whole = [kind for kind, names in known.items() if field.kind in ("", kind) and field.name in names]
        if len(whole) == 1:
            return Field(field.name, whole[0], field.at)
        if len(whole) > 1:
            name = quoted(field.name)
            self._fail(f"{name} is a param and a metric: say param.{name} or metric.{name}", field.at)
        last = sorted(name for name in known["param"] if name.endswith(f".{field.name}"))
        if field.kind == "metric" or not last:
            self._unknown(field)
        if len(last) > 1:
            self._fail(f"{quoted(field.name)} may be {_or([quoted(name) for name in last])}", field.at)
        return Field(last[0], "param", field.at)

    def _unknown(self, field: Field) -> NoReturn:
        import difflib

        known = [
            *(() if field.kind else COLUMNS),
            *(self._names.params if field.kind != "metric" else ()),
            *(self._names.metrics if field.kind != "param" else ()),
        ]
        near = [name for name in known if field.name.lower() in name.lower()][:3]
        near = near or difflib.get_close_matches(field.name, known, 3, 0.5)
        ends = {name.rpartition(".")[2]: name for name in known}
        near = near or [ends[one] for one in difflib.get_close_matches(field.name, ends, 3, 0.6)]
        hint = f"; did you mean {_or([quoted(name) for name in near])}?" if near else ""
        kind = f"{field.kind} " if field.kind else ""
        self._fail(f"no run has a {kind or 'field '}{quoted(field.name)}{hint}", field.at)

    def _fail(self, reason: str, at: int) -> NoReturn:
        raise QueryError(reason, self._query, at)

    # columns

    def _word(self, node: Word) -> Clause:
        if node.name and COLUMNS.get(node.text) == "truth":
            return Clause(f'"{node.text}"')
        every = [f'etm_contains("{name}", ?)' for name in _CALLED]
        return Clause(" OR ".join(every), (node.text,) * len(every))

    def _of_column(self, node: Compare | Within | Member | Contains | Has, field: Field) -> Clause:
        column, sort = _column(field.name)
        if isinstance(node, Has):
            none = {"text": "''", "list": "'[]'"}.get(sort)
            return Clause(f"{column} IS NOT NULL" + (f" AND {column} != {none}" if none else ""))
        if isinstance(node, Contains):
            if sort == "list":
                return Clause(
                    f"EXISTS (SELECT 1 FROM json_each({column}) WHERE etm_contains(value, ?))", (node.text,)
                )
            if sort != "text":
                self._fail(f"{field.name} is no text", field.at)
            return Clause(f"etm_contains({column}, ?)", (node.text,))
        if isinstance(node, Member):
            if sort == "list":
                return self._compared(field, "==", node.value)
            if sort != "text":
                self._fail(f"{field.name} is no list", field.at)
            return Clause(f"etm_contains({column}, ?)", (node.value.text,))
        if isinstance(node, Within):
            parts = [self._compared(field, "==", value) for value in node.values]
            return Clause(" OR ".join(f"({part.sql})" for part in parts), _values(parts))
        return self._compared(field, node.operator, node.value)

    def _compared(self, field: Field, operator: str, literal: Literal) -> Clause:
        column, sort = _column(field.name)
        value = literal.value
        if value is None and operator in ("==", "!="):
            empty = {"text": f"{column} = ''", "list": f"{column} = '[]'"}.get(sort, f"{column} IS NULL")
            return Clause(empty if operator == "==" else f"NOT ({empty})")
        sign = "=" if operator == "==" else operator
        if sort == "text":
            return Clause(f"{column} {sign} ?", (literal.text,))
        if sort == "list":
            if operator not in ("==", "!="):
                self._fail(f"{field.name} is a list: ask `{literal.text!r} in {field.name}`", field.at)
            found = f"EXISTS (SELECT 1 FROM json_each({column}) WHERE value = ?)"
            return Clause(found if operator == "==" else f"NOT {found}", (literal.text,))
        if sort == "truth":
            if not isinstance(value, bool) or operator not in ("==", "!="):
                self._fail(f"{field.name} is true or false but got {literal.text!r}", literal.at)
            return Clause(f"{column} {sign} ?", (value,))
        if sort == "time":
            return self._at(column, field, operator, literal)
        seconds = value.seconds if isinstance(value, Span) else value
        if not isinstance(seconds, float):
            self._fail(f"{field.name} is a number but got {literal.text!r}", literal.at)
        return Clause(f"{column} {sign} ?", (seconds,))

    def _at(self, column: str, field: Field, operator: str, literal: Literal) -> Clause:
        value = literal.value
        sign = "=" if operator == "==" else operator
        if isinstance(value, Day) and value.whole and operator in ("==", "!="):
            inside = f"({column} >= ? AND {column} < ?)"
            return Clause(
                inside if operator == "==" else f"NOT {inside}", (value.start, day_after(value.start))
            )
        if isinstance(value, Day):
            return Clause(f"{column} {sign} ?", (value.start,))
        if isinstance(value, Span):
            return Clause(f"{column} {sign} ?", (self._now - value.seconds,))
        if not isinstance(value, float):
            self._fail(
                f"{field.name} is a time: compare it with 2026-11-01, with 7d for seven days ago, or "
                f"`today`, not with {literal.text!r}",
                literal.at,
            )
        return Clause(f"{column} {sign} ?", (value,))


def _of_value(node: Compare | Within | Member | Contains | Has) -> Clause:
    """The condition on a row of the table of values."""
    if isinstance(node, Has):
        return Clause("TRUE")
    if isinstance(node, Contains):
        return Clause("kind IN ('t', 'j') AND etm_contains(text, ?)", (node.text,))
    if isinstance(node, Member):
        return _member(node.value)
    if isinstance(node, Within):
        parts = [_equal(value) for value in node.values]
        return Clause(" OR ".join(f"({part.sql})" for part in parts), _values(parts))
    if node.operator in ("==", "!="):
        same = _equal(node.value)
        return same if node.operator == "==" else Clause(f"NOT IFNULL(({same.sql}), 0)", same.values)
    value = node.value.value
    if isinstance(value, str):
        return Clause(f"kind = 't' AND text {node.operator} ?", (value,))
    if isinstance(value, Span | Day):
        value = value.seconds if isinstance(value, Span) else value.start
    if isinstance(value, float) and not is_nan(value):
        return Clause(f"kind = 'n' AND number {node.operator} ?", (value,))
    return Clause("FALSE")


def _equal(literal: Literal) -> Clause:
    value = literal.value
    if value is None:
        return Clause("kind = 'z'")
    if isinstance(value, bool):
        return Clause("kind = 'b' AND number = ?", (value,))
    if isinstance(value, float) and not math.isfinite(value):
        return Clause("text = ?", (str(value),))
    if isinstance(value, float):
        return Clause("kind = 'n' AND number = ?", (value,))
    if isinstance(value, Span | Day):
        seconds = value.seconds if isinstance(value, Span) else value.start
        return Clause("(kind = 'n' AND number = ?) OR (kind = 't' AND text = ?)", (seconds, literal.text))
    return Clause("kind = 't' AND text = ?", (value,))


def _member(literal: Literal) -> Clause:
    """In a list it is one of the items; in a text it is a part of it."""
    value = literal.value
    values: list[Any] = [literal.text]
    item = "atom = ? AND type = 'text'"
    if isinstance(value, bool):
        item, values = "type = ?", ["true" if value else "false"]
    elif isinstance(value, float):
        item, values = "atom = ? AND type IN ('integer', 'real')", [value]
    elif value is None:
        item, values = "type = 'null'", []
    inside = f"EXISTS (SELECT 1 FROM json_each(CASE kind WHEN 'j' THEN text ELSE '[]' END) WHERE {item})"
    return Clause(
        f"(kind = 'j' AND substr(text, 1, 1) = '[' AND {inside}) OR (kind = 't' AND etm_contains(text, ?))",
        (*values, literal.text),
    )


def _values(parts: Sequence[Clause]) -> tuple[Any, ...]:
    return tuple(value for part in parts for value in part.values)


def _or(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"
