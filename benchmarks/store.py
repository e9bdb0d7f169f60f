"""A store of many runs: how long lists, searches and frames take, and what peers need for as much.

python benchmarks/store.py [--runs 10000] [--keep FOLDER] [--peers mlflow trackio]

A peer that does not go with this project has an environment of its own (`benchmarks/tracking.py --install`).
Add pyarrow, polars, pandas and what the base package needs, and say
`PYTHONPATH=. .venv/peers/trackio/bin/python benchmarks/store.py --peers trackio`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import store_peers
from store_made import Size, make

from etm_lightning.store.catalogue import Catalogue
from etm_lightning.store.store import Store

SERIES, POINTS = 20, 500


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="make the store here, or use the one that is")
    parser.add_argument("--peers", nargs="*", default=[], choices=sorted(store_peers.PEERS))
    parser.add_argument("--peer-runs", type=int, default=50, help="runs that a peer is given")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        store = asked.keep or Path(place) / "store"
        os.environ["ETM_CATALOGUE"] = f"{place}/catalogue"
        if not store.exists():
            few = asked.runs // 100
            say(
                "make the store",
                took(lambda: make(store, Size(asked.runs - few, few - 10, 10, SERIES, POINTS))),
            )
        ours(store)
        for name in asked.peers:
            beside(name, asked.peer_runs, Path(place))


def ours(store: Path) -> None:
    """Lists, searches and frames."""
    words = [sys.executable, "-m", "etm_lightning"]
    bare = best(lambda: command([*words, "--help"]))
    say("etm --help: the interpreter and the command line", bare)
    say("etm ls, the first time", took(lambda: command([*words, "ls", "--store", str(store)])))
    say("etm ls, then", best(lambda: command([*words, "ls", "--store", str(store)])))
    catalogue = Catalogue(store, max_age=3600)
    say("open the catalogue and look at the store", took(catalogue.refresh))
    for query in (
        "lr > 1e-4 and val/f1 > 0.9",
        'optimizer.name == lion and val/loss < 0.1 and status == "finished"',
        "created > 7d or run-0000",
    ):
        say(f"count: {query}", best(lambda query=query: catalogue.count(query)))
        say("  the first 500 rows", best(lambda query=query: catalogue.rows(query, limit=500)))
    say("columns", best(catalogue.columns))
    opened = Store(store)
    runs = opened.runs(limit=1000)
    for library in ("polars", "pandas"):
        say(
            f"val/f1 of {len(runs)} runs, {library}",
            best(lambda to=library: opened.frame("val/f1", runs, to=to)),
        )
    before = lasting(catalogue)
    catalogue.remove()
    say("made anew after it was deleted", took(catalogue.refresh))
    print("  the same content:", before == lasting(catalogue))


def lasting(catalogue: Catalogue) -> list[dict[str, object]]:
    """All rows, less what goes on with time."""
    rows = [row.as_json() for row in catalogue.rows(sort="id")]
    return [{name: value for name, value in row.items() if name != "duration"} for row in rows]


def beside(name: str, runs: int, place: Path) -> None:
    """A peer with its own copy of `runs` runs, and ours with as many."""
    peer = store_peers.PEERS[name]
    write, read = peer(place / name)
    say(
        f"{name}: log {runs} runs of {SERIES} series of {POINTS} points",
        took(lambda: write(runs, SERIES, POINTS)),
    )
    say(f"{name}: runs with lr > 1e-4 and val/f1 > 0.9, newest 50", best(read))
    store = place / f"ours-{name}"
    make(store, Size(runs, 0, 0, SERIES, POINTS))
    catalogue = Catalogue(store)
    say(f"  ours, first of {runs} runs", took(lambda: catalogue.rows("lr > 1e-4 and val/f1 > 0.9", limit=50)))
    say("  ours, then", best(lambda: catalogue.rows("lr > 1e-4 and val/f1 > 0.9", limit=50)))


def command(words: list[str]) -> None:
    # as it is when installed: compiled once
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(words, check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def took(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def best(act: Callable[[], object], times: int = 5) -> float:
    return min(took(act) for _ in range(times))


def say(what: str, seconds: float) -> None:
    print(f"{seconds * 1000:12,.1f} ms  {what}", flush=True)


if __name__ == "__main__":
    main()
