"""Numbers as texts in an exported page: few letters, and read in one go."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from etm_lightning.web.axes import Floats

Packed = list[Any] | str


def pack(numbers: Floats, *, exact: bool = False) -> Packed:
    """Finite numbers as ``["range", first, stride, n]``, or as ``"i4:…"``, ``"f4:…"``, ``"f8:…"`` in base64.

    Args:
        numbers: the numbers, of any shape (n,).
        exact: keep all digits; else seven, which is more than a chart shows.

    >>> pack(np.array([5.0, 10.0, 15.0]))
    ['range', 5, 5, 3]
    """
    whole = bool((numbers == np.rint(numbers)).all()) and bool((np.abs(numbers) < 2**31).all())
    if whole and len(numbers) > 1:
        strides = np.diff(numbers)
        if bool((strides == strides[0]).all()):
            return ["range", int(numbers[0]), int(strides[0]), len(numbers)]
    kind = "<i4" if whole else "<f8" if exact else "<f4"
    return f"{kind[1:]}:{base64.b64encode(numbers.astype(kind).tobytes()).decode()}"
