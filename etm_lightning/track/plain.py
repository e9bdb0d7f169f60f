"""Any value as plain data that JSON can hold, without ever failing on a strange one."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import hashlib
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from pathlib import PurePath
from typing import Any

from etm_lightning.track.redact import HIDDEN, redact, secret

_LONGEST = 64 << 10
_DEEPEST = 20
_MOST = 1000
_MOST_NUMBERS = 100


def plain(value: Any) -> Any:
    """`value` as None, bool, int, float, str, list or dict with string keys.

    Containers of OmegaConf are resolved; numbers and arrays of up to 100 numbers of numpy and torch become
    Python's, larger ones their shape; callables and classes their dotted names, paths and enum members
    strings, values that only `repr` can show a string. NaN and infinities become "nan", "inf", "-inf". Texts
    over 64 KiB and containers of more than 1000 items are cut and say so. Secrets in
    texts, and values whose name tells of one, are hidden.

    >>> plain({"path": PurePath("a/b"), "lr": float("inf"), "f": len, "hf_token": "x"})
    {'path': 'a/b', 'lr': 'inf', 'f': 'builtins.len', 'hf_token': '<hidden>'}
    """
    return _plain(value, ())


def number(value: Any) -> float:
    """The number that `value` is: Python's, numpy's or torch's with one element.

    Raises:
        TypeError: if it is not one real number.

    >>> number(True)
    1.0
    """
    try:
        found = value.item() if hasattr(value, "item") else value
        if not isinstance(found, str | bytes | complex):
            return float(found)
    except Exception:  # the `__float__` of a stranger's class may do anything
        raise TypeError(f"must be one number but got {plain(value)!r}") from None
    raise TypeError(f"must be a number but got {plain(value)!r}")


def sound(text: Any) -> str:
    r"""`text` as a str that UTF-8 can hold: halves of surrogate pairs are spelled out.

    >>> sound("a\ud800")
    'a\\ud800'
    """
    return str(text).encode("utf-8", "backslashreplace").decode()


def _plain(value: Any, within: tuple[int, ...]) -> Any:
    """`value` as plain data; `within` are the ids of the containers around it."""
    try:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum):
            return str(value.name)
        if isinstance(value, str):
            return _short(value)
        if isinstance(value, int):
            return int(value) if abs(value) < 1 << 63 else str(int(value))
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else str(float(value))
        if id(value) in within:
            return f"<{type(value).__qualname__} that holds itself>"
        return _container(value, (*within, id(value))) if len(within) < _DEEPEST else _shown(value)
    except Exception as error:  # a property or `__iter__` of a stranger's class may do anything
        return f"<{type(value).__qualname__}: {type(error).__name__}>"


def _container(value: Any, within: tuple[int, ...]) -> Any:
    value = _resolved(value)
    if isinstance(value, argparse.Namespace):
        value = vars(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return _mapping(value, within)
    if isinstance(value, PurePath):
        return _short(value)
    if isinstance(value, AbstractSet):
        return list(_items(sorted([_plain(item, within) for item in value], key=repr), within))
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return list(_items(value, within))
    if hasattr(value, "tolist") and math.prod(value.shape) <= _MOST_NUMBERS:
        return _plain(value.tolist(), within)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return _short(f"{value.__module__}.{value.__qualname__}")
    return _shown(value)


def _mapping(value: Mapping[Any, Any], within: tuple[int, ...]) -> dict[str, Any]:
    found = {}
    for key, item in islice(value.items(), _MOST):
        name = _short(key)
        found[name] = HIDDEN if item is not None and secret(name, item) else _plain(item, within)
    if len(value) > _MOST:
        found["…"] = f"<{len(value) - _MOST} more>"
    return found


def _items(values: Iterable[Any], within: tuple[int, ...]) -> Iterator[Any]:
    for n, item in enumerate(values):
        if n == _MOST:
            yield "… <more>"
            return
        yield _plain(item, within)


def _resolved(value: Any) -> Any:
    """OmegaConf's containers as Python's; where an interpolation fails, as it was written."""
    omegaconf = sys.modules.get("omegaconf")
    if omegaconf is None or not omegaconf.OmegaConf.is_config(value):
        return value
    try:
        return omegaconf.OmegaConf.to_container(value, resolve=True, throw_on_missing=False)
    except Exception:  # a resolver is a stranger's function
        return omegaconf.OmegaConf.to_container(value, resolve=False, throw_on_missing=False)


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"<{type(value).__qualname__} of shape {tuple(shape)}>"
    return re.sub(r" at 0x[0-9a-f]+", "", _short(repr(value)))


def _short(value: Any) -> str:
    text = redact(sound(value))
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text[:_LONGEST]}… <{len(text)} characters, sha256 {digest}>"
