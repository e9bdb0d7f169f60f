"""Runs of one experiment that differ by chance only."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from etm_lightning.params import experiment_fingerprint, flatten, incidental
from etm_lightning.store.run import StoredRun

_CHANCE = frozenset({"seed", "seeds", "fold", "folds"})


@dataclass(frozen=True)
class Replicates:
    """Runs whose settings are equal but for what `etm_lightning.params.incidental` names.

    `runs` are all of them; `counted` has one for each seed and fold, the newest that finished or was pruned.
    `flags` tells what else differs between the counted ones: ``different code``, ``different data``.
    """

    fingerprint: str
    runs: tuple[StoredRun, ...]
    counted: tuple[StoredRun, ...]
    flags: tuple[str, ...]


def replicates(runs: Iterable[StoredRun]) -> list[Replicates]:
    """Runs put together by their settings, in the order of their first; a run without settings is alone."""
    together: dict[str, list[StoredRun]] = {}
    for run in runs:
        together.setdefault(experiment_fingerprint(run.params) or f"run {run.id}", []).append(run)
    return [_replicates(key, same) for key, same in together.items()]


def _replicates(key: str, same: list[StoredRun]) -> Replicates:
    counted: dict[Hashable, StoredRun] = {}
    # finished ones first, then the newest: the first of a seed is the one that counts
    for run in sorted(same, key=lambda run: (run.status == "finished", run.created, run.id), reverse=True):
        if run.status in ("finished", "pruned"):
            counted.setdefault(chance(run), run)
    counting = set(counted.values())
    chosen = tuple(run for run in same if run in counting)
    return Replicates(key, tuple(same), chosen, _flags(chosen))


def chance(run: StoredRun) -> Hashable:
    """What chance a run had: its seeds and folds. One without a seed is like no other, so it has its id."""
    found = {
        name: value
        for name, value in flatten(run.params).items()
        if name.rpartition(".")[2] in _CHANCE and incidental(name) and value is not None
    }
    return canonical(found) if found else run.id


def canonical(value: Any) -> bytes:
    """Equal bytes for equal plain data.

    >>> canonical({"a": 1, "b": 2}) == canonical({"b": 2, "a": 1})
    True
    """
    return msgspec.json.encode(value, order="deterministic")


def _flags(runs: tuple[StoredRun, ...]) -> tuple[str, ...]:
    versions = {
        "different code": [run.code for run in runs if run.code],
        "different data": [run.data for run in runs if run.data],
    }
    return tuple(
        flag for flag, known in versions.items() if len({canonical(version) for version in known}) > 1
    )
