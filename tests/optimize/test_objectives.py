"""Several objectives: the Pareto set, and what cannot go with it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from etm_lightning.design import config
from etm_lightning.design.space import Choice, Space
from etm_lightning.optimize.goal import Goal, goal_of
from etm_lightning.optimize.history import Trial
from etm_lightning.optimize.plan import plan_of
from tests.optimize.conftest import Search

optuna = pytest.importorskip("optuna")
BOTH = "hydra.sweeper.objective={loss: min, size: min}"


def test_the_pareto_set_is_optunas() -> None:
    chance = random.Random(0)
    for directions in (("minimize", "maximize"), ("maximize", "minimize", "minimize")):
        study = optuna.create_study(directions=directions)
        goal = Goal(tuple("abc"[: len(directions)]), directions)
        trials = []
        for number in range(60):
            values = tuple(float(chance.randint(0, 6)) for _ in directions)
            study.add_trial(optuna.trial.create_trial(values=list(values)))
            trials.append(Trial(number, {}, Path(), "finished", values))
        assert {trial.number for trial in goal.front(trials)} == {one.number for one in study.best_trials}
        best = goal.best(trials)
        assert best is not None
        first = [one.values[0] for one in study.best_trials]
        assert best.values[0] == (max if directions[0] == "maximize" else min)(first)


def test_the_pareto_set_is_told_and_each_of_it_is_an_experiment(search: Search) -> None:
    study = search("x=1,2", "y=3,4", "kind=trade", BOTH)
    assert study.done.returncode == 0, study.done.stderr
    assert [(row["loss"], row["size"], row["pareto"]) for row in study.rows] == [
        ("1.0", "3.0", "yes"),
        ("1.0", "4.0", ""),
        ("2.0", "3.0", ""),
        ("2.0", "4.0", ""),
    ]
    assert "Pareto set: 1 trial" in study.done.stdout
    text = (study.folder.path / "experiment" / "pareto-0.yaml").read_text()
    assert text == (study.folder.path / "experiment" / "best.yaml").read_text()
    assert "# trial 0 · x=1 y=3 · loss 1 · size 3" in text


def test_a_sampler_for_several_is_chosen_and_the_study_goes_on(search: Search) -> None:
    arguments = ("x=interval(0,1)", "y=interval(0,1)", "kind=trade", BOTH, "hydra.sweep.dir=studies/mine")
    assert "3 trials · nsgaii" in search(*arguments, "hydra.sweeper.n_trials=3").done.stdout
    study = search(*arguments, "hydra.sweeper.n_trials=5")
    assert [row["state"] for row in study.rows] == ["finished"] * 5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pruner": "asha"}, r"`search\.pruner` compares one value, but there are 2 objectives"),
        ({"confirm": 2}, r"`search\.confirm` compares one value"),
        ({"objective": ["loss", "size"]}, r"`search\.direction` must have one direction for each"),
        ({"objective": {"test/f1": "max"}}, "must not be measured on test data"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, Any], words: str) -> None:
    search = config.Search(**{"objective": {"loss": "min", "size": "min"}, **settings})
    with pytest.raises(ValueError, match=words):
        plan_of(OmegaConf.create({"seed": None}), Space((Choice("x", ("1", "2")),)), search)


def test_an_objective_that_was_not_returned_is_named(search: Search) -> None:
    study = search("x=1", "kind=trade", "hydra.sweeper.objective={loss: min, weight: min}")
    assert study.done.returncode == 1
    assert "names weight but the script returned loss, size, other" in study.rows[0]["reason"]


def test_a_goal_is_read_from_what_people_type() -> None:
    assert goal_of(None, None, "val/f1", "max") == Goal(("val/f1",), ("maximize",))
    assert goal_of("loss", "minimize", "val/f1", "max") == Goal(("loss",), ("minimize",))
    assert goal_of(["a", "b"], ["max", "minimize"], "", "") == Goal(("a", "b"), ("maximize", "minimize"))
    assert goal_of("loss", None, "", "") == Goal(("loss",), ("minimize",))
    with pytest.raises(ValueError, match="one direction for each of val/loss"):  # the mode is another's
        goal_of("val/loss", None, "val/f1", "max")
    with pytest.raises(ValueError, match="minimize or maximize"):
        goal_of("a", "up", "", "")
