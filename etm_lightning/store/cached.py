"""`cached_property` that makes no other instance wait."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any, TypeVar

T_co = TypeVar("T_co", covariant=True)


class cached_property(functools.cached_property[T_co]):  # noqa: N801  # it is called as what it stands for
    """That of `functools`, whose instances have one lock together before Python 3.12.

    A run that takes long to read would hold up all others there.
    """

    def __init__(self, func: Callable[[Any], T_co]) -> None:
        super().__init__(func)
        self.lock = contextlib.nullcontext()
