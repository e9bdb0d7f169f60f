"""Replicates and leaderboards, their statistics against numpy."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etm_lightning.evaluate.leaderboard import Leaderboard, leaderboard
from etm_lightning.evaluate.objective import Objective, objective
from etm_lightning.evaluate.replicates import replicates
from etm_lightning.evaluate.summaries import band, spread, summarize
from etm_lightning.store.store import Store
from tests.store.building import BASE, Training, finished

Infos = list[tuple[str, dict[str, Any]]]


def board(store: Path, **wanted: Any) -> Leaderboard:
    return leaderboard(Store(store).runs(), **wanted)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("seed", range(4))
def test_rows_are_means_and_sample_deviations_over_seeds(tmp_path: Path, seed: int, mode: str) -> None:
    dice = random.Random(seed)
    scores: dict[float, list[float]] = {}
    for number in range(24):
        lr = dice.choice([1e-5, 3e-5, 1e-4, 1e-3])
        scores.setdefault(lr, []).append(dice.random())
        params = {"seed": number, "model": {"lr": lr}, "trainer": {"devices": number, "max_epochs": 3}}
        finished(tmp_path, f"r{number}", scores[lr][-1], params=params, mode=mode, created=BASE + number)
    found = board(tmp_path)
    order = sorted(scores, key=lambda lr: float(np.mean(scores[lr])), reverse=mode == "max")
    assert found.varying == ("model.lr",)
    assert found.objective == Objective("val/f1", mode)  # type: ignore[arg-type]
    assert [row.params["model.lr"] for row in found.rows] == order
    for place, (lr, row) in enumerate(zip(order, found.rows, strict=True), 1):
        values = scores[lr]
        assert (row.place, row.score.n, len(row.runs)) == (place, len(values), len(values))
        assert row.score.mean == pytest.approx(np.mean(values), rel=1e-14)
        assert row.score.sd == (pytest.approx(np.std(values, ddof=1), rel=1e-12) if len(values) > 1 else None)
        assert row.best.headline["val/f1"] == (max(values) if mode == "max" else min(values))
        assert row.metrics["train/loss"] == pytest.approx(1 - np.mean(values))
    assert found.winner is found.rows[0]


@pytest.mark.parametrize("seed", range(20))
def test_spread_equals_numpy(seed: int) -> None:
    dice = random.Random(seed)
    values = [1e9 + dice.gauss(0, 1) for _ in range(dice.randrange(2, 50))]
    found = spread(values)
    assert found.mean == pytest.approx(float(np.mean(values)), rel=1e-15)
    assert found.sd == pytest.approx(float(np.std(values, ddof=1)), rel=1e-6)
    with pytest.raises(ValueError, match="`values`"):
        spread([])


def test_runs_without_params_are_never_replicates(tmp_path: Path) -> None:
    for id, params in (("a", None), ("b", None), ("c", {}), ("d", {"lr": 1}), ("e", {"lr": 1})):
        finished(tmp_path, id, 0.5, params=params)
    assert [len(found.runs) for found in replicates(Store(tmp_path).runs())] == [2, 1, 1, 1]


def test_equal_seeds_count_once_and_the_newest_that_finished(tmp_path: Path) -> None:
    params = {"lr": 1, "seed": 7}
    finished(tmp_path, "old", 0.1, params=params, created=BASE)
    finished(tmp_path, "new", 0.2, params=params, created=BASE + 1)
    finished(tmp_path, "broken", 0.9, params=params, created=BASE + 2, status="failed")
    finished(tmp_path, "cut", 0.9, params=params, created=BASE + 3, status="pruned")
    finished(tmp_path, "other", 0.4, params={"lr": 1, "seed": 8}, created=BASE + 4)
    (found,) = replicates(Store(tmp_path).runs())
    assert [run.id for run in found.counted] == ["other", "new"]
    ranked = board(tmp_path)
    (row,) = ranked.rows
    assert row.score.n == 2
    assert row.score.mean == pytest.approx(0.3)
    assert {run.id: why for run, why in ranked.unranked} == {
        "broken": "failed",
        "old": "another run of its seed counts",
        "cut": "another run of its seed counts",
    }


def test_runs_without_a_seed_are_each_their_own(tmp_path: Path) -> None:
    for number in range(3):
        finished(tmp_path, f"r{number}", 0.5, params={"lr": 1, "seed": None})
    assert board(tmp_path).rows[0].score.n == 3


def test_other_code_and_other_data_are_flagged(tmp_path: Path) -> None:
    for number, digest in enumerate(("aa", "aa", "bb")):
        params = {"lr": 1, "seed": number}
        infos: Infos = [
            ("start", {"git": {"commit": "c", "branch": f"b{number}"}}),
            ("data", {"content_sha256": digest}),
        ]
        finished(tmp_path, f"r{number}", 0.5, params=params, infos=infos)
    assert board(tmp_path).rows[0].flags == ("different data",)
    other: Infos = [("start", {"git": {"commit": "d"}})]
    finished(tmp_path, "r3", 0.5, params={"lr": 1, "seed": 3}, infos=other)
    assert board(tmp_path).rows[0].flags == ("different code", "different data")


def test_only_finished_runs_win_and_pruned_ones_follow(tmp_path: Path) -> None:
    finished(tmp_path, "pruned", 0.99, params={"lr": 1}, status="pruned")
    finished(tmp_path, "good", 0.5, params={"lr": 2})
    finished(tmp_path, "failed", 0.99, params={"lr": 3}, status="failed")
    Training(tmp_path, "running").start().params(lr=4)
    found = board(tmp_path)
    assert [(row.best.id, row.status) for row in found.rows] == [("good", "finished"), ("pruned", "pruned")]
    assert found.winner is not None
    assert found.winner.best.id == "good"
    assert {run.id: why for run, why in found.unranked} == {"failed": "failed", "running": "running"}


def test_pruned_runs_alone_have_no_winner(tmp_path: Path) -> None:
    finished(tmp_path, "pruned", 0.99, params={"lr": 1}, status="pruned")
    assert board(tmp_path).winner is None


def test_a_separate_test_is_attached_and_never_ranked(tmp_path: Path) -> None:
    finished(tmp_path, "a", 0.5, params={"lr": 1})
    finished(tmp_path, "b", 0.4, params={"lr": 2})
    Training(tmp_path, "t", evaluates="a").start().log(1, {"test/f1": 0.45, "val/f1": 1.0}, "test").end()
    found = board(tmp_path)
    assert [row.best.id for row in found.rows] == ["a", "b"]
    assert found.rows[0].tests == {"test/f1": 0.45, "val/f1": 1.0}
    assert [run.id for run in found.rows[0].evaluations] == ["t"]
    assert found.rows[1].tests == {}
    assert found.unranked == ()


def test_test_values_never_rank(tmp_path: Path) -> None:
    Training(tmp_path, "a").start().params(lr=1).log(1, {"test/f1": 0.5}, "test").end()
    assert board(tmp_path).rows == ()
    assert board(tmp_path).unranked[0][1] == "no best checkpoint"
    with pytest.raises(ValueError, match="`metric` must be measured in validation but 'test/f1'"):
        board(tmp_path, metric="test/f1")
    with pytest.raises(ValueError, match="`mode`"):
        board(tmp_path, mode="up")


def test_a_metric_can_be_asked_for(tmp_path: Path) -> None:
    finished(tmp_path, "a", 0.5, params={"lr": 1})
    finished(tmp_path, "b", 0.4, params={"lr": 2})
    assert [row.best.id for row in board(tmp_path, metric="train/loss").rows] == ["a", "b"]
    assert [row.best.id for row in board(tmp_path, metric="train/loss", mode="max").rows] == ["b", "a"]
    assert [row.best.id for row in board(tmp_path, metric="val/f1").rows] == ["a", "b"]
    assert [why for _, why in board(tmp_path, metric="x").unranked] == ["no value of x"] * 2


def test_the_score_is_of_the_best_checkpoint_and_not_the_last_epoch(tmp_path: Path) -> None:
    training = Training(tmp_path, "a").start().params(lr=1).log(1, {"val/f1": 0.8}, "validate")
    training.checkpoint("x", 1, monitor="val/f1", mode="max", score=0.8, best=True)
    training.log(2, {"val/f1": 0.2}, "validate").checkpoint("y", 2, monitor="val/f1", mode="max", score=0.2)
    training.end()
    assert board(tmp_path).rows[0].score.mean == 0.8


def test_what_most_runs_watched_is_the_objective(tmp_path: Path) -> None:
    for number in range(3):
        finished(tmp_path, f"r{number}", 0.5, params={"lr": number})
    training = Training(tmp_path, "other").start().params(lr=9).log(1, {"val/f1": 0.7}, "validate")
    training.checkpoint("o", monitor="val/loss", mode="min", score=0.1, best=True).end()
    assert objective(Store(tmp_path).runs()) == Objective("val/f1", "max")
    assert board(tmp_path).rows[0].best.id == "other"
    assert objective([]) is None


def test_summaries_leave_out_what_is_no_number(tmp_path: Path) -> None:
    for number, values in enumerate(([1.0, float("nan"), 4.0], [3.0, 2.0, float("inf")])):
        training = Training(tmp_path, f"r{number}").start()
        for step, value in enumerate(values):
            training.log(step, {"a": value})
    runs = Store(tmp_path).runs()
    found = summarize(Store(tmp_path).run("r0").series("a"))
    assert found is not None
    assert (found.count, found.nonfinite, found.first.value, found.latest.value) == (3, 1, 1.0, 4.0)
    assert found.spread == spread([1.0, 4.0])
    assert summarize([]) is None
    bands = band(runs, "a")
    assert [(one.step, one.spread.n, one.min, one.max) for one in bands] == [
        (0, 2, 1.0, 3.0),
        (1, 1, 2.0, 2.0),
        (2, 1, 4.0, 4.0),
    ]
    assert bands[0].spread.sd == pytest.approx(np.std([1.0, 3.0], ddof=1))
