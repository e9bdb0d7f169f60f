"""Parameters that go together and parameters under a condition, beside plain loops over the same."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from etm_lightning.design.conditions import conditioned
from etm_lightning.design.space import Space, space
from etm_lightning.optimize.study import Grid, Study
from tests import warm
from tests.optimize.conftest import Search, studies
from tests.optimize.test_search import lines, started, wait

PARSE = OverridesParser.create().parse_overrides


def of(*typed: str, zip: Any = (), when: Any = None) -> Space:
    return conditioned(space(PARSE(list(typed))), zip, when or {}, PARSE)


def test_a_grid_with_conditions_is_the_one_of_nested_loops() -> None:
    ours = of(
        *("opt=sgd,adam,rms", "layers=range(1,3)", "seed=1"),
        when={
            "opt": {
                "sgd": {"momentum": "0.5,0.9", "when": {"layers": {2: {"skip": "true,false"}}}},
                "adam|rms": {"beta": 0.9, "lr": "1e-4,1e-3"},
            }
        },
    )
    expected = []
    for opt, layers in itertools.product(("sgd", "adam", "rms"), (1, 2)):
        for momentum in ("0.5", "0.9") if opt == "sgd" else ("",):
            for skip in ("true", "false") if opt == "sgd" and layers == 2 else ("",):
                for lr in ("0.0001", "0.001") if opt != "sgd" else ("",):
                    words = [f"opt={opt}", f"layers={layers}", "seed=1"]
                    words += [f"momentum={momentum}"] if momentum else []
                    words += [f"skip={skip}"] if skip else []
                    words += ["beta=0.9", f"lr={lr}"] if lr else []
                    expected.append(sorted(word.lower() for word in words))
    assert [sorted(word.lower() for word in ours.overrides(point)) for point in ours.grid()] == expected
    assert ours.size == len(expected)


def test_values_that_go_together_are_paired() -> None:
    ours = of("lr=1e-5,3e-5,1e-4", "n=1,2", "batch=range(16,64,16)", zip=[["lr", "batch"]])
    assert [ours.overrides(point) for point in ours.grid()] == [
        [f"lr={lr}", f"n={n}", f"batch={batch}"]
        for lr, batch in zip(("1e-05", "3e-05", "0.0001"), (16, 32, 48), strict=True)
        for n in (1, 2)
    ]
    assert ours.describe()["batch"] == "16 to 48 in steps of 16, together with lr"


def test_one_name_may_have_another_range_under_a_condition() -> None:
    ours = of(
        *("opt=sgd,adam", "lr=tag(log,interval(1e-5,1e-3))"),
        when={"opt": {"sgd": {"lr": "tag(log,interval(1e-2,1))"}}},
    )
    assert ours.describe()["lr"] == (
        "number from 0.01 to 1.0, log scale, when opt=sgd; otherwise number from 1e-05 to 0.001, log scale"
    )
    assert list(ours.labels) == ["opt", "lr [opt=sgd]", "lr"]


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_a_sampler_of_optunas_keeps_the_conditions_and_takes_open_trials_up(
    tmp_path: Path, sampler: str
) -> None:
    pytest.importorskip("optuna")
    rates = ("lr=1e-5,1e-4", "1e-2,1e-1") if sampler == "grid" else ("lr=interval(0,1)", "interval(2,3)")
    ours = of(
        *("opt=sgd,adam", rates[0], "a=1,2", "b=x,y"),
        zip=[["a", "b"]],
        when={"opt": {"sgd": {"lr": rates[1], "momentum": "0.5,0.9"}}},
    )
    points = []
    for number in range(12):
        study = Study(tmp_path / "study.log", ours, sampler=sampler)
        asked = study.ask()
        assert asked is not None
        if number % 4 == 3:  # its controller died
            study = Study(tmp_path / "study.log", ours, sampler=sampler)
            assert study.open() == {number: asked[1]}
        study.tell(number, "finished", [1.0])
        points.append(asked[1])
    for point in points:
        assert (point["a"], point["b"]) in {("1", "x"), ("2", "y")}
        assert ("momentum" in point) == (point["opt"] == "sgd")
        assert (float(point["lr"]) >= 1e-2) == (point["opt"] == "sgd") or sampler != "grid"
        assert (float(point["lr"]) >= 2) == (point["opt"] == "sgd") or sampler == "grid"
    if sampler == "grid":
        assert points == list(ours.grid())


def test_points_given_by_hand_fit_conditions_and_pairs(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    ours = of(
        "opt=sgd,adam", "a=1,2", "b=x,y", zip=[["a", "b"]], when={"opt": {"sgd": {"m": "interval(0,1)"}}}
    )
    study = Study(tmp_path / "study.log", ours, enqueue=[{"opt": "sgd", "m": 0.5, "b": "y"}])
    assert study.ask() == (0, {"opt": "sgd", "a": "2", "b": "y", "m": 0.5})
    with pytest.raises(ValueError, match=r"a \+ b is one of 1, x; 2, y, but"):
        Study(tmp_path / "other.log", ours, enqueue=[{"a": 1, "b": "y"}])


@pytest.mark.parametrize(
    ("typed", "zip", "when", "words"),
    [
        (("a=1,2", "b=1,2,3"), [["a", "b"]], {}, "a has 2, b has 3"),
        (("a=1,2",), [["a", "c"]], {}, "`search.zip`: 'c' does not vary"),
        (("a=1,2", "b=interval(0,1)"), [["a", "b"]], {}, "give it as choice"),
        (("opt=sgd,adam",), [], {"opt": {"sdg": {"m": 1}}}, "did you mean `sgd`"),
        (("opt=sgd,adam",), [], {"optt": {"sgd": {"m": 1}}}, "did you mean `opt`"),
        (("opt=sgd,adam",), [], {"opt": {"sgd": 1}}, "`search.when.opt` must be by value"),
        ((), [], {"a": {"1": {"b": "1,2"}}, "b": {"1": {"a": "1,2"}}}, "in a circle"),
    ],
)
def test_what_does_not_fit_is_named_with_the_cure(typed: Any, zip: Any, when: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        of(*typed, zip=zip, when=when)


def test_a_fixed_setting_decides_a_condition() -> None:
    when = {"opt": {"sgd": {"m": "1,2"}}}
    assert of("opt=sgd", when=when).overrides({"m": "2"}) == ["opt=sgd", "m=2"]
    assert of("opt=adam", when=when).parameters == ()


def test_the_command_line_takes_both(search: Search) -> None:
    study = search(
        *("size=narrow,wide", "x=1,2"),
        "hydra.sweeper.zip=[[size,x]]",
        "hydra.sweeper.when={size: {wide: {y: '5,6'}}}",
    )
    assert study.done.returncode == 0, study.done.stderr
    rows = [(row["size"], row["x"], row["y"], float(row["objective"])) for row in study.rows]
    assert rows == [("narrow", "1", "", 5.0), ("wide", "2", "5", 6.0), ("wide", "2", "6", 7.0)]


def test_a_shuffled_space_is_gone_on_with(search: Search, tmp_path: Path) -> None:
    arguments = ("x=shuffle(range(0,30))", "kind=shuffle(fine,waits)", "hydra.sweeper.n_jobs=2")
    process = started(tmp_path, *arguments)
    wait(lambda: len(lines(tmp_path / "tried.txt")) >= 2)
    warm.kill(process)
    process.communicate()
    assert len({of(*arguments[:2]).describe()["x"] for _ in range(5)}) == 1
    refused = search("x=shuffle(range(0,31))", f"hydra.sweep.dir={studies(tmp_path)[0].path}").done
    assert "holds a study of something else" in refused.stderr
    (tmp_path / "go").touch()
    study = search(*arguments, "hydra.sweeper.n_trials=4")
    assert "going on with study" in study.done.stdout, study.done.stderr
    assert len(studies(tmp_path)) == 1
    assert len(study.rows) == 4


def test_a_grid_of_unequal_points_goes_on_with_what_is_left() -> None:
    ours = of("opt=sgd,adam", when={"opt": {"sgd": {"m": "1,2"}}})
    grid = Grid(ours, {0: {"m": "1", "opt": "sgd"}}, ())
    rest = [asked[1] for asked in iter(grid.ask, None)]
    assert rest == [{"opt": "sgd", "m": "2"}, {"opt": "adam"}]
