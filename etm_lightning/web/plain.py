"""What the API answers with: plain data without a number that JSON has no form for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

_PLAIN = frozenset({str, int, bool, type(None)})


def plain(value: Any) -> Any:
    """`value` as JSON has it: NaN and infinities are texts, keys are texts, tuples are lists.

    >>> plain({"loss": float("nan"), 1: (2, 3)})
    {'loss': 'nan', '1': [2, 3]}
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if kind is dict or isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):  # of a class of its own
        return plain(float(value))
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.to_builtins(value))
    return value


def encode(value: Any) -> bytes:
    """Plain data as JSON."""
    return msgspec.json.encode(value)


def as_data(value: Any) -> str:
    r"""JSON that is only ever data within HTML: it holds no `<`, so it closes and opens nothing.

    >>> as_data({"name": "</script><!--"})
    '{"name":"\\u003c/script>\\u003c!--"}'
    """
    return encode(value).decode().replace("<", "\\u003c")
