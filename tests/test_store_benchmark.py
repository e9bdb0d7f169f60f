"""Peers of benchmarks/store.py have the runs that they would have written, and are asked the same."""

from __future__ import annotations

import importlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setattr(module("store_values"), "PERIOD", 101)
    monkeypatch.setattr(module("store_asked"), "CURVES", 2)
    module("store_values")._rows.cache_clear()


def module(name: str) -> Any:
    return importlib.import_module(name)


@pytest.mark.slow
def test_runs_that_were_multiplied_read_as_the_peer_writes_them(tmp_path: Path) -> None:
    peers, extent = module("store_peers"), module("store_values").Extent(4, 3, 50)
    peer = peers.PEERS["mlflow"](tmp_path, "store", extent)
    peers.make(peer, extent)
    written = peers.PEERS["mlflow"](tmp_path, "proof", extent)
    peers.prove(peer, written, extent)
    told: list[str] = []
    peer.ask(lambda what, seconds, note="": told.append(note), 1.0)
    assert told[-1] == "100 found"
    with sqlite3.connect(peer.file) as database:
        database.execute("UPDATE metrics SET value = value + 1 WHERE step = 49")
    assert written.read(3) != peer.read(3)


def test_an_answer_that_is_not_the_right_one_is_refused() -> None:
    asked, extent = module("store_asked"), module("store_values").Extent(300, 3, 50)
    fit = asked.fitting(extent)
    assert 0 < len(fit) < 300
    told: list[str] = []
    asked.ask({asked.FIT: lambda: [f"run {n}" for n in fit]}, extent, lambda what, *_: told.append(what))
    assert told == [asked.FIT]
    with pytest.raises(RuntimeError, match="must find"):
        asked.ask({asked.FIT: list}, extent, print)
    with pytest.raises(RuntimeError, match="other ones"):
        asked.ask({asked.FIT: lambda: [f"run {n + 1}" for n in fit]}, extent, print)


def test_the_table_tells_how_many_times_ours_or_how_far_it_came(tmp_path: Path) -> None:
    beside, asked = module("store_beside"), module("store_asked")
    ours = dict.fromkeys(asked.TITLES, 0.5)
    peer = {asked.LIST: 600.0, asked.FIRST_LIST: "80 of 300 runs"}
    text = beside.table({"ours": ours, "Peer 1.0": peer}, module("store_values").Extent(300, 3, 50))
    assert "| the newest 500 runs | 0.5 | 600 (1,200 x) |" in text.splitlines()
    assert "| from nothing until all runs are listed | 0.5 | 80 of 300 runs |" in text.splitlines()
    page = tmp_path / "page.md"
    known = (ROOT / "docs" / "benchmarks.md").read_text()
    before, after = known.partition(beside.MARKS[0])[0], known.partition(beside.MARKS[1])[2]
    page.write_text(known)
    beside.put(page, "first")
    beside.put(page, text)
    assert page.read_text() == f"{before}{beside.MARKS[0]}\n{text}\n{beside.MARKS[1]}{after}"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="must have the lines"):
        beside.put(page, text)
