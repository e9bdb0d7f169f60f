"""What may differ between the runs of one trial: the seed, and the fold of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Chance:
    """A seed and a fold.

    Attributes:
        seed: None leaves the config's.
        fold: from 0; None for the data's own validation rows.
        folds: how many folds there are; 0 for none.
    """

    seed: int | None = None
    fold: int | None = None
    folds: int = 0

    @property
    def name(self) -> str:
        """As people read it, and as a part of a file's name; "" if nothing is set.

        >>> Chance(seed=2, fold=0, folds=5).name
        'seed=2,fold=0'
        """
        said = (("seed", self.seed), ("fold", self.fold))
        return ",".join(f"{name}={value}" for name, value in said if value is not None)

    def overrides(self) -> list[str]:
        """What sets it in a config that has the keys `seed`, `fold` and `folds`.

        >>> Chance(seed=2, fold=0, folds=5).overrides()
        ['seed=2', 'fold=0', 'folds=5']
        """
        seed = [] if self.seed is None else [f"seed={self.seed}"]
        return seed + ([] if self.fold is None else [f"fold={self.fold}", f"folds={self.folds}"])


def chances(seeds: Sequence[int], folds: int) -> tuple[Chance, ...]:
    """Every fold with every seed, the fold varying fastest; without any of them the one that sets nothing.

    >>> [one.name for one in chances([1, 2], 2)]
    ['seed=1,fold=0', 'seed=1,fold=1', 'seed=2,fold=0', 'seed=2,fold=1']
    >>> chances([], 0)
    (Chance(seed=None, fold=None, folds=0),)
    """
    some: list[int | None] = [*seeds] or [None]
    places: list[int | None] = [*range(folds)] or [None]
    return tuple(Chance(seed, fold, folds) for seed in some for fold in places)


def fresh_seeds(count: int, used: Sequence[int]) -> list[int]:
    """Seeds that no run of a search had: those after the greatest of `used`.

    >>> fresh_seeds(2, [1, 5, 3])
    [6, 7]
    """
    first = max(used, default=0) + 1
    return list(range(first, first + count))
