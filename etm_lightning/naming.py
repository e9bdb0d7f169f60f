"""Series, and the names by which people call them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

STAGES = ("train", "validate", "test", "predict", "")
AXES = ("step", "eval_batch", "seconds")


class SeriesKey(NamedTuple):
    """What tells one series of a run from another."""

    name: str
    stage: str
    axis: str
    rank: int


def preference(key: SeriesKey) -> tuple[int, int, str, str]:
    """Which of the series of one name comes first: by axis, then by stage, in the order of an experiment.

    >>> keys = [SeriesKey("loss", stage, "step", 0) for stage in ("test", "validate", "train")]
    >>> min(keys, key=preference).stage
    'train'
    """
    axis = AXES.index(key.axis) if key.axis in AXES else len(AXES)
    stage = STAGES.index(key.stage) if key.stage in STAGES else len(STAGES)
    return axis, stage, key.axis, key.stage


def labels(keys: Iterable[SeriesKey]) -> dict[str, SeriesKey]:
    """Series by the name people use.

    The first series of a name by `preference` has the plain name; the others are ``name (stage, axis)``.

    >>> keys = [SeriesKey("loss", "validate", "step", 0), SeriesKey("loss", "train", "step", 0)]
    >>> list(labels(keys))
    ['loss', 'loss (validate, step)']
    """
    named: dict[str, list[SeriesKey]] = {}
    for key in keys:
        named.setdefault(key.name, []).append(key)
    found: dict[str, SeriesKey] = {}
    for name, same in named.items():
        first, *others = sorted(same, key=preference)
        found[name] = first
        found.update({f"{name} ({key.stage}, {key.axis})": key for key in others})
    return found
