"""How soon the table of many runs answers in a browser.

    python benchmarks/ui_table.py [--runs 10000] [--keep DIR]

Each figure is the time from what a person does until the lines in sight are those that were asked for, with a
server that has looked at the store. Runs are of few points: the table reads none but for its small curves.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from store_made import Size, make
from ui import TOKEN, asked, browser_page, free_port, opened, served, wait

ROWS = "[...document.querySelectorAll('.grid-body [role=row]')]"
LINES = f"{ROWS}.filter((one) => one.textContent.length > 20).length > 5"
ANSWERED = "!document.querySelector('.grid.stale')"
COUNT = "Number(document.querySelector('.grid')?.ariaRowCount) - 1"
FOLDED = "document.querySelector('.grid-body [aria-expanded]')"
SORTED = "document.querySelector('[role=columnheader][aria-sort=descending]')?.textContent.includes('f1')"
LAST = "Number(document.querySelector('.grid-body [role=row]:last-child').ariaRowIndex)"


def acts(runs: int) -> list[tuple[str, str, str]]:
    """What is done: its name, the address it leads to, and when it is answered."""
    return [
        ("filter", "?q=lr > 1e-4 and val/f1 > 0.5", f"{ANSWERED} && {COUNT} < {runs}"),
        ("all again", "", f"{ANSWERED} && {COUNT} === {runs}"),
        ("sort by a metric", "?sort=-metric.val/f1", f"{ANSWERED} && {SORTED}"),
        ("fold by group", "?fold=group", f"{ANSWERED} && {FOLDED} && {COUNT} < {runs}"),
        ("and sort", "?fold=group&sort=-metric.val/f1", f"{ANSWERED} && {FOLDED} && {SORTED}"),
        ("unfold", "", f"{ANSWERED} && {COUNT} === {runs}"),
    ]


def measure(page: Any, base: str, runs: int) -> dict[str, float]:
    found = {"first lines (s)": opened(page, f"{base}/?token={TOKEN}#/runs", LINES)}
    for name, query, ready in acts(runs):
        page.wait_for_timeout(1000)
        began = time.perf_counter()
        page.evaluate("to => { location.hash = to; }", f"#/runs{query.replace(' ', '%20')}")
        wait(page, f"{ready} && {LINES}", 60)
        found[f"{name} (s)"] = time.perf_counter() - began
    page.wait_for_timeout(1000)
    began = time.perf_counter()
    page.evaluate("document.querySelector('.grid').scrollTop = 1e9")
    wait(page, f"{LAST} > {runs} && {LINES}", 60)
    found["scroll to the end (s)"] = time.perf_counter() - began
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--keep", type=Path, help="a folder for the store, which is used again")
    asked_for = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        store = (asked_for.keep or Path(scratch)) / f"table-{asked_for.runs}"
        if not store.exists():
            make(store, Size(asked_for.runs, 0, 0, series=20, points=20))
        port = free_port()
        command = [sys.executable, "-m", "etm_lightning", "ui", "--store", str(store), "--no-open"]
        with served([*command, "--port", str(port)], port, ETM_UI_TOKEN=TOKEN) as base:
            runs = asked(base, "runs?limit=1")["total"]
            with browser_page() as page:
                for name, figure in measure(page, base, runs).items():
                    print(f"{runs} runs: {name:28} {figure:7.3f}", flush=True)


if __name__ == "__main__":
    main()
