"""Trials of several runs: over seeds and folds, given up early, confirmed, and gone on with."""

from __future__ import annotations

import csv
import itertools
import random
import statistics
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from scipy import stats

from etm_lightning.design.config import Search
from etm_lightning.design.space import Choice, Space
from etm_lightning.evaluate.summaries import Spread
from etm_lightning.optimize.confirmation import margin
from etm_lightning.optimize.goal import Goal
from etm_lightning.optimize.history import Replicate, Trial
from etm_lightning.optimize.plan import plan_of
from etm_lightning.optimize.repeats import repeats_of
from etm_lightning.optimize.verdicts import hopeless
from tests import warm
from tests.optimize import conftest
from tests.optimize.conftest import studies
from tests.optimize.test_search import lines, started, wait

MAX = Goal(("val/f1",), ("maximize",))


def runs(tmp_path: Path) -> list[dict[str, str]]:
    with (studies(tmp_path)[-1].path / "runs.csv").open() as file:
        return list(csv.DictReader(file))


def chances(tmp_path: Path) -> list[tuple[str, ...]]:
    """x, seed and fold of each process, in the order in which they began."""
    return [tuple(line.split()[i] for i in (0, 3, 4)) for line in lines(tmp_path / "tried.txt")]


def test_a_trial_is_a_run_for_each_seed_and_fold_and_its_value_their_mean(
    search: conftest.Search, tmp_path: Path
) -> None:
    study = search("x=3", "hydra.sweeper.seeds=[4,7]", "hydra.sweeper.folds=2")
    assert study.done.returncode == 0, study.done.stderr
    assert chances(tmp_path) == list(itertools.product("3", "47", "01"))
    (row,) = study.rows
    values = [1 + 0.1 * seed + fold for seed in (4, 7) for fold in (0, 1)]
    assert float(row["objective"]) == pytest.approx(statistics.mean(values))
    assert float(row["sd"]) == pytest.approx(statistics.stdev(values))
    assert (row["n"], row["state"], row["attempts"]) == ("4", "finished", "4")
    assert [(one["seed"], one["fold"]) for one in runs(tmp_path)] == list(itertools.product("47", "01"))
    assert "best trial 0 · objective 2.05 ± 0.6 (n=4)" in study.done.stdout
    assert study.done.stdout.splitlines()[-1].split() == ["mean", "±", "sd", "2.05", "±", "0.6"]


def test_runs_of_one_trial_are_at_work_at_the_same_time(search: conftest.Search) -> None:
    study = search("x=2", "hydra.sweeper.replicates=2", "hydra.sweeper.n_jobs=2", "pause=1")
    first, second = study.history.trials[0].searched
    assert max(first.started or 0, second.started or 0) < min(first.ended or 0, second.ended or 0)
    assert [first.name, second.name] == ["seed=1", "seed=2"]


def test_a_trial_that_cannot_win_any_more_begins_no_further_run(
    search: conftest.Search, tmp_path: Path
) -> None:
    study = search("x=3,9", "hydra.sweeper.replicates=3", "hydra.sweeper.optimum=0")
    assert study.done.returncode == 0, study.done.stderr
    tried = [x for x, _, _ in chances(tmp_path)]
    assert [tried.count(x) for x in ("3", "9")] == [3, 1]
    assert [(row["state"], row["n"]) for row in study.rows] == [("finished", "3"), ("pruned", "1")]
    assert study.rows[1]["reason"] == "it cannot beat trial 0 any more"


def test_what_is_called_hopeless_loses_whatever_is_still_to_come() -> None:
    chance = random.Random(0)
    told = {True: 0, False: 0}
    for _ in range(2000):
        planned = chance.randint(1, 6)
        values = [chance.random() for _ in range(planned)]
        known, best = chance.randint(1, planned), chance.random()
        found = [
            Replicate(i, Path(), state="finished", values=(value,)) for i, value in enumerate(values[:known])
        ]
        champion = Trial(9, {}, Path(), "finished", (best,))
        said = hopeless(found, planned, MAX, 1.0, champion)
        told[said] += 1
        # the best that can still happen, by hand
        assert said == (sum(values[:known]) + (planned - known) <= planned * best + 1e-12)
        assert not hopeless(found, planned, MAX, None, champion)
        assert not hopeless(found, planned, MAX, 0.0, champion), "a value beyond the bound disproves it"
    assert min(told.values()) > 200


def test_one_run_that_fails_makes_its_trial_fail_and_the_others_are_not_begun(
    search: conftest.Search, tmp_path: Path
) -> None:
    study = search("x=2,3", "kind=fails on seed 2", "hydra.sweeper.replicates=3")
    assert study.done.returncode == 1
    assert [seed for _, seed, _ in chances(tmp_path)] == ["1", "2"] * 2
    assert {(row["state"], row["objective"]) for row in study.rows} == {("failed", "")}
    assert "seed=2: RuntimeError: planted failure" in study.rows[0]["reason"]


