"""Questions that come at once get the answers that they get one by one."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from etm_lightning.packing import pack
from etm_lightning.store.store import Store
from etm_lightning.web import comparing, curves, detail, rows
from etm_lightning.web.stores import Stores
from tests.store.building import Training

RUNS = 3
NAMES = [f"train/metric_{n}" for n in range(8)]


@pytest.fixture(scope="module", params=["lines", "columns"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("at-once") / "etm_runs"
    for number in range(RUNS):
        dice = random.Random(number)
        training = Training(place, f"20231114-221320-run-000{number}").start()
        for step in range(1500):
            training.log(step, {name: dice.random() for name in NAMES}, epoch=step // 300)
        training.end()
        if request.param == "columns":
            for lines in training.folder.journal.glob("*.jsonl"):
                assert pack(lines)
    return place


@pytest.fixture
def _impatient() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def questions(keys: list[str]) -> dict[str, Callable[[Stores], Any]]:
    found: dict[str, Callable[[Stores], Any]] = {"comparison": partial(comparing.compare, keys=keys)}
    axes: list[Any] = ["step", "relative", {"metric": NAMES[0]}]
    for name, x in product(NAMES, axes):
        wanted = [curves.Wanted(run=key, name=name) for key in keys]
        asked = curves.Question(series=wanted, x=x, points=100)
        found[f"{name} along {x}"] = partial(curves.answer, question=asked)
    for name in NAMES:
        found[f"sparks of {name}"] = partial(rows.sparks, metric=name, keys=keys, points=20)
    for key in keys:
        found[f"metrics of {key}"] = partial(metrics, key=key)
    return found


def metrics(stores: Stores, key: str) -> Any:
    return detail.series(stores.run(key).run)


@pytest.mark.usefixtures("_impatient")
def test_questions_that_come_at_once_get_what_they_get_one_by_one(store: Path) -> None:
    alone = Stores([Store(store)])
    asked = questions(sorted(alone.keys()))
    truth = {name: ask(alone) for name, ask in asked.items()}
    dice = random.Random(1)
    for _ in range(4):
        order = list(asked) * 2
        dice.shuffle(order)
        stores = Stores([Store(store)])
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda name: asked[name](stores), order))  # noqa: B023
        wrong = [name for name, told in zip(order, answers, strict=True) if told != truth[name]]
        assert wrong == []
