"""Whether a core was all ours: a loop of fixed work, timed between what is measured.

On a shared machine the other half of a core belongs to someone else, who is at work in one second and not in
the next; all that we time takes up to twice as long then. The loop says which: what was measured between two
loops that both took about the least that any took in this run is quiet. The loop chooses, never the figure.
Imports the standard library only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

SLACK = 1.25
"""How much longer than the least a loop may take and count as quiet."""

Block = tuple[int, Sequence[float]]
"""The longer one of the loops around some figures, in ns, and the figures."""


def loop() -> int:
    """Nanoseconds that counting to 10,000 takes."""
    begin = time.perf_counter_ns()
    for _ in range(10_000):
        pass
    return time.perf_counter_ns() - begin


def figures(blocks: Iterable[Block], least: float) -> list[float]:
    """Those between quiet loops, where `least` is what the fastest loop of all took.

    >>> figures([(100, [3.5, 3.6]), (190, [6.1]), (110, [3.4])], 100)
    [3.5, 3.6, 3.4]
    """
    return [one for took, measured in blocks if took <= SLACK * least for one in measured]


def quantile(measured: Iterable[float], q: float) -> float:
    """
    >>> quantile([4.0, 1.0, 3.0, 2.0], 0.5)
    3.0
    """
    ordered = sorted(measured)
    return ordered[int(len(ordered) * q)]
