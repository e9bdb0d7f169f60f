"""Whether the winner of a search was lucky: what it comes to on fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from etm_lightning.evaluate.summaries import Spread, spread
from etm_lightning.optimize.history import Replicate, Trial

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Confirmation:
    """How a trial did on fresh seeds.

    Attributes:
        spread: over one value for each seed, which is the mean over its folds.
        margin: half of the width of the 95 % interval of the mean; None for a single seed.
        failed: how many of the runs came to no value.
    """

    spread: Spread
    margin: float | None
    failed: int

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Its ends; None for a single seed."""
        if self.margin is None:
            return None, None
        return self.spread.mean - self.margin, self.spread.mean + self.margin

    def __str__(self) -> str:
        n = f"{self.spread} (n={self.spread.n})"
        low, high = self.interval
        if low is None:
            return n
        return f"{n}, 95 % interval {low:.4g} to {high:.4g}"


def confirmation(trial: Trial) -> Confirmation | None:
    """How a trial did on fresh seeds; None if no run of it came to a value.

    The interval is Student's: mean ± t · sd / √n (W. S. Gosset, The Probable Error of a Mean, 1908). It holds
    for this trial, not for the best of many: that is why seeds of the search do not count.
    """
    known = [one for one in trial.fresh if one.state == "finished" and one.value is not None]
    if not known:
        return None
    found = spread(by_seed(known).values())
    return Confirmation(found, margin(found), len(trial.fresh) - len(known))


def by_seed(runs: Sequence[Replicate]) -> dict[str, float]:
    """The value of each seed: the mean over its folds."""
    values: dict[str, list[float]] = {}
    for one in runs:
        if one.value is not None:
            values.setdefault(one.name.partition(",")[0], []).append(one.value)
    return {seed: spread(some).mean for seed, some in values.items()}


def margin(found: Spread, confidence: float = CONFIDENCE) -> float | None:
    """Half of the width of the interval of a mean; None for a single value.

    >>> round(margin(Spread(5, 0.0, 1.0)), 3)
    1.242
    """
    if found.sd is None:
        return None
    from scipy.stats import t

    return float(t.ppf(0.5 + confidence / 2, found.n - 1)) * found.sd / math.sqrt(found.n)