def test_wilcoxons_test_ends_a_trial_between_its_runs(search: conftest.Search, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    pruner = "hydra.sweeper.pruner={name: wilcoxon, p_threshold: 0.3}"
    study = search("x=3,9", "hydra.sweeper.sampler=grid", pruner, "hydra.sweeper.replicates=3")
    assert study.done.returncode == 0, study.done.stderr
    # two pairs that differ in one direction: p = 1/4
    assert [x for x, _, _ in chances(tmp_path)] == ["3"] * 3 + ["9"] * 2
    assert [(row["state"], row["n"]) for row in study.rows] == [("finished", "3"), ("pruned", "2")]


def test_a_winner_that_was_lucky_is_found_out_on_fresh_seeds(search: conftest.Search, tmp_path: Path) -> None:
    study = search("x=3,2.5,9", "kind=lucky", "hydra.sweeper.confirm=2")
    assert study.done.returncode == 0, study.done.stderr
    fresh = [(x, seed) for x, seed, _ in chances(tmp_path)[3:]]
    assert fresh == list(itertools.product(("3", "2.5"), "23"))
    assert study.history.confirmed == 1
    values = [1.25 + 0.1 * seed for seed in (2, 3)]
    low, high = stats.t.interval(0.95, 1, statistics.mean(values), stats.sem(values))
    interval = f"(n=2), 95 % interval {low:.4g} to {high:.4g}"
    assert f"winner    trial 1 · x=2.5 · 1.5 ± 0.071 {interval}" in study.done.stdout
    assert "runner-up trial 0 · x=3 · 11.25 ± 0.071 (n=2)" in study.done.stdout
    assert "x: 2.5" in (study.folder.path / "experiment" / "best.yaml").read_text()
    assert [row["confirmed"] for row in study.rows][2] == ""
    assert float(study.rows[0]["confirmed"]) == pytest.approx(11.25)
    assert study.history.trials[0].value == 1.0, "what the search found stays what it was"
    more = search(
        "x=3,2.5,9", "kind=lucky", "hydra.sweeper.confirm=3", f"hydra.sweep.dir={study.folder.path}"
    )
    assert len(lines(tmp_path / "tried.txt")) == 7 + 2, "only the seeds that are new"
    assert "(n=3)" in more.done.stdout


@pytest.mark.parametrize("values", [[0.1, 0.4], [0.3, 0.2, 0.9, 0.5]])
def test_the_interval_is_students(values: list[float]) -> None:
    low, high = stats.t.interval(0.95, len(values) - 1, statistics.mean(values), stats.sem(values))
    found = margin(Spread(len(values), statistics.mean(values), statistics.stdev(values)))
    assert found == pytest.approx((high - low) / 2)


def test_after_sigkill_each_seed_and_each_fresh_one_ran_once(search: conftest.Search, tmp_path: Path) -> None:
    more = ("hydra.sweeper.n_jobs=2", "pause=0.2")
    arguments = ("x=2,3", "hydra.sweeper.replicates=2", "hydra.sweeper.confirm=1", *more)
    for moment in (2, 5):  # in the search, and in its confirmation
        process = started(tmp_path, *arguments)
        wait(lambda n=moment: len(lines(tmp_path / "tried.txt")) >= n)
        warm.kill(process)
        process.communicate()
    study = search(*arguments)
    assert study.done.returncode == 0, study.done.stderr
    assert len(studies(tmp_path)) == 1
    assert sorted((x, seed) for x, seed, _ in chances(tmp_path)) == list(itertools.product("23", "123"))
    assert [row["n"] for row in study.rows] == ["2", "2"]
    assert study.history.confirmed == 1
    assert study.history.over == "complete"


def test_crashes_are_counted_over_the_lives_of_controllers(search: conftest.Search, tmp_path: Path) -> None:
    arguments = ("x=1", "kind=dies", "pause=0.3", "hydra.sweeper.max_retries=3")
    process = started(tmp_path, *arguments)
    wait(lambda: any('"e":"lost"' in line for one in studies(tmp_path) for line in lines(one.events_file)))
    warm.kill(process)
    process.communicate()
    study = search(*arguments)
    (run,) = study.history.trials[0].searched
    assert (run.state, run.crashes) == ("failed", 4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Search(folds=1), "`search.folds` must be 0 or 2 or more but got 1"),
        (Search(seeds=[1, 1]), r"`search.seeds` must differ"),
        (Search(seeds=[1, 2], replicates=3), "say two things"),
        (Search(confirm=2), "sets `seed`, which varies too"),
        (Search(folds=2), "sets `fold`, which the config must have"),
        (Search(keep_checkpoints=0), "`search.keep_checkpoints` must be above 0"),
    ],
)
def test_runs_that_cannot_be_are_refused(settings: Search, words: str) -> None:
    tried = Space((Choice("seed", ("1", "2")),))
    with pytest.raises(ValueError, match=words):
        plan_of(OmegaConf.create({"seed": 1}), tried, settings)


def test_seeds_begin_with_the_configs_and_fresh_ones_behind_those_of_the_search() -> None:
    config = OmegaConf.create({"seed": 5})
    found = repeats_of(config, Space(()), Search(replicates=2, confirm=2), MAX)
    assert [one.name for one in (*found.chances, *found.fresh)] == [f"seed={n}" for n in (5, 6, 7, 8)]
    assert found.optimum == 1.0
