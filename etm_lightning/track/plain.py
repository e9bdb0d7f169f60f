"""Any value as plain data that JSON can hold, without ever failing on a strange one."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import hashlib
import math
import re
import sys
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePath
from typing import Any

_LONGEST = 64 << 10
_DEEPEST = 20
_SECRET = re.compile(
    r"(?i)(^|[_.\-])((api|access|private|secret)_?key|password|passwd|secret|credentials?"
    r"|(api|auth|access|hf|bot|refresh)_?token)$"
)
HIDDEN = "<hidden>"


def plain(value: Any, depth: int = 0) -> Any:
    """`value` as None, bool, int, float, str, list or dict with string keys.

    Containers of OmegaConf are resolved, numbers of numpy and torch become Python's, callables and classes
    their dotted names, paths and enum members strings, values that only `repr` can show a string. NaN and
    infinities become "nan", "inf", "-inf". Texts over 64 KiB are cut and say so. Values whose name tells of
    a secret are hidden.

    >>> plain({"path": PurePath("a/b"), "lr": float("inf"), "f": len, "hf_token": "x"})
    {'path': 'a/b', 'lr': 'inf', 'f': 'builtins.len', 'hf_token': '<hidden>'}
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _short(str(value))
    if isinstance(value, int):
        return int(value) if abs(value) < 1 << 63 else str(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if depth > _DEEPEST:
        return _shown(value)
    try:
        return _container(value, depth)
    except Exception as error:  # a property or __iter__ of a stranger's class may do anything
        return f"<{type(value).__qualname__}: {type(error).__name__}>"


def secret(name: str) -> bool:
    """Whether a setting of this name is not to be written down.

    >>> secret("wandb.api_key"), secret("mask_token")
    (True, False)
    """
    return _SECRET.search(name) is not None


def _container(value: Any, depth: int) -> Any:
    value = _resolved(value)
    if isinstance(value, argparse.Namespace):
        value = vars(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {
            _short(str(key)): HIDDEN if item and secret(str(key)) else plain(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, PurePath):
        return _short(str(value))
    if isinstance(value, AbstractSet):
        return sorted((plain(item, depth + 1) for item in value), key=repr)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [plain(item, depth + 1) for item in value]
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return plain(value.item(), depth + 1)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"{value.__module__}.{value.__qualname__}"
    return _shown(value)


def _resolved(value: Any) -> Any:
    """OmegaConf's containers as Python's; where an interpolation fails, as it was written."""
    omegaconf = sys.modules.get("omegaconf")
    if omegaconf is None or not omegaconf.OmegaConf.is_config(value):
        return value
    try:
        return omegaconf.OmegaConf.to_container(value, resolve=True, throw_on_missing=False)
    except omegaconf.errors.OmegaConfBaseException:
        return omegaconf.OmegaConf.to_container(value, resolve=False, throw_on_missing=False)


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"<{type(value).__qualname__} of shape {tuple(shape)}>"
    return re.sub(r" at 0x[0-9a-f]+", "", _short(repr(value)))


def _short(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text[:_LONGEST]}… <{len(text)} characters, sha256 {digest}>"
