"""Series and what they come to, against an independent reading of the same files."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from etm_lightning.naming import SeriesKey
from etm_lightning.store.series import Point, Series
from etm_lightning.store.store import Store
from tests.store.building import Training

SPECIAL = (math.nan, math.inf, -math.inf, 0.1 + 0.2, 5e-324, -0.0, 1e308)


def naive(journal: Path) -> dict[tuple[str, str, str, int], list[tuple[Any, ...]]]:
    """All points of a run of one attempt, with `json` alone."""
    found: dict[tuple[str, str, str, int], list[tuple[Any, ...]]] = {}
    for path in sorted(journal.glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            if line["k"] == "scalars":
                values = {**line.get("v", {}), **{k: float(x) for k, x in line.get("x", {}).items()}}
                for name, value in values.items():
                    key = name, line.get("g", ""), line.get("a", "step"), lines[0]["rank"]
                    point = line["s"], line.get("e"), line["t"], value
                    found.setdefault(key, []).append(point)
    return found


def same(left: list[Point], right: list[tuple[Any, ...]]) -> bool:
    return [repr((p.step, p.epoch, p.time, p.value)) for p in left] == [repr(tuple(p)) for p in right]


@pytest.mark.parametrize("seed", range(8))
def test_series_equal_a_naive_reading_of_random_histories(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    training = Training(tmp_path).start()
    others = [training.open(rank=1), training.journal]
    for step in range(200):
        values = {
            f"m{dice.randrange(6)}": dice.choice([dice.gauss(0, 1), *SPECIAL])
            for _ in range(dice.randrange(4))
        }
        training.journal = dice.choice(others)
        training.log(
            step,
            values,
            dice.choice(["train", "validate", "test", "predict", ""]),
            axis=dice.choice(["step", "eval_batch"]),
            epoch=dice.choice([None, step // 50]),
        )
    training.journal = others[1]
    training.end()
    run = Store(tmp_path).run("latest")
    expected = naive(run.folder.journal)
    assert {series.key for series in run.all_series(rank=None)} == set(expected)
    for (name, stage, axis, rank), points in expected.items():
        assert same(run.series(name, stage=stage, axis=axis, rank=rank), points)
    for label, metric in run.metrics.items():
        points = expected[metric.name, metric.stage, metric.axis, 0]
        numbers = np.array([point[3] for point in points])
        assert metric.count == len(points)
        assert metric.nonfinite == int((~np.isfinite(numbers)).sum())
        assert same([metric.latest], points[-1:])
        assert same(run.series(label), points)
        real = np.flatnonzero(~np.isnan(numbers))
        if not len(real):
            assert metric.min is metric.max is None
        else:
            assert metric.min == metric.best("min") == Point(*points[int(real[numbers[real].argmin()])])
            assert metric.max == metric.best("max") == Point(*points[int(real[numbers[real].argmax()])])
    assert len(run.metrics) == sum(key[3] == 0 for key in expected)


def test_a_name_in_several_stages_is_several_metrics(tmp_path: Path) -> None:
    Training(tmp_path).start().log(1, {"loss": 3.0}, "test").log(2, {"loss": 2.0}, "validate").log(
        3, {"loss": 1.0}, "train"
    ).log(4, {"loss": 0.0}, "train", axis="eval_batch").end()
    run = Store(tmp_path).run("latest")
    assert list(run.metrics) == [
        "loss",
        "loss (validate, step)",
        "loss (test, step)",
        "loss (train, eval_batch)",
    ]
    assert [p.value for p in run.series("loss")] == [1.0]
    assert [p.value for p in run.series("loss", stage="validate")] == [2.0]
    assert [p.value for p in run.series("loss (test, step)")] == [3.0]
    assert [p.value for p in run.series("loss", axis="eval_batch")] == [0.0]
    assert run.series("loss", stage="predict") == run.series("nothing") == []


def test_a_frame_has_every_point_and_keeps_its_types(tmp_path: Path) -> None:
    training = Training(tmp_path).start()
    training.log(1, {"a": math.nan, "b": 0.1 + 0.2}, epoch=0).log(2**40, {"a": -math.inf})
    training.journal = training.open(rank=1)
    training.log(3, {"a": 7.0})
    run = Store(tmp_path).run("latest")
    frame = run.frame().sort_values("name", kind="stable", ignore_index=True)
    assert list(frame.columns) == ["name", "stage", "axis", "rank", "step", "epoch", "time", "value"]
    assert frame["name"].tolist() == ["a", "a", "b"]
    assert frame["step"].tolist() == [1, 2**40, 1]
    assert frame["epoch"].isna().tolist() == [False, True, False]
    assert math.isnan(frame["value"][0])
    assert frame["value"].tolist()[1:] == [-math.inf, 0.1 + 0.2]
    assert run.frame(rank=None)["rank"].tolist() == [0, 0, 0, 1]
    assert str(frame["epoch"].dtype) == "Int64"


def test_a_run_without_points_has_an_empty_frame(tmp_path: Path) -> None:
    Training(tmp_path).start()
    assert Store(tmp_path).run("latest").frame().shape == (0, 8)


def test_twenty_thousand_names(tmp_path: Path) -> None:
    names = {f"layer.{i}/wéight": float(i) for i in range(20_000)}
    Training(tmp_path).start().log(1, names).end()
    run = Store(tmp_path).run("latest")
    assert {name: metric.latest.value for name, metric in run.metrics.items()} == names
    assert run.headline == names


def test_a_step_beyond_64_bits_is_reported_and_costs_nothing_else(tmp_path: Path) -> None:
    Training(tmp_path).start().log(2**63 - 1, {"a": 1.0}).log(2, {"a": 2.0}).end()
    run = Store(tmp_path).run("latest")
    assert [point.step for point in run.series("a")] == [2]
    assert "64 bits" in run.damage[0].reason


def test_best_wants_a_direction(tmp_path: Path) -> None:
    Training(tmp_path).start().log(1, {"a": 1.0}).end()
    with pytest.raises(ValueError, match="`mode` must be 'min' or 'max' but got 'maximum'"):
        Store(tmp_path).run("latest").metrics["a"].best("maximum")


class Measured:
    """Three points whose values come when they may."""

    def __init__(self, reads: Any = lambda: None) -> None:
        self.reads = reads
        self.orders = np.arange(3)
        self.counts = np.ones(3, bool)

    def steps(self) -> Any:
        return np.arange(3)

    epochs = steps

    def times(self) -> Any:
        return np.arange(3.0)

    def values(self, i: int) -> Any:
        self.reads()
        return np.array([1.0, 2.0, 3.0])


def test_threads_that_ask_for_a_series_at_once_all_get_the_whole_of_it() -> None:
    series, begun, go = Series(SeriesKey("loss", "train", "step", 0)), Event(), Event()

    def reads() -> None:
        begun.set()
        assert go.wait(60)

    series.extend(Measured(reads), 0)  # type: ignore[arg-type]
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(series.columns)
        assert begun.wait(60)
        others: list[Future[Any]] = [
            threads.submit(lambda: series.first_within(range(1, 3))),
            threads.submit(lambda: len(series.points())),
            threads.submit(lambda: len(series)),
        ]
        try:
            assert not any(other.done() and other.exception() for other in others)
        finally:
            go.set()
        assert list(first.result()["value"]) == [1, 2, 3]
        assert [other.result() for other in others] == [1, 3, 3]


def test_a_series_whose_file_cannot_be_read_now_is_whole_once_it_can() -> None:
    series, fail = Series(SeriesKey("loss", "train", "step", 0)), [OSError("gone")]

    def reads() -> None:
        if fail:
            raise fail.pop()

    series.extend(Measured(reads), 0)  # type: ignore[arg-type]
    with pytest.raises(OSError, match="gone"):
        series.columns()
    assert [point.value for point in series.points()] == [1, 2, 3]


def test_a_view_loads_nothing_that_takes_longer_than_itself(tmp_path: Path) -> None:
    training = Training(tmp_path).start()
    for step in range(3000):
        training.log(step, {"loss": 1 / (step + 1)})
    training.end()
    asked = "import sys; from etm_lightning.store.store import Store; run = Store(sys.argv[1]).runs()[0]"
    asked += "; print(len(run.zoom('loss', points=100).y), 'numpy.ma' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked, str(tmp_path)], capture_output=True, check=True)
    assert done.stdout.split() == [b"98", b"False"]
