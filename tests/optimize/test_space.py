"""The space of a command line, beside Hydra's own sweeper."""

from __future__ import annotations

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from etm_lightning.design.space import Space, space


def of(*typed: str) -> Space:
    return space(OverridesParser.create().parse_overrides(list(typed)))


@pytest.mark.parametrize(
    "typed",
    [
        ("lr=1e-5,3e-5", "seed=1", "m=a,b"),
        ("x=range(0,3)", "y=range(0.1,0.35,0.1)", "z=range(3,0,-1)"),
        ("+a=choice('a b',[1,2],true)", "~b", "++c.d=1,2"),
        ("lr=1,2", "model@m=small,large", "lr=3"),
        ("seed=1",),
        ("x='a,b','c=d'", "y=sort(3,1,2)"),
        ("x={a:1},{a:2}",),
    ],
)
def test_a_grid_is_the_one_that_hydras_own_sweeper_makes(typed: tuple[str, ...]) -> None:
    ours = of(*typed)
    (theirs,) = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(list(typed)), None)
    mine = [ours.overrides(point) for point in ours.grid()]
    parsed = [[str(one._value) for one in OverridesParser.create().parse_overrides(line)] for line in mine]
    assert parsed == [
        [
            str(one._value)
            for one in OverridesParser.create().parse_overrides([a.replace("~b=None", "~b") for a in line])
        ]
        for line in theirs
    ]
    assert ours.size == len(theirs)


def test_a_space_says_what_varies() -> None:
    assert of(
        "lr=tag(log,interval(1e-5,1e-2))", "n=int(interval(1,8))", "p=range(0,1,0.25)", "m=a,b", "seed=1"
    ).describe() == {
        "lr": "number from 1e-05 to 0.01, log scale",
        "n": "whole number from 1 to 8",
        "p": "0.0 to 0.75 in steps of 0.25",
        "m": "one of a, b",
    }


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("lr=interval(1,1)", "from a number to a higher one"),
        ("lr=tag(log,interval(0,1))", "above 0 on a log scale"),
        ("lr=tag(quniform,interval(0,1))", "'quniform'"),
        ("n=range(3,3)", "has no values"),
    ],
)
def test_what_is_no_space_is_named_with_the_cure(typed: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as told:
        of(typed)
    assert typed in str(told.value)
