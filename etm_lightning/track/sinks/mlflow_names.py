"""Names and values as an MLflow server takes them: its characters, its lengths, its sizes of a request."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

LONGEST_NAME = 250
LONGEST_PARAM = 6000
LONGEST_TAG = 5000
MOST_METRICS = 1000
MOST_OTHERS = 100
MOST_BYTES = 450_000
"""The server refuses a request of more than 10^6 bytes, in which quotes and the like count twice."""

_ODD = re.compile(r"[^\w/.\- :]|_(?=x[0-9A-F]*_)")
_ESCAPED = re.compile(r"_x([0-9A-F]+)_")
_LIMIT = re.compile(r"(?:maximum length of|length limit of) (\d+)")
_Item = TypeVar("_Item")


def escape(name: str) -> str:
    """A name as MLflow takes it; distinct names stay distinct.

    MLflow takes letters and digits of any script and ``_ - . : /`` and spaces, but no parts between slashes
    that are empty, ``.`` or ``..``. Another character becomes ``_x<its number in hex>_``, an empty part
    ``_x_``. A name over 250 characters is cut and ends in ``...`` and a hash.

    >>> escape("val/f1"), escape("损失/%"), escape("a//b")
    ('val/f1', '损失/_x0025_', 'a/_x_/b')
    """
    parts = (_part(part) for part in _ODD.sub(_hex, name).split("/"))
    escaped = "/".join(parts)
    if len(escaped) <= LONGEST_NAME:
        return escaped
    return f"{escaped[: LONGEST_NAME - 11]}...{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def unescape(escaped: str) -> str:
    """The name that `escape` was given, unless it was cut.

    >>> unescape(escape("a//b%"))
    'a//b%'
    """
    parts = ("" if part == "_x_" else part for part in escaped.split("/"))
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), "/".join(parts))


def file_name(name: str) -> str:
    """A name as the path of an artifact: of the characters of `escape` less the colon.

    >>> file_name("val/a:b")
    'val/a_x003A_b'
    """
    return escape(name).replace(":", "_x003A_")


def shown(value: Any) -> str:
    """A setting as a text: lists and mappings as JSON, others as Python shows them.

    >>> shown(0.001), shown(True), shown(["a", None]), shown("a")
    ('0.001', 'True', '["a", null]', 'a')
    """
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def cut(text: str, most: int) -> str:
    """At most `most` characters of a text; one that was cut ends in ``…``.

    >>> cut("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def limit_in(message: str) -> int | None:
    """The longest value that a server's refusal says it takes; None if it says nothing of that.

    >>> limit_in("'Param value' exceeds the maximum length of 500 characters")
    500
    """
    found = _LIMIT.search(message)
    return int(found[1]) if found else None


def chunks(items: Sequence[_Item], most: int, size: Callable[[_Item], int]) -> Iterator[list[_Item]]:
    """`items` in order, in lists of up to `most` that make a request of up to `MOST_BYTES`.

    >>> [len(some) for some in chunks("abcde", 2, len)]
    [2, 2, 1]
    """
    some: list[_Item] = []
    total = 0
    for item in items:
        cost = size(item)
        if some and (len(some) == most or total + cost > MOST_BYTES):
            yield some
            some, total = [], 0
        some.append(item)
        total += cost
    if some:
        yield some


def bytes_of(*texts: str) -> int:
    """About how many bytes texts take in a request, in which other than ASCII letters are escaped."""
    return 130 + sum(len(text) if text.isascii() and text.isprintable() else 12 * len(text) for text in texts)


def _part(part: str) -> str:
    if not part:
        return "_x_"
    return part.replace(".", "_x002E_") if part in (".", "..") else part


def _hex(found: re.Match[str]) -> str:
    return f"_x{ord(found[0]):04X}_"
