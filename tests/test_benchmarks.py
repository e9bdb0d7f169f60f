"""The benchmarks run and say what they mean; how fast anything is, is not tested."""

from __future__ import annotations

import importlib
import itertools
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def module(name: str) -> Any:
    return importlib.import_module(name)


def cost(p50: float) -> dict[str, float]:
    return {
        "p50": p50,
        "p99": 12.0,
        "p99.9": 1234.5,
        "cpu": 0.412,
        "bytes": 46.1,
        "import": 0.05,
        "first": 0.1,
    }


def test_the_cheapest_comes_first_and_a_ratio_is_the_median_over_the_pairs() -> None:
    calls = {
        "peer": [(cost(4.0), cost(40.0)), (cost(2.0), cost(60.0)), (cost(5.0), cost(1000.0))],
        "ours": [(cost(4.0), cost(4.0))],
    }
    lines = module("tracking_table").cost_table(calls, {"ours": "Ours 1.0", "peer": "Peer 2.0"}).splitlines()
    assert lines[1].split() == ["Ours", "1.0", "4.0", "1.0", "12", "1,234", "0.41", "46", "0.050", "0.10"]
    assert lines[2].split()[:4] == ["Peer", "2.0", "60", "30"]


def test_what_was_accepted_and_is_gone_is_lost_and_a_call_that_had_not_returned_is_no_gain() -> None:
    killed = {
        "peer": [{"accepted": 4000, "found": 3520}, {"accepted": 1000, "found": 1010}],
        "ours": [{"accepted": 3000, "found": 3000}],
    }
    durable = {"ours": [({"rate": 6e5}, {"rate": 6e5})], "peer": [({"rate": 6e5}, {"rate": 0.0})]}
    table = module("tracking_table").kept_table(durable, killed, {"ours": "Ours", "peer": "Peer"})
    assert [line.split() for line in table.splitlines()[1:]] == [
        ["Ours", "600,000", "1.0", "x", "3,000", "0"],
        ["Peer", "0", "∞", "x", "5,000", "480"],
    ]


def test_a_training_is_set_beside_the_one_of_the_same_round_whose_logger_does_nothing() -> None:
    found = {10: {"null": [1e-3, 2e-3, 4e-3], "etm": [1.1e-3, 2.4e-3, 4.4e-3]}}
    lines = module("overhead").table(found).splitlines()
    assert [line.split() for line in lines[1:]] == [["null", "2,000", "1.00"], ["etm", "2,400", "1.10"]]


def test_the_tables_go_between_the_marks_of_the_page(tmp_path: Path) -> None:
    tracking = module("tracking")
    page = tmp_path / "page.md"
    page.write_text((ROOT / "docs" / "benchmarks.md").read_text())
    before = page.read_text()
    tracking.put(page, "first\n")
    tracking.put(page, "second\n", tmp_path / "pictures" / "a.svg")
    assert "](pictures/a.svg)\n\n```text\nsecond\n```" in page.read_text()
    assert "first" not in page.read_text().partition(tracking.MARKS[0])[2].partition(tracking.MARKS[1])[0]
    assert page.read_text().startswith(before.partition(tracking.MARKS[0])[0])
    assert page.read_text().endswith(before.partition(tracking.MARKS[1])[2])
    page.write_text("no marks")
    with pytest.raises(ValueError, match="must have the lines"):
        tracking.put(page, "text\n")


@pytest.mark.parametrize("name", ["ours", "ours-journal", "ours-logger", "csv", "csv-saved"])
def test_what_a_tracker_was_given_is_what_its_reader_finds(name: str, tmp_path: Path) -> None:
    peer = module("tracking_peers").PEERS[name]
    life = peer.live(tmp_path)
    assert next(life) is None
    log = next(life)
    for step in range(7):
        log({f"train/metric_{i}": step + i / 7 for i in range(10)}, step)
    next(life)
    assert peer.read(tmp_path) == 70


def test_ours_is_measured_killed_and_read_back(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "tracking.py"), "--quick", "--only", "calls,kept"]
    out = subprocess.check_output([*command, "--names", "ours", "--out", str(tmp_path)], text=True)
    assert out == (tmp_path / "tracking.txt").read_text()
    kept = [line.split()[-2:] for line in out.splitlines() if " x " in line]
    assert len(kept) == 1
    assert all(int(accepted.replace(",", "")) > 0 and lost == "0" for accepted, lost in kept)
    assert "Run.log" in (tmp_path / "tracking.svg").read_text()


def test_each_tracker_comes_with_an_extra_or_has_an_environment_of_its_own() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {text.partition(">=")[0] for text in itertools.chain.from_iterable(extras.values())}
    lock = {line.partition("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    for name, peer in module("tracking_peers").PEERS.items():
        if not peer.pinned and peer.package != "etm-lightning":
            assert peer.package in named, name
            assert peer.package in lock, name
