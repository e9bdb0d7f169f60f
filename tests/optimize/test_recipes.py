"""Recipes, the dry run, settings that were run before, and pictures: as a user of train.py types them."""

from __future__ import annotations

import re
import shlex
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from etm_lightning.design.config import Search
from etm_lightning.design.space import Choice, Interval, Space
from etm_lightning.execute.conf import conf_folder
from etm_lightning.execute.configs import register
from etm_lightning.optimize import plots
from etm_lightning.optimize.explained import explanation
from etm_lightning.optimize.folder import Events, StudyFolder, studies
from etm_lightning.optimize.fresh import Fresh, Known, none
from etm_lightning.optimize.plan import plan_of, settings_of
from etm_lightning.optimize.recipes import first, spelled
from etm_lightning.optimize.study import Grid, Study
from etm_lightning.store.store import Store
from etm_lightning.track.run import Run
from tests import warm
from tests.execute.test_command_line import MINE, ROOT, environment, runs
from tests.optimize.conftest import Search as Searching
from tests.optimize.forged import forged

RECIPES = sorted(path.stem for path in (conf_folder() / "search").glob("*.yaml"))


def composed(*typed: str) -> Any:
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return compose("config", list(typed), return_hydra_config=True)


def settings(*typed: str) -> Search:
    found: Any = OmegaConf.to_container(composed(*typed).search, resolve=True)
    return Search(**found)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_what_its_full_command_says(recipe: str) -> None:
    known = settings(f"search={recipe}")
    words = shlex.split(spelled("train.py", [f"search={recipe}", "lr=1,2"], recipe, known))
    assert words[:4] == ["python", "train.py", "-m", "lr=1,2"]
    assert settings(*words[4:]) == known
    plan = plan_of(composed(f"search={recipe}"), Space((Choice("lr", ("1", "2")),)), known)
    plan.check()
    assert plan.total == 2


