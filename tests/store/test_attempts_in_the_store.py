"""Chains of attempts as the store shows them, against a model of the surviving records in memory."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from etm_lightning.attempts import facts
from etm_lightning.records import Scalars
from etm_lightning.store.store import Store
from tests.store.building import Training


@pytest.mark.parametrize("seed", range(12))
def test_random_chains_show_what_survives(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    training = Training(tmp_path)
    survived: list[tuple[int, float]] = []
    everything: list[float] = []
    marks: dict[str, tuple[int, list[tuple[int, float]], list[str]]] = {}  # id -> attempt, points, ids
    ids: list[str] = []
    training.start()
    for attempt in range(1, 5):
        for step in range(dice.randrange(1, 12)):
            value = dice.gauss(0, 1)
            training.log(step, {"loss": value})
            survived.append((step, value))
            everything.append(value)
            if dice.random() < 0.3:
                id = f"{attempt}-{step}"
                training.checkpoint(id, step)
                ids = [*ids, id]
                marks[id] = attempt, list(survived), list(ids)
        alive = [id for id in marks if id in ids]
        if attempt < 4 and alive:
            chosen = dice.choice(alive)
            parent, survived, ids = marks[chosen][0], list(marks[chosen][1]), list(marks[chosen][2])
            training.start(parent=parent, checkpoint=chosen)
        else:
            break
    run = Store(tmp_path).run("latest")
    assert [(point.step, point.value) for point in run.series("loss")] == survived
    assert [point.value for point in run.series("loss", superseded=True)] == everything
    assert [checkpoint.id for checkpoint in run.checkpoints] == ids
    assert run.attempts == training.attempt
    if survived:
        assert run.metrics["loss"].max is not None
        assert run.metrics["loss"].max.value == max(value for _, value in survived)


def chained(store: Path) -> Training:
    training = Training(store).start().params(lr=1, model={"width": 1, "depth": 2})
    training.log(1, {"val/f1": 0.5}, "validate").checkpoint("a", 1)
    training.checkpoint("a", 1, monitor="val/f1", mode="max", score=0.5, best=True, path="checkpoints/a.ckpt")
    training.log(2, {"val/f1": 0.99, "ghost": 1.0}, "validate")
    training.checkpoint("b", 2, monitor="val/f1", mode="max", score=0.99, best=True)
    training.start(parent=1, checkpoint="a").params(model={"width": 3})
    training.log(2, {"val/f1": 0.6}, "validate").checkpoint("c", 2)
    training.checkpoint("c", 2, monitor="val/f1", mode="max", score=0.6, best=True)
    training.log(3, {"val/f1": 0.98}, "validate").checkpoint("d", 3, score=0.98, best=True)
    return training.start(parent=2, checkpoint="c")


def test_a_superseded_best_value_never_shows_as_best(tmp_path: Path) -> None:
    training = chained(tmp_path)
    training.log(3, {"val/f1": 0.4}, "validate").end()
    run = Store(tmp_path).run("latest")
    assert run.best_checkpoint is not None
    assert (run.best_checkpoint.id, run.best_checkpoint.score, run.best_checkpoint.attempt) == ("c", 0.6, 2)
    assert run.metrics["val/f1"].max is not None
    assert run.metrics["val/f1"].max.value == 0.6
    assert run.headline == {"val/f1": 0.6}
    assert [point.value for point in run.series("val/f1")] == [0.5, 0.6, 0.4]
    assert max(point.value for point in run.series("val/f1", superseded=True)) == 0.99
    assert "ghost" not in run.metrics
    assert run.series("ghost") == []
    assert len(run.series("ghost", superseded=True)) == 1
    assert run.params == {"lr": 1, "model": {"width": 3, "depth": 2}}
    assert run.status == "finished"


def test_what_was_noted_on_a_checkpoint_behind_the_cut_describes_it_still(tmp_path: Path) -> None:
    training = Training(tmp_path).start().log(1, {"val/f1": 0.5}, "validate").checkpoint("a", 1)
    training.checkpoint("a", 1, monitor="val/f1", mode="max", score=0.5, best=True, path="a.ckpt")
    training.start(parent=1, checkpoint="a")
    run = Store(tmp_path).run("latest")
    assert run.best_checkpoint is not None
    assert (run.best_checkpoint.id, run.best_checkpoint.path, run.best_checkpoint.score) == (
        "a",
        "a.ckpt",
        0.5,
    )


def test_an_attempt_counts_whose_clock_was_set_back_and_whose_checkpoint_the_disk_lost(
    tmp_path: Path,
) -> None:
    training = Training(tmp_path)
    training.seconds = itertools.count(3600)  # an hour ahead when the attempt begins
    training.start()
    training.seconds = itertools.count(0)
    training.log(1, {"a": 1.0}).log(2, {"a": 2.0}).start(parent=1, checkpoint="lost").log(3, {"a": 3.0})
    run = Store(tmp_path).run("latest")
    assert [point.step for point in run.series("a")] == [1, 2, 3]
    counted = [fact.item.step for fact in facts(training.folder.journal) if isinstance(fact.item, Scalars)]
    assert counted == [1, 2, 3]


def test_a_restart_from_nothing_voids_all_before(tmp_path: Path) -> None:
    training = Training(tmp_path).start().log(1, {"a": 1.0}).checkpoint("x", best=True)
    training.start().log(1, {"b": 2.0})
    run = Store(tmp_path).run("latest")
    assert list(run.metrics) == ["b"]
    assert run.checkpoints == []


def test_the_headline_is_at_the_best_checkpoint_and_tests_are_the_latest(tmp_path: Path) -> None:
    training = Training(tmp_path).start()
    training.log(1, {"train/loss": 3.0}).log(1, {"val/f1": 0.5}, "validate")
    training.checkpoint("a", 1, monitor="val/f1", mode="max", score=0.5, best=True)
    training.log(2, {"train/loss": 2.0}).log(2, {"val/f1": 0.4, "late": 1.0}, "validate")
    training.log(2, {"test/f1": 0.1}, "test").log(2, {"test/f1": 0.2}, "test").end()
    run = Store(tmp_path).run("latest")
    assert run.headline == {"train/loss": 3.0, "val/f1": 0.5, "test/f1": 0.2}


def test_without_a_best_checkpoint_the_headline_is_the_latest(tmp_path: Path) -> None:
    Training(tmp_path).start().log(1, {"a": 1.0}).checkpoint("x").log(2, {"a": 2.0}).end()
    assert Store(tmp_path).run("latest").headline == {"a": 2.0}


def test_two_fits_in_one_process_are_one_attempt(tmp_path: Path) -> None:
    training = Training(tmp_path).start().log(1, {"val/f1": 0.5}, "validate").end()
    training.journal = training.open()
    training.log(2, {"train/loss": 1.0}).checkpoint("a", best=True)
    run = Store(tmp_path).run("latest")
    assert run.attempts == 1
    assert run.status == "running"
    assert run.headline == {"val/f1": 0.5, "train/loss": 1.0}


def test_a_checkpoint_that_was_watched_is_better_than_a_last_one(tmp_path: Path) -> None:
    training = Training(tmp_path).start()
    training.checkpoint("watched", 1, monitor="val/f1", mode="max", score=0.5, best=True)
    training.checkpoint("last", 2, best=True)
    run = Store(tmp_path).run("latest")
    assert [(one.id, one.best) for one in run.checkpoints] == [("watched", True), ("last", False)]
