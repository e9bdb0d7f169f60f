"""Where the epochs of a run begin, on its axis of steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from etm_lightning.store.blocks import NO_EPOCH
from etm_lightning.store.series import Series


@dataclass(frozen=True)
class Epochs:
    """The first step of each epoch, by its number, and the last step of all."""

    firsts: dict[int, int]
    last: int


def epochs(every: Iterable[Series]) -> Epochs:
    """The epochs of the series along `step`.

    Raises:
        ImportError: without numpy.
    """
    import numpy as np

    firsts: dict[int, int] = {}
    last = 0
    for series in every:
        if series.key.axis != "step" or not series.counts:
            continue
        columns = series.columns()
        steps = np.array(columns["step"], np.int64)
        numbers = np.array(columns["epoch"], np.int64)
        last = max(last, int(steps.max()))
        begins = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
        for number, step in zip(numbers[begins].tolist(), steps[begins].tolist(), strict=True):
            if number != NO_EPOCH:
                firsts[number] = min(firsts.get(number, step), step)
    return Epochs(firsts, last)
