"""The questions of benchmarks/store.py that peers are asked too: ours, a peer's, and a table of all."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sized
from datetime import date
from pathlib import Path

import store_asked
import store_peers
from store_asked import TITLES, best, took
from store_values import Extent

from etm_lightning.store.catalogue import Catalogue
from etm_lightning.store.store import Store

MARKS = "<!-- store: python benchmarks/store.py --page -->", "<!-- /store -->"
Figures = dict[str, float | str]
"""Seconds of each question; how far it came where they ended first."""


def say(what: str, seconds: float | None) -> None:
    print(
        f"{'did not end':>15}  {what}" if seconds is None else f"{seconds * 1000:12,.1f} ms  {what}",
        flush=True,
    )


def ours(store: Path, extent: Extent) -> Figures:
    """From nothing: no catalogue. A frame is one of pandas."""
    found: Figures = {}

    def note(what: str, seconds: float | None, note: str = "") -> None:
        found[what] = note if seconds is None else seconds
        say(_titled(what, extent, "ours", note), seconds)

    def listed() -> Catalogue:
        catalogue = Catalogue(store, max_age=3600)
        catalogue.refresh()
        return catalogue

    def framed() -> None:
        opened = Store(store)
        opened.frame("val/f1", opened.runs(limit=store_asked.CURVES))

    for what, act in ((store_asked.FIRST_LIST, listed), (store_asked.FIRST_FRAME, framed)):
        Catalogue(store).remove()
        note(what, took(act))
    listing = ["-m", "etm_lightning", "ls", "--all", "--store", str(store)]
    note(store_asked.COMMAND, best(lambda: store_peers.command(listing)))
    catalogue, opened = listed(), Store(store)
    newest = opened.runs(limit=store_asked.CURVES)
    questions: dict[str, Callable[[], Sized]] = {
        store_asked.LIST: lambda: catalogue.rows(limit=store_asked.SHOWN),
        store_asked.FIT: lambda: [row.name for row in catalogue.rows(store_asked.QUERY)],
        store_asked.FRAME: lambda: opened.frame("val/f1", newest),
    }
    store_asked.ask(questions, extent, note)
    return found


def peers(name: str, place: Path, extent: Extent, python: Path, patience: float) -> tuple[str, Figures]:
    """What a peer tells in a process of its own: its title, and figures.

    Raises:
        RuntimeError: if it fails.
    """
    words = [str(python if python.exists() else sys.executable), store_peers.__file__, name, str(place)]
    words += map(str, [extent.runs, extent.series, extent.points, patience])
    title, found = name, Figures()
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout
        for line in process.stdout:
            what, seconds, note = json.loads(line).values()
            if what == "title":
                title = note
                continue
            say(_titled(what, extent, name, note), seconds)
            if what in TITLES:
                found[what] = note if seconds is None else seconds
        if process.wait():
            errors.seek(0)
            raise RuntimeError(f"{name} ended with {process.returncode}: {errors.read()[-3000:]}")
    return title, found


def _titled(what: str, extent: Extent, who: str, note: str) -> str:
    told = TITLES.get(what, what).format(curves=min(store_asked.CURVES, extent.runs), shown=store_asked.SHOWN)
    return f"{who}: {told}{note and f' ({note})'}"


def table(columns: dict[str, Figures], extent: Extent) -> str:
    """A table for a page: seconds, and in brackets how many times ours."""
    own = columns["ours"]
    lines = [[f"seconds, {date.today()}", *columns], ["---"] * (1 + len(columns))]
    for what in TITLES:
        cells = [_cell(figures.get(what), own[what]) for figures in columns.values()]
        lines.append([_titled(what, extent, "", "").removeprefix(": "), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: float | str | None, own: float | str) -> str:
    if isinstance(value, float) and isinstance(own, float):
        return _plain(value) if value == own else f"{_plain(value)} ({_plain(value / own)} x)"
    return str(value or "–")


def _plain(value: float) -> str:
    """
    >>> _plain(1234.5), _plain(0.01234), _plain(3.21)
    ('1,234', '0.012', '3.2')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def put(page: Path, text: str) -> None:
    """Write `text` between the marks of a page.

    Raises:
        ValueError: if it has no marks.
    """
    before, begin, rest = page.read_text().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise ValueError(f"`page` must have the lines {MARKS[0]!r} and {MARKS[1]!r} but {page} has not")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}")
