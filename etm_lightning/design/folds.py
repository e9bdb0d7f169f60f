"""Cross-validation: which fold each row belongs to. For any data module; needs no library."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Hashable, Sequence


def folds_of(
    labels: Sequence[Hashable],
    folds: int,
    seed: int = 0,
    groups: Sequence[Hashable] | None = None,
) -> list[int]:
    """Give each row a fold, so that labels have their shares in all of them.

    Args:
        labels: of the rows; all equal for folds that are plain.
        folds: how many, in [2, number of groups].
        seed: same seed and rows: same folds.
        groups: rows of one group, such as an author, are in one fold; None makes each row its own.

    Returns:
        The fold of each row, in [0, folds).

    Raises:
        ValueError: if there are fewer rows or groups than folds.

    Source: without groups, rows of each label are dealt out in turn (M. Stone, Cross-validatory choice,
    1974, stratified as R. Kohavi, A study of cross-validation, 1995). Groups go, those with the most uneven
    labels first, where the labels' shares stay most alike (scikit-learn's StratifiedGroupKFold does so).

    >>> sorted(zip(folds_of(list("aaaabb"), 2), "aaaabb"))
    [(0, 'a'), (0, 'a'), (0, 'b'), (1, 'a'), (1, 'a'), (1, 'b')]
    """
    known = list(range(len(labels))) if groups is None else list(groups)
    if len(known) != len(labels):
        raise ValueError(f"`groups` must be one for each of {len(labels)} labels but are {len(known)}")
    if not 2 <= folds <= len(set(known)):
        what = "rows" if groups is None else "groups"
        raise ValueError(
            f"`folds` must be at least 2 and at most {len(set(known))}, the {what}, but got {folds}"
        )
    members: dict[Hashable, list[int]] = {}
    for row, group in enumerate(known):
        members.setdefault(group, []).append(row)
    alone = all(len(rows) == 1 for rows in members.values())
    found = _dealt(labels, folds, seed) if alone else _balanced(labels, folds, seed, list(members.values()))
    return [found[row] for row in range(len(labels))]


def _dealt(labels: Sequence[Hashable], folds: int, seed: int) -> dict[int, int]:
    """Label after label is dealt out, going on where the last one ended: folds differ by a row at most."""
    chance = random.Random(seed)
    strata: dict[Hashable, list[int]] = {}
    for row, label in enumerate(labels):
        strata.setdefault(label, []).append(row)
    order: list[int] = []
    for label in sorted(strata, key=repr):
        rows = strata[label]
        chance.shuffle(rows)
        order += rows
    return {row: place % folds for place, row in enumerate(order)}


def _balanced(
    labels: Sequence[Hashable], folds: int, seed: int, groups: Sequence[Sequence[int]]
) -> dict[int, int]:
    total = Counter(labels)
    counts = [Counter(labels[row] for row in rows) for rows in groups]
    order = list(range(len(groups)))
    random.Random(seed).shuffle(order)
    order.sort(key=lambda one: -_uneven([counts[one][label] for label in total]))
    held: list[Counter[Hashable]] = [Counter() for _ in range(folds)]
    sizes = [0] * folds
    spread = {label: [0.0] * folds for label in total}
    found: dict[int, int] = {}
    for one in order:
        fold = min(range(folds), key=lambda fold: (_cost(spread, counts[one], total, fold), sizes[fold]))
        held[fold].update(counts[one])
        sizes[fold] += len(groups[one])
        for label in counts[one]:
            spread[label][fold] = held[fold][label] / total[label]
        found |= dict.fromkeys(groups[one], fold)
    return found


def _cost(
    spread: dict[Hashable, list[float]], group: Counter[Hashable], total: Counter[Hashable], fold: int
) -> float:
    """How unevenly labels would lie if a group came to a fold, less what it does not change."""
    cost = 0.0
    for label, count in group.items():
        shares = spread[label]
        with_it = [share + count / total[label] * (place == fold) for place, share in enumerate(shares)]
        cost += _uneven(with_it) - _uneven(shares)
    return cost


def _uneven(numbers: Sequence[float]) -> float:
    """The standard deviation."""
    mean = sum(numbers) / len(numbers)
    return float((sum((number - mean) ** 2 for number in numbers) / len(numbers)) ** 0.5)
