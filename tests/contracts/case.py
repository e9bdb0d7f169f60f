"""What the contract asks of each sink: how to open it, and how to read back what it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from etm_lightning.layout import RunFolder

Curves = Mapping[str, list[tuple[int, float]]]
"""By name as logged, step and value of each point of the axis `step`, in the order the reader shows them."""


@dataclass(frozen=True)
class Case:
    """One sink under the contract.

    Attributes:
        name: its kind.
        read: what the peer's own reader finds of a run.
        options: the sink's settings for a run, made anew for each test.
        exactly_once: whether a kill between writing and storing the place leaves nothing twice.
        single: whether values are kept as float32.
        nonfinite: whether NaN and infinities are kept.
    """

    name: str
    read: Callable[[RunFolder], Curves]
    options: Callable[[RunFolder], dict[str, Any]] = field(default=lambda folder: {})
    exactly_once: bool = True
    single: bool = False
    nonfinite: bool = True
