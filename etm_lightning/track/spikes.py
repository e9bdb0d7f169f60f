"""Losses that jump, told from losses that only vary."""

from __future__ import annotations

import math
import statistics
from collections import deque

LEAST = 20
RENEW = 10
"""After so many values the limit is computed anew: it moves slowly."""
_SD = 1.4826


class Spikes:
    """Follows a series and tells when it jumps: above median + `factor` · spread of what came before.

    The spread is 1.4826 · MAD (median absolute deviation), which estimates the standard deviation of a normal
    distribution and is not moved by a few outliers (Rousseeuw and Croux, 1993); or a third of the way from
    the median to the 98th percentile, if that is more: where now and then a batch is hard, the next hard one
    is no news. Where all values are positive they are compared by their logarithms, because losses vary by
    factors.

    Args:
        factor: how far is a jump, in standard deviations.
        window: how many values to compare with.
        patience: how many values in a row must have jumped.

    Attributes:
        jumped: whether the last `patience` values had jumped, until one has not.

    >>> spikes = Spikes(6.0, window=50, patience=1)
    >>> [spikes.add(1.0 + 0.01 * (i % 5)) for i in range(40)].count(True), spikes.add(5.0), spikes.add(5.0)
    (0, True, False)
    """

    def __init__(self, factor: float, *, window: int = 100, patience: int = 1) -> None:
        self._factor, self._patience = factor, patience
        self._values: deque[float] = deque(maxlen=window)
        self._outside: list[float] = []
        self._limit, self._age = math.inf, RENEW
        self.jumped = False

    def add(self, value: float) -> bool:
        """Take the next value, which is finite; whether a jump begins to be one with it."""
        self._age += 1
        if not self.outlying(value):
            for held in (*self._outside, value):
                self._values.append(held)
            self._outside, self.jumped = [], False
            return False
        self._outside.append(value)
        if len(self._outside) > (self._values.maxlen or 0) // 2:  # this is how it is now
            self._values.extend(self._outside)
            self._outside, self._age = [], RENEW
        begins = not self.jumped and len(self._outside) >= self._patience
        self.jumped = self.jumped or begins
        return begins

    def outlying(self, value: float) -> bool:
        """Whether a value is a jump from those before it."""
        return value > self.limit()

    def limit(self) -> float:
        """Above which value a jump begins; infinity while too little is known."""
        if len(self._values) >= LEAST and self._age >= RENEW:
            self._age, self._limit = 0, self._computed()
        return self._limit

    def _computed(self) -> float:
        positive = min(self._values) > 0
        values = sorted(math.log(value) if positive else value for value in self._values)
        middle = statistics.median(values)
        spread = _SD * statistics.median(abs(value - middle) for value in values)
        usual = max(spread, (values[int(0.98 * len(values))] - middle) / 3)
        limit = middle + self._factor * max(usual, 0.01 if positive else 0.01 * abs(middle), 1e-12)
        return math.exp(min(limit, 700.0)) if positive else limit
