"""What comes next: our names for Optuna's samplers and pruners, and a study that is opened again."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etm_lightning.design.space import Choice, Interval, Range, Space
from etm_lightning.optimize import samplers
from etm_lightning.optimize.study import Grid, Study

optuna = pytest.importorskip("optuna")
SPACE = Space((Interval("lr", 1e-5, 1e-1, log=True), Interval("width", 1, 64, integer=True)))
MIXED = Space((Choice("model", ("small", "large")), Range("layers", (2, 4, 6)), Range("p", (0.1, 0.2, 0.3))))


def loss(point: dict[str, Any]) -> float:
    return float(point["lr"]) + float(point["width"]) / 64


def run(study: Study, n: int) -> list[dict[str, Any]]:
    points = []
    for _ in range(n):
        asked = study.ask()
        assert asked is not None
        points.append(asked[1])
        study.tell(asked[0], "finished", [loss(asked[1])])
    return points


@pytest.mark.parametrize("name", [name for name in samplers.SAMPLERS if name != "grid"])
def test_every_sampler_draws_from_the_space_and_does_not_draw_the_same_again(
    tmp_path: Path, name: str
) -> None:
    file = tmp_path / "study.log"
    drawn = run(Study(file, SPACE, sampler=name), 3) + run(Study(file, SPACE, sampler=name), 3)
    assert all(1e-5 <= point["lr"] <= 1e-1 and point["width"] in range(1, 65) for point in drawn)
    assert len({point["lr"] for point in drawn}) == 6


def test_a_trial_whose_controller_died_before_it_was_drawn_repeats_no_other(tmp_path: Path) -> None:
    file, drawn = tmp_path / "study.log", []
    for _ in range(3):
        study = Study(file, SPACE)
        drawn += [point["lr"] for point in run(study, 1)]
        study._study.ask()  # killed here
        study = Study(file, SPACE)
        for number, point in study.open().items():
            drawn.append(point["lr"])
            study.tell(number, "finished", [loss(dict(point))])
    assert len(drawn) == len(set(drawn)) == 6


def test_a_file_that_a_power_cut_tore_is_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "study.log"
    run(Study(file, SPACE), 2)
    whole = file.read_bytes()
    for torn in (whole + b'{"op_code":4,"wor', whole + b"\0" * 40):
        file.write_bytes(torn)
        study = Study(file, SPACE)
        assert study.ask() is not None
        assert list(study.open()) == [2]
        assert list(Study(file, SPACE).open()) == [2]
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(file)))
        assert len(optuna.load_study(study_name="study", storage=storage).trials) == 3


def test_a_study_reads_what_optuna_reads_nan_too(tmp_path: Path) -> None:
    file = tmp_path / "study.log"
    study = Study(file, SPACE, sampler="random", pruner="median")
    for number in range(3):
        assert study.ask() is not None
        for step in (1, 2):
            study.report(number, step, math.nan if number == 1 else number / step)
        study.tell(number, "finished", [float(number)])
    theirs = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(file)))
    known = optuna.load_study(study_name="study", storage=theirs).trials
    assert repr(Study(file, SPACE)._study.trials) == repr(known)
    assert math.isnan(known[1].intermediate_values[1])


@pytest.mark.parametrize("name", samplers.SAMPLERS)
def test_choices_and_ranges_come_back_in_the_words_of_the_space(tmp_path: Path, name: str) -> None:
    study = Study(tmp_path / "study.log", MIXED, sampler=name)
    for _ in range(4):
        asked = study.ask()
        assert asked is not None
        point = asked[1]
        assert (point["model"], point["layers"], point["p"]) in set(
            itertools.product(("small", "large"), (2, 4, 6), (0.1, 0.2, 0.3))
        )
        study.tell(asked[0], "finished", [1.0])


PRUNERS: dict[str, Callable[[], Any]] = {
    "none": optuna.pruners.NopPruner,
    "median": optuna.pruners.MedianPruner,
    "asha": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    "hyperband": optuna.pruners.HyperbandPruner,
    "patience": lambda: optuna.pruners.PatientPruner(None, patience=3),
    "wilcoxon": optuna.pruners.WilcoxonPruner,
}


@pytest.mark.filterwarnings("ignore:.*is experimental")
@pytest.mark.parametrize("name", samplers.PRUNERS)
def test_every_pruner_says_what_optunas_says(tmp_path: Path, name: str) -> None:
    ours = Study(tmp_path / "study.log", SPACE, sampler="random", pruner=name)
    theirs = optuna.create_study(
        study_name="study", sampler=optuna.samplers.RandomSampler(0), pruner=PRUNERS[name]()
    )
    said = []
    for number in range(12):
        asked, trial = ours.ask(), theirs.ask()
        assert asked is not None
        if number == 6:  # a controller that died: the next one takes the open trial up
            ours = Study(tmp_path / "study.log", SPACE, sampler="random", pruner=name)
            assert ours.open() == {6: asked[1]}
        for step in range(1, 7):
            value = float((number * 7 + step * 5) % 11) + 1 / step
            trial.report(value, step)
            said.append((ours.report(number, step, value), trial.should_prune()))
        ours.tell(number, "finished", [value])
        theirs.tell(trial, value)
    assert [one for one, _ in said] == [other for _, other in said]
    assert name == "none" or any(one for one, _ in said)


def test_a_grid_may_be_pruned_and_is_gone_on_with_where_it_stopped(tmp_path: Path) -> None:
    points: list[dict[str, Any]] = []
    for _ in range(3):
        study = Study(tmp_path / "study.log", MIXED, sampler="grid", pruner="median")
        while (asked := study.ask()) is not None and len(points) % 7 != 6:
            points.append(asked[1])
            study.tell(asked[0], "finished", [1.0])
        points += [] if asked is None else [asked[1]]
    assert points == list(MIXED.grid())


def test_points_to_try_first_are_tried_first(tmp_path: Path) -> None:
    study = Study(tmp_path / "study.log", SPACE, enqueue=[{"lr": 1e-3, "width": 8}, {"lr": 1e-2, "width": 4}])
    assert run(study, 3)[:2] == [{"lr": 1e-3, "width": 8}, {"lr": 1e-2, "width": 4}]
    with pytest.raises(ValueError, match="'depth', which does not vary"):
        Study(tmp_path / "other.log", SPACE, enqueue=[{"depth": 1}])
    with pytest.raises(ValueError, match="lr is number from"):
        Study(tmp_path / "third.log", SPACE, enqueue=[{"lr": 3}])


def test_a_trial_that_did_not_fit_is_infeasible_and_not_forgotten(tmp_path: Path) -> None:
    study = Study(tmp_path / "study.log", SPACE)
    asked = study.ask()
    assert asked is not None
    study.tell(asked[0], "infeasible", [])
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "study.log"))
    )
    (trial,) = optuna.load_study(study_name="study", storage=storage).trials
    assert trial.state.name == "PRUNED"


@pytest.mark.parametrize(
    ("choice", "kind"),
    [
        ({"name": "tpe", "n_startup_trials": 3}, "TPESampler"),
        ({"_target_": "optuna.samplers.RandomSampler", "seed": 3}, "RandomSampler"),
    ],
)
def test_a_sampler_takes_options_and_any_class_will_do(choice: dict[str, Any], kind: str) -> None:
    assert type(samplers.sampler(choice, 0, 0)).__name__ == kind
    with pytest.raises(ValueError, match=r"`search\.sampler`"):
        samplers.sampler({**choice, "colour": 1}, 0, 0)


def test_a_grid_goes_on_with_what_is_left() -> None:
    grid = Grid(MIXED, {0: {"model": "large", "layers": 2, "p": 0.1}}, ())
    assert grid.open() == {0: {"model": "large", "layers": 2, "p": 0.1}}
    rest = []
    while (asked := grid.ask()) is not None:
        rest.append(asked)
    assert [number for number, _ in rest] == list(range(1, 18))
    assert {"model": "large", "layers": 2, "p": 0.1} not in [point for _, point in rest]
