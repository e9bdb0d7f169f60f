"""A store of many runs: how long lists, searches and frames take, and what peers need for as much.

    python benchmarks/store.py [--runs 10000] [--keep FOLDER] [--peers mlflow trackio tensorboard]
                               [--environments .venv/peers] [--patience 600] [--page PAGE.md]

Peers get as many runs with the same values, of which they write one and the rest is made of it in their own
files (see `store_peers`); a peer that does not go with this project has an environment of its own, made by
`benchmarks/tracking.py --install`. With `--keep`, stores that are in the folder are used, others are made
there, so that they can be made while the machine is busy, and measured when it is not. Else each is deleted
once it was measured. At full size ours takes 2 GB, MLflow's 3, the two others 5 each.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import store_asked
import store_beside
import store_peers
from store_asked import best, took
from store_beside import say
from store_made import Size, make
from store_values import Extent

from etm_lightning.store.catalogue import Catalogue
from etm_lightning.store.store import Store

SERIES, POINTS = 20, 500


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="make the stores here, or use those that are")
    parser.add_argument("--peers", nargs="*", default=[], choices=sorted(store_peers.PEERS))
    parser.add_argument("--environments", type=Path, default=Path(".venv/peers"))
    parser.add_argument("--patience", type=float, default=600, help="seconds that TensorBoard's server has")
    parser.add_argument("--page", type=Path, help="page to put the table of all into")
    asked = parser.parse_args()
    extent = Extent(asked.runs, SERIES, POINTS)
    with tempfile.TemporaryDirectory() as scratch:
        place = asked.keep or Path(scratch)
        store = place / "ours"
        os.environ["ETM_CATALOGUE"] = f"{scratch}/catalogue"
        if not store.exists():
            few = asked.runs // 100
            live = few // 10
            size = Size(asked.runs - few, few - live, live, SERIES, POINTS)
            half = place / "ours-half"  # else one that was interrupted would be taken for a whole one
            shutil.rmtree(half, ignore_errors=True)
            say("make the store", took(lambda: make(half, size)))
            half.rename(store)
        ours(store)
        if asked.peers:
            columns = {"ours": store_beside.ours(store, extent)}
            for name in asked.peers:
                python = asked.environments.absolute() / name / "bin" / "python"
                title, told = store_beside.peers(name, place / name, extent, python, asked.patience)
                columns[title] = told
                if not asked.keep:
                    shutil.rmtree(place / name)
            text = store_beside.table(columns, extent)
            print(text)
            if asked.page:
                store_beside.put(asked.page, text)


def ours(store: Path) -> None:
    """Lists, searches and frames."""
    bare = best(lambda: store_peers.command(["-m", "etm_lightning", "--help"]))
    say("etm --help: the interpreter and the command line", bare)
    listing = ["-m", "etm_lightning", "ls", "--store", str(store)]
    say("etm ls, the first time", took(lambda: store_peers.command(listing)))
    say("etm ls, then", best(lambda: store_peers.command(listing)))
    catalogue = Catalogue(store, max_age=3600)
    say("open the catalogue and look at the store", took(catalogue.refresh))
    for query in (
        store_asked.QUERY,
        'optimizer.name == lion and val/loss < 0.1 and status == "finished"',
        "created > 7d or run-0000",
    ):
        say(f"count: {query}", best(partial(catalogue.count, query)))
        say("  the first 500 rows", best(partial(catalogue.rows, query, limit=500)))
    say("columns", best(catalogue.columns))
    opened = Store(store)
    runs = opened.runs(limit=1000)
    for library in ("polars", "pandas"):
        say(
            f"val/f1 of {len(runs)} runs, {library}",
            best(partial(opened.frame, "val/f1", runs, to=library)),
        )
    before = lasting(catalogue)
    catalogue.remove()
    say("made anew after it was deleted", took(catalogue.refresh))
    print("  the same content:", before == lasting(catalogue))


def lasting(catalogue: Catalogue) -> list[dict[str, object]]:
    """All rows, less what goes on with time."""
    rows = [row.as_json() for row in catalogue.rows(sort="id")]
    return [{name: value for name, value in row.items() if name != "duration"} for row in rows]


if __name__ == "__main__":
    main()
