"""The language in which people search for runs, read into a tree. Nothing of it is ever evaluated as code.

``lr > 1e-4 and val/f1 > 0.9 and "baseline" in tags and status == "crashed"``
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from etm_lightning.store.words import Literal, Token, literal, tokens

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_JOINING = ("and", "or", "in", "contains")
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class QueryError(ValueError):
    """A query that cannot be understood; `at` is the offset of the character at which that shows, from 0."""

    def __init__(self, reason: str, query: str, at: int) -> None:
        self.reason, self.query, self.at = reason, query, at
        super().__init__(f"`query` at column {at + 1}: {reason}\n  {query}\n  {' ' * at}^")


@dataclass(frozen=True)
class Field:
    """What is asked about; `kind` is ``param`` or ``metric`` where the query says so, else empty."""

    name: str
    kind: str = ""
    at: int = 0


@dataclass(frozen=True)
class Compare:
    """``lr > 1e-4``; a field that a run lacks makes any comparison false."""

    field: Field
    operator: str
    value: Literal


@dataclass(frozen=True)
class Within:
    """``lr in (1e-4, 3e-4)``."""

    field: Field
    values: tuple[Literal, ...]


@dataclass(frozen=True)
class Member:
    """``"baseline" in tags``."""

    value: Literal
    field: Field


@dataclass(frozen=True)
class Contains:
    """``notes contains "seed"``: letters in either case."""

    field: Field
    text: str


@dataclass(frozen=True)
class Has:
    """``has val/f1``: the run has a value for the field."""

    field: Field


@dataclass(frozen=True)
class Word:
    """A text or a name on its own: a field that is true or false, else a text in what the run is called."""

    text: str
    name: bool
    at: int


@dataclass(frozen=True)
class Not:
    """``not archived``."""

    part: Node


@dataclass(frozen=True)
class And:
    """All of `parts`."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    """One of `parts` at least."""

    parts: tuple[Node, ...]


Node = Compare | Within | Member | Contains | Has | Word | Not | And | Or


def parse(query: str) -> Node:
    """The tree of a query.

    Args:
        query: comparisons (``==`` or ``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``in``, ``contains`` or
            ``~``, ``has``) of columns, params and metrics, joined by ``and``, ``or``, ``not``, parentheses.
            Between words that stand alone ``and`` may be left out.

    Raises:
        QueryError: where it cannot be read.

    >>> parse("lr > 1e-4 and not has val/f1").parts[1]
    Not(part=Has(field=Field(name='val/f1', kind='', at=22)))
    """
    return _Parser(query).whole()


def fields(node: Node) -> Iterator[Field]:
    """The fields that a query asks about; of a name on its own it is not known whether it is one."""
    if isinstance(node, And | Or):
        for part in node.parts:
            yield from fields(part)
    elif isinstance(node, Not):
        yield from fields(node.part)
    elif isinstance(node, Word):
        if node.name:
            yield Field(node.text, at=node.at)
    else:
        yield node.field


class _Parser:
    """Goes down the grammar, one method per rule; `_next` is the token to look at."""

    def __init__(self, query: str) -> None:
        self._query = query
        try:
            self._tokens = list(tokens(query))
        except ValueError as error:
            raise QueryError(str(error.args[0]), query, error.args[1]) from None
        self._place = 0
        self._depth = 0

    def whole(self) -> Node:
        found = self._any()
        if self._next.kind != "end":
            self._fail(f"expected `and` or `or` but got {self._next.text!r}")
        return found

    # rules

    def _any(self) -> Node:
        parts = [self._every()]
        while self._take("or", "||"):
            parts.append(self._every())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _every(self) -> Node:
        parts = [self._one()]
        while self._take("and", "&&") or (_is_bare(parts[-1]) and self._ahead_is_bare()):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Node:
        self._depth += 1
        if self._depth > 100:
            self._fail("too deep: use fewer parentheses")
        try:
            if self._take("not", "!"):
                return Not(self._one())
            if self._take("("):
                found = self._any()
                self._expect(")")
                return found
            if self._is("has", "exists") and self._ahead_is_field():
                self._place += 1
                return self._has()
            return self._comparison()
        finally:
            self._depth -= 1

    def _has(self) -> Node:
        if self._take("("):
            found = Has(self._field())
            self._expect(")")
            return found
        return Has(self._field())

    def _comparison(self) -> Node:
        if self._is(*_JOINING):
            self._fail(f"expected a field or a value but got {self._next.text!r}")
        first = self._token("a field or a value")
        if self._take("exists"):
            return Has(self._as_field(first))
        negated = bool(self._take("not"))
        found: Node | None = None
        if self._take("in"):
            found = self._in(first)
        elif self._take("contains", "~"):
            found = Contains(self._as_field(first), self._text())
        elif self._take("!~"):
            found = Not(Contains(self._as_field(first), self._text()))
        if found:
            return Not(found) if negated else found
        if negated:
            self._fail("expected `in` or `contains` after `not`")
        if not self._is(*COMPARISONS, "="):
            return self._alone(first)
        return self._chain(first)

    def _alone(self, token: Token) -> Node:
        if token.kind not in ("word", "text"):
            self._fail(f"expected a comparison such as `{token.text} > 0`", token.at)
        return Word(token.text, token.kind == "word", token.at)

    def _chain(self, left: Token) -> Node:
        parts: list[Node] = []
        while self._is(*COMPARISONS, "="):
            operator = self._token("").text.replace("==", "=").replace("=", "==")
            operator = {"<==": "<=", ">==": ">=", "!==": "!="}.get(operator, operator)
            right = self._token("a value")
            parts.append(self._compared(left, operator, right))
            left = right
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _compared(self, left: Token, operator: str, right: Token) -> Node:
        if right.kind == "name":
            if left.kind in ("word", "name"):
                self._fail("a field is compared with a value, not with a field", right.at)
            return Compare(self._as_field(right), _FLIPPED[operator], self._literal(left))
        if left.kind in ("word", "name"):
            return Compare(self._as_field(left), operator, self._literal(right))
        if right.kind != "word":
            self._fail("one side of a comparison must be a field", left.at)
        return Compare(self._as_field(right), _FLIPPED[operator], self._literal(left))

    def _in(self, first: Token) -> Node:
        if not self._take("(", "["):
            return Member(self._literal(first), self._field())
        values = [self._literal(self._token("a value"))]
        while self._take(","):
            if self._is(")", "]"):
                break
            values.append(self._literal(self._token("a value")))
        self._expect(")", "]")
        return Within(self._as_field(first), tuple(values))

    # tokens

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _ahead_is_bare(self) -> bool:
        """Whether a text or a name follows that is compared with nothing."""
        if self._next.kind not in ("word", "text") or self._is(*_JOINING, "not", "has", "exists"):
            return False
        after = self._tokens[self._place + 1]
        compared = after.kind == "word" and after.text.lower() in ("in", "contains", "not", "exists")
        return not compared and (after.kind != "sign" or after.text in (")", "&&", "||"))

    def _ahead_is_field(self) -> bool:
        token = self._tokens[min(self._place + 1, len(self._tokens) - 1)]
        operator = token.kind == "word" and token.text.lower() in (*_JOINING, "not")
        return (token.kind in ("word", "name") and not operator) or token.text == "("

    def _is(self, *words: str) -> bool:
        token = self._next
        if token.kind == "word":
            return token.text.lower() in words
        return token.kind not in ("text", "name", "end") and token.text in words

    def _take(self, *words: str) -> Token | None:
        if not self._is(*words):
            return None
        self._place += 1
        return self._tokens[self._place - 1]

    def _expect(self, *words: str) -> None:
        if not self._take(*words):
            self._fail(f"expected `{words[0]}`")

    def _token(self, wanted: str) -> Token:
        token = self._next
        if token.kind == "end" or (wanted and token.kind == "sign"):
            self._fail(f"expected {wanted}" + ("" if token.kind == "end" else f" but got {token.text!r}"))
        self._place += 1
        return token

    def _field(self) -> Field:
        return self._as_field(self._token("a field"))

    def _as_field(self, token: Token) -> Field:
        if token.kind not in ("word", "name"):
            self._fail(f"expected a field but got {token.text!r}", token.at)
        for kind in ("param", "metric"):
            if token.text.startswith(f"{kind}.") and len(token.text) > len(kind) + 1:
                return Field(token.text[len(kind) + 1 :], kind, token.at)
        return Field(token.text, at=token.at)

    def _literal(self, token: Token) -> Literal:
        if token.kind == "name":
            self._fail("expected a value but got a field", token.at)
        try:
            return literal(token)
        except ValueError as error:
            self._fail(str(error), token.at)

    def _text(self) -> str:
        return self._token("a text").text

    def _fail(self, reason: str, at: int | None = None) -> NoReturn:
        raise QueryError(reason, self._query, self._next.at if at is None else at)


def _is_bare(node: Node) -> bool:
    return isinstance(node.part if isinstance(node, Not) else node, Word)


def quoted(name: str) -> str:
    """A name as a query has it: in backticks unless it is a plain word.

    >>> quoted("val/f1"), quoted("loss (validate, step)")
    ('val/f1', '`loss (validate, step)`')
    """
    return name if re.fullmatch(r"[^\W\d][\w./:@%-]*", name) else f"`{name}`"