def sweep(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm.python(), str(ROOT / "train.py"), "-m", *MINE, "test=false", *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def test_a_dry_run_shows_everything_and_leaves_nothing(tmp_path: Path) -> None:
    arguments = ("max_epochs=1", "trainer=cpu", "lr=0.1,0.2", "search=grid")
    dry = sweep(tmp_path, *arguments, "search.dry_run=true")
    assert dry.returncode == 0, dry.stderr
    assert "search=grid is python" in dry.stdout
    assert "nothing is started · 2 trials · grid" in dry.stdout
    assert "are built in" in dry.stdout
    assert "no run of this data and model finished" in dry.stdout
    assert not studies(tmp_path / "etm_runs")
    assert not runs(tmp_path)

    done = sweep(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert len(runs(tmp_path)) == 2
    again = sweep(tmp_path, *arguments, "search.dry_run=true")
    assert "by 2 earlier runs" in again.stdout, again.stdout

    wider = sweep(tmp_path, "max_epochs=1", "trainer=cpu", "lr=0.1,0.3", "search.skip_known=true")
    assert wider.returncode == 0, wider.stderr
    assert len(runs(tmp_path)) == 3
    trials = studies(tmp_path / "etm_runs")[0].history().trials
    before = {run.params["lr"]: run.id for run in runs(tmp_path)}
    assert [trial.state for trial in trials.values()] == ["finished", "finished"]
    assert trials[0].run == before[0.1]
    assert f"was run before: {before[0.1]}" in wider.stdout


def fresh(folder: Path, space: Space, sampler: str = "tpe", total: int = 99, find: Any = none) -> Fresh:
    events = Events(StudyFolder(folder))
    study = Study(folder / "study.log", space, sampler=sampler)
    return Fresh(study, space, events, find, total, lambda line: None)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_sampler_tries_every_place_of_a_small_space_once(tmp_path: Path, sampler: str) -> None:
    pytest.importorskip("optuna")
    space = Space((Choice("a", ("1", "2", "3")), Choice("b", ("x", "y"))))
    brain = fresh(tmp_path, space, sampler)
    points = []
    while (asked := brain.ask()) is not None:
        points.append(tuple(asked[1].values()))
        brain.tell(asked[0], "finished", [float(asked[1]["a"])])
    assert sorted(points) == [(a, b) for a in "123" for b in "xy"]


def test_what_was_run_before_is_the_result_of_its_trial(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    space = Space((Choice("a", ("1", "2")),))
    known = Known("r-1", tmp_path, 0.25)
    brain = fresh(tmp_path, space, find=lambda point: known if point["a"] == "1" else None)
    asked = brain.ask()
    assert asked is not None
    assert asked[1] == {"a": "2"}
    brain.tell(asked[0], "finished", [1.0])
    assert brain.ask() is None
    (trial,) = StudyFolder(tmp_path).history().trials.values()
    assert (trial.params, trial.state, trial.value, trial.run) == ({"a": "1"}, "finished", 0.25, "r-1")


def test_a_grid_has_a_point_twice_if_it_was_typed_twice(tmp_path: Path) -> None:
    space = Space((Choice("a", ("1", "1")),))
    brain = Fresh(Grid(space, {}, ()), space, Events(StudyFolder(tmp_path)), none, 9, print)
    assert [asked[1] for asked in iter(brain.ask, None)] == [{"a": "1"}] * 2


def test_what_a_recipe_offers_gives_way_to_what_was_typed() -> None:
    space = Space((Interval("lr", 1e-5, 1e-3, log=True), Choice("size", ("small",))))
    offered = {"lr": "1", "size": "2", "pooling": "3"}
    points: list[dict[str, Any]] = [
        {"lr": 1e-4, "size": "small", "pooling": "cls"},
        {"lr": 0.1, "size": "large"},
        {"x": 1},
    ]
    assert first(points, offered, space) == [{"lr": 1e-4, "size": "small"}, {"x": 1}]


def test_a_study_teaches_what_mattered_and_where_its_best_run_errs(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    with Run("mine", save_dir=tmp_path / "etm_runs") as run:
        run.log({"val/loss": 0.5}, step=1, stage="validate")
        labels, counts = ["sun", "rain", "none"], [[9, 1, 0], [6, 2, 2], [0, 0, 0]]
        run.log_confusion_matrix("val/confusion_matrix", labels, counts, step=1, stage="validate")
    stored = Store(tmp_path / "etm_runs").run(run.id)
    told = explanation(forged(tmp_path), stored)
    assert re.fullmatch(r"what mattered \(PED-ANOVA\): lr \d+%( · size \d%)?", told[0])
    assert told[2:] == [
        "  rain  8 of 10 wrong (80.0%), mostly taken for sun",
        "  sun   1 of 10 wrong (10.0%), mostly taken for rain",
    ]


def test_a_search_ends_when_its_time_is_up(search: Searching) -> None:
    study = search("x=1,2,3", "pause=1.5", "hydra.sweeper.max_runtime_secs=1")
    assert study.done.returncode == 0, study.done.stderr
    assert len(study.rows) == 1
    assert study.history.over == "time is up"


def test_nfolds_is_another_word_for_folds() -> None:
    assert settings_of(composed("search.nfolds=4"), {}, ours=True).folds == 4


@pytest.mark.parametrize("kind", [kind for kind in plots.KINDS if kind != "pareto"])
def test_a_study_is_drawn(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("optuna")
    folder = forged(tmp_path, pruned=True)
    file = plots.plot(folder, kind, tmp_path / "out" / "picture.svg")
    words = "".join(ElementTree.parse(file).getroot().itertext())
    shown = {"history": "Best Value", "curves": "Intermediate Value"}.get(kind, "size")
    assert shown in words
    assert "s-1" in words


def test_a_grid_is_drawn_from_what_happened_and_its_importance_is_the_one_of_its_values(
    tmp_path: Path,
) -> None:
    pytest.importorskip("optuna")
    folder = forged(tmp_path)
    assert not folder.optuna_file.exists()
    shares = plots.importance(folder)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["lr"] > 0.9
    page = plots.plot(folder, "importance", tmp_path / "page.html").read_text()
    assert page.startswith("<!doctype html>") or "plotly" in page
    assert plots.plot(folder, "parallel", tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    refused = {"curves": "needs a study with a pruner", "pareto": "two or more", "histry": "`history`"}
    for kind, words in refused.items():
        with pytest.raises(ValueError, match=words):
            plots.plot(folder, kind, tmp_path / "p.png")
    with pytest.raises(ValueError, match="must end in"):
        plots.plot(folder, "history", tmp_path / "p.gif")
