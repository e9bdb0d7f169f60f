"""The words of a search: texts, names, numbers, dates and spans of time."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<name>(?:(?:param|metric)\.)?`[^`]*`|(?:param|metric)\."(?:[^"\\]|\\.)*")
    | (?P<date>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?(?![\w.:/-]))
    | (?P<span>\d+(?:\.\d+)?(?:ms|s|min|m|h|d|w)(?![\w./:-]))
    | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w./:-])|[+-]inf\b)
    | (?P<sign>==|!=|<=|>=|!~|&&|\|\||[=<>~!(),\[\]])
    | (?P<word>[\w](?:[\w./:@%+-]*[\w%+])?)
    )""",
    re.VERBOSE,
)
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_VALUES: dict[str, bool | None] = {"true": True, "false": False, "none": None, "null": None}


@dataclass(frozen=True)
class Token:
    """A piece of a query at offset `at`: of the kind text, name, date, span, number, sign, word or end."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class Span:
    """A span of time; compared with a moment it means as long ago."""

    seconds: float


@dataclass(frozen=True)
class Day:
    """A moment in Unix seconds, or a whole day from then on if `whole`."""

    start: float
    whole: bool


@dataclass(frozen=True)
class Literal:
    """A value in a query, and how it was written there."""

    value: float | str | bool | Span | Day | None
    text: str
    at: int = 0


def tokens(query: str) -> Iterator[Token]:
    """The pieces of a query, and one of the kind end.

    Raises:
        ValueError: with the reason and the offset, where there is no piece.

    >>> [token.text for token in tokens("lr>1e-4 and 'a b' in tags")]
    ['lr', '>', '1e-4', 'and', 'a b', 'in', 'tags', '']
    """
    place = 0
    while query[place:].strip():
        match = _TOKEN.match(query, place)
        if match is None:
            start = len(query) - len(query[place:].lstrip())
            quote = query[start] in "\"'`"
            reason = (
                f"the quote {query[start]} is not closed" if quote else f"{query[start]!r} means nothing here"
            )
            raise ValueError(reason, start)
        kind = match.lastgroup or ""
        raw, at = match[kind], match.start(kind)
        yield Token(kind, _plain(kind, raw), at)
        place = match.end()
    yield Token("end", "", len(query))


def _plain(kind: str, raw: str) -> str:
    if kind == "text":
        return re.sub(r"\\(.)", r"\1", raw[1:-1], flags=re.DOTALL)
    if kind == "name":
        head, _, rest = raw.partition(raw[-1])
        body = rest[:-1]
        return head + (body if raw[-1] == "`" else re.sub(r"\\(.)", r"\1", body, flags=re.DOTALL))
    return raw


def literal(token: Token) -> Literal:
    """The value of a token; a word that is no value is a text.

    Raises:
        ValueError: for a date that no calendar has.

    >>> literal(Token("word", "crashed", 0)).value, literal(Token("span", "2h", 0)).value
    ('crashed', Span(seconds=7200.0))
    """
    text, value = token.text, token.text.lower()
    if token.kind == "number":
        return Literal(float(text), text, token.at)
    if token.kind == "span":
        number, unit = re.fullmatch(r"([\d.]+)(\w+)", text).groups()  # type: ignore[union-attr]  # the lexer saw it
        return Literal(Span(float(number) * _SECONDS[unit]), text, token.at)
    if token.kind == "date":
        return Literal(_day(text), text, token.at)
    if token.kind == "word" and value in _VALUES:
        return Literal(_VALUES[value], text, token.at)
    if token.kind == "word" and value in ("nan", "inf"):
        return Literal(float(value), text, token.at)
    if token.kind == "word" and value in ("today", "yesterday"):
        return Literal(_today(value == "yesterday"), text, token.at)
    return Literal(text, text, token.at)


def _day(text: str) -> Day:
    parts = [int(part) for part in re.split(r"[-T :]", text)]
    moment = time.struct_time((*parts, *[0] * (6 - len(parts)), 0, 0, -1))
    if time.localtime(time.mktime(moment))[:3] != moment[:3]:
        raise ValueError(f"no calendar has {text}")
    return Day(time.mktime(moment), len(parts) == 3)


def _today(before: bool) -> Day:
    now = time.localtime()
    return Day(time.mktime((now.tm_year, now.tm_mon, now.tm_mday - before, 0, 0, 0, 0, 0, -1)), True)


def day_after(start: float) -> float:
    """When the day that begins at `start` ends: after 23 to 25 hours."""
    now = time.localtime(start)
    return time.mktime((now.tm_year, now.tm_mon, now.tm_mday + 1, 0, 0, 0, 0, 0, -1))


def is_nan(value: object) -> bool:
    """Whether it is the number NaN."""
    return isinstance(value, float) and math.isnan(value)
