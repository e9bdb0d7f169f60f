"""Differences between settings against their definitions, and what is told of code and packages."""

from __future__ import annotations

import itertools
import statistics
from pathlib import Path

import pytest

from etm_lightning.evaluate.bootstrap import bootstrap
from etm_lightning.evaluate.comparison import compare
from etm_lightning.evaluate.difference import difference
from etm_lightning.store.store import Store
from tests.store.building import Training, finished


def test_the_permutation_test_counts_permutations() -> None:
    ours, theirs = [5.0, 6.0, 7.5], [1.0, 2.0, 5.5]
    both = ours + theirs
    gap = abs(statistics.mean(ours) - statistics.mean(theirs))
    gaps = []
    for chosen in itertools.combinations(range(6), 3):
        parts = [both[i] for i in chosen], [both[i] for i in range(6) if i not in chosen]
        gaps.append(abs(statistics.mean(parts[0]) - statistics.mean(parts[1])))
    found = bootstrap(dict(enumerate(theirs)), dict(enumerate(ours)))
    assert found.p == pytest.approx(sum(one >= gap - 1e-12 for one in gaps) / len(gaps))
    assert found.ci is not None
    assert 0 < found.ci[0] < found.mean < found.ci[1]
    assert found == bootstrap(dict(enumerate(theirs)), dict(enumerate(ours)))


def test_what_cannot_be_resampled_says_why() -> None:
    assert bootstrap({1: 2.0}, {1: 1.0}).p is None
    assert bootstrap({1: 2.0, 2: 2.0}, {1: 1.0, 2: 1.0}).test == "no spread: no interval"
    with pytest.raises(ValueError, match="`values`"):
        bootstrap({}, {1: 1.0})


def test_settings_are_compared_over_their_seeds(tmp_path: Path) -> None:
    scores = {1: [0.1, 0.2, 0.4], 2: [0.5, 0.7, 0.6], 3: [0.9]}
    for lr, several in scores.items():
        for seed, score in enumerate(several):
            finished(tmp_path, f"{lr}-{seed}", score, params={"lr": lr, "seed": seed})
    store = Store(tmp_path)
    named = [store.run(id) for id in ("1-0", "2-1", "3-0")]
    found = compare(named, baseline=named[1], pool=store.runs())
    assert [group.label for group in found.groups] == ["lr=2", "lr=1", "lr=3"]
    line = next(line for line in found.metrics if line.name == "val/f1")
    assert line == found.metrics[0]
    assert (line.mode, line.values) == ("max", (0.1, 0.7, 0.9))
    assert [known.n for known in line.groups if known] == [3, 3, 1]
    assert line.deltas[0] is None
    assert line.deltas[1] == difference(dict(enumerate(scores[2])), dict(enumerate(scores[1])))
    assert line.deltas[2] is not None
    assert line.deltas[2].p is None
    resampled = compare(named, baseline=named[1], pool=store.runs(), method="bootstrap").metrics[0].deltas[1]
    assert resampled == bootstrap(dict(enumerate(scores[2])), dict(enumerate(scores[1])))
    assert [(one.name, one.differs) for one in found.config] == [("lr", True), ("seed", True)]
    alone = compare(named)
    assert [known.n for known in alone.metrics[0].groups if known] == [1, 1, 1]
    with pytest.raises(ValueError, match="`runs` must be one at least"):
        compare([])


def test_code_packages_and_facts_are_told_apart(tmp_path: Path) -> None:
    from etm_lightning.records import Started, Text

    for number, id in enumerate("ab"):
        training = Training(tmp_path, id)
        training.attempt = 1
        training.journal = training.open()
        git = {"commit": f"{number}" * 40, "dirty": bool(number), "diff": "x"}
        info = {"git": git, "packages": {"torch": f"2.{number}", "numpy": "2"}}
        training.write(Started(time=1.0, attempt=1, info=info)).params("data", rows=number, name="bbc")
        training.write(Text(time=2.0, name="code.diff", text=f"+lr = {number}\n same")).end()
    store = Store(tmp_path)
    found = compare([store.run("a"), store.run("b")])
    assert [(line.name, line.values, line.differs) for line in found.packages] == [
        ("torch", ("2.0", "2.1"), True),
        ("numpy", ("2", "2"), False),
    ]
    assert [known["commit"][0] for known in found.code] == ["0", "1"]
    assert found.code_diff is not None
    assert "-+lr = 0\n++lr = 1\n  same" in found.code_diff
    assert ("data", "rows", True) in [(line.about, line.name, line.differs) for line in found.info]
    assert ("data", "name", False) in [(line.about, line.name, line.differs) for line in found.info]
