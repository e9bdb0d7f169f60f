"""What benchmarks/store.py gives to each tracker, value for value. Imports the standard library only."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

BASE = 1_760_000_000.0
PERIOD = 997
"""Rows of values to choose from: drawing 100 million numbers would take longer than all the rest."""


@dataclass(frozen=True)
class Extent:
    """How many runs, how many series each has, and how many points each of these."""

    runs: int
    series: int
    points: int


def names(series: int) -> list[str]:
    return ["val/f1", "val/loss", *(f"train/m{number:02}" for number in range(series - 2))]


@lru_cache(1)
def _rows(series: int) -> list[dict[str, float]]:
    dice = random.Random(0)
    return [{name: dice.random() for name in names(series)} for _ in range(PERIOD)]


def offset(number: int) -> int:
    """Where run `number` begins in the rows: what it has at `step`, run 0 has at `step` + this."""
    return number * 7 % PERIOD


def row(series: int, number: int, step: int) -> dict[str, float]:
    """The values of run `number` at a step."""
    return _rows(series)[(offset(number) + step) % PERIOD]


def params(number: int) -> dict[str, Any]:
    """The settings of run `number`."""
    dice = random.Random(number)
    return {
        "seed": number % 5,
        "lr": dice.choice([1e-5, 3e-5, 1e-4, 3e-4]),
        "batch_size": dice.choice([16, 32, 64]),
        "model": {
            "name": dice.choice(["bert", "roberta", "deberta"]),
            "dropout": dice.random(),
            "layers": 12,
        },
        "optimizer": {"name": dice.choice(["adamw", "lion"]), "weight_decay": dice.choice([0.0, 0.01])},
        "data": {"path": "data/bbc", "max_length": 128, "workers": 4},
        "trainer": {"max_epochs": 10, "precision": "bf16-mixed", "gradient_clip_val": 1.0},
    }


def dotted(settings: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """
    >>> dotted({"lr": 1, "model": {"name": "bert"}})
    {'lr': 1, 'model.name': 'bert'}
    """
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= dotted(value, f"{before}{name}.") if isinstance(value, dict) else {before + name: value}
    return flat


def created(number: int) -> float:
    return BASE + 60 * number
