"""Runs for the tests of charts, comparison and study."""

from __future__ import annotations

import math
import random
from pathlib import Path

from tests.store.building import BASE, Training

STEPS = 200
SPIKE = 6_003
HOSTILE = '<img src=x onerror="window.hurt=1">'


def seeds(store: Path) -> None:
    """Two learning rates with three seeds each: a band, a NaN, a second attempt, a hostile name."""
    for number, (rate, seed) in enumerate((rate, seed) for rate in (0.1, 0.01) for seed in (1, 2, 3)):
        noise = random.Random(number)
        name = HOSTILE if number == 5 else f"lr={rate} seed={seed}"
        run = Training(
            store, f"20231114-2213{number:02d}-seeds-{number:04d}", "seeds", name=name, group="seeds"
        )
        run.start().params(lr=rate, seed=seed, model="bert")
        for step in range(1, STEPS + 1):
            loss = math.exp(-step * (0.5 + rate) / 50) + noise.gauss(0, 0.01)
            values = {
                "train/loss": math.nan if number == 1 and step == 50 else loss,
                "train/grad": 1.0 + step,
            }
            run.log(step, values, epoch=step // 100)
            if step == 100 and number == 0:
                run.checkpoint("here", 100)
                run.journal.close()
                run.start(parent=1, checkpoint="here")
            if step % 50 == 0:
                run.log(step, {"val/f1": 1 - loss, "val/loss": loss}, "validate", epoch=step // 100)
        run.log(STEPS, {"test/f1": 0.9 + rate + seed / 1000}, "test")
        run.checkpoint("last", STEPS, monitor="val/f1", mode="max", score=1 - loss, best=True).end()


def long(store: Path) -> None:
    """One curve of 12,000 points with a spike of a single one."""
    run = Training(store, "20231114-230000-long-0001", "long", name="long").start()
    for step in range(1, 12_001):
        run.log(step, {"train/loss": 50.0 if step == SPIKE else step % 7 / 100})
    run.end()


def trials(store: Path) -> None:
    """Twelve trials of a search by hand; the best has the largest f1."""
    for number in range(12):
        rate, model = 10 ** (-4 + number / 4), ("bert", "minilm")[number % 2]
        score = 0.9 - abs(number - 7) / 50
        run = Training(
            store, f"20231114-2300{number:02d}-t{number}-{number:04d}", "search", name=f"trial {number}",
            group="tuning", created=BASE + number,
        )  # fmt: skip
        run.start().params(lr=rate, model=model, seed=1)
        latency = 10.0 + (5 if model == "bert" else 0) - number / 10
        for epoch in range(3):
            values = {"val/f1": score - (2 - epoch) / 10, "latency": latency}
            run.log(10 * (epoch + 1) - 1, values, "validate", epoch=epoch)
        run.checkpoint("c", 29, monitor="val/f1", mode="max", score=score, best=True)
        run.end("pruned" if number == 3 else "finished")
