"""What tracking costs a training and what survives its death: ours beside every peer, all in one run.

    python benchmarks/tracking.py [--quick] [--only calls,kept,own,training] [--names ours,wandb]
                                  [--peers FOLDER] [--out FOLDER] [--page PAGE.md]
    python benchmarks/tracking.py --install [--peers FOLDER]

Each measure is a process of its own; a peer's comes right after one of ours, so that a slow machine is slow
for both, and a ratio is the median over such pairs. Peers whose needs do not go with this project's pins live
in environments of their own below FOLDER (.venv/peers), which `--install` makes. Who is missing or fails is
named and left out.

`--out` writes tracking.txt and tracking.svg, `--page` puts the text between the marks of a page; in all it
takes ten minutes to an hour, with `--quick` a fifth of that. Linux only. Needs the extra [bench].
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import overhead
import tracking_table
import tracking_watch
from tracking_peers import PEERS
from tracking_watch import PeerError

Facts = dict[str, Any]
Measure = Callable[..., Facts]
Pair = tuple[Facts, Facts]

PARTS = ("calls", "kept", "own", "training")
OWN: dict[str, dict[str, Any]] = {
    "Run.log, 1 scalar": {"width": 1},
    "Run.log, 10 scalars": {},
    "Run.log, 10 scalars, ETM_NATIVE=0": {"native": "0"},
    "Run.log, 50 scalars": {"width": 50},
    "Run.log, 10 scalars, one of them NaN": {"nonfinite": True},
    "Run.log, 10 scalars, 1 busy Python thread": {"threads": 1},
    "Run.log, 10 scalars, 2 busy Python threads": {"threads": 2},
    "Run.log, 10 scalars, 4 busy Python threads": {"threads": 4},
}
TRAININGS = [kind for kind in overhead.known() if kind != "etm+sinks"]
PATIENCE = 5
"""How many times the rounds of our own calls there may be, until each has enough quiet ones."""

ALIKE = ("csv-saved", "tensorboardx")
"""Slow to import, and much like another one: left out of a quick run."""
MARKS = "<!-- tracking: python benchmarks/tracking.py --page -->", "<!-- /tracking -->"


class Session:
    """One run over all trackers.

    Args:
        peers: folder of the environments of peers that need their own.
        names: whom to measure; who fails once is left out of what follows.

    Attributes:
        failed: why, by name.
    """

    def __init__(self, peers: Path, names: list[str]) -> None:
        self.peers, self.names = peers, names
        self.failed: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self._each(self._ask_version)

    def _ask_version(self, name: str) -> None:
        self.versions[name] = tracking_watch.version(self.peers, name)

    def _each(self, work: Callable[[str], None]) -> None:
        """Do `work` for all who have not failed yet."""
        for name in self.names:
            if name in self.failed:
                continue
            begin = time.monotonic()
            try:
                work(name)
            except PeerError as error:
                self.failed[name] = str(error)
            took = time.monotonic() - begin
            print(f"{name:14}{took:6.1f} s  {self.failed.get(name, '')}", file=sys.stderr, flush=True)

    def pairs(self, measure: Measure, rounds: int, **given: Any) -> dict[str, list[Pair]]:
        """Ours, a peer, ours, the next peer, and so on, `rounds` times."""
        found: dict[str, list[Pair]] = {}

        def pair(name: str) -> None:
            own = measure(self.peers, "ours", **given)
            peer = own if name == "ours" else measure(self.peers, name, **given)
            found.setdefault(name, []).append((own, peer))

        for _ in range(rounds):
            self._each(pair)
        return found

    def kills(self, moments: list[float]) -> dict[str, list[Facts]]:
        """Each tracker killed after each of some seconds."""
        found: dict[str, list[Facts]] = {}

        def kill(name: str, moment: float) -> None:
            found.setdefault(name, []).append(tracking_watch.killed(self.peers, name, moment))

        for moment in moments:
            self._each(partial(kill, moment=moment))
        return found

    def own(self, rounds: int, calls: int) -> dict[str, list[Facts]]:
        """Variants of our own call, one after the other."""
        most = {"calls": calls, "seconds": 10}
        orders: list[tuple[str, str, dict[str, Any]]] = [
            *((title, "ours", {**most, **given}) for title, given in OWN.items()),
            ("Run.log, 10 scalars, 50,000 calls", "ours", {**most, "calls": 50_000}),
            ("Journal.append_row alone, 10 scalars", "ours-journal", most),
            ("ETMLogger log_metrics+save, 10 scalars", "ours-logger", most),
        ]
        found: dict[str, list[Facts]] = {title: [] for title, _, _ in orders}
        for past in range(PATIENCE * rounds):
            for title, name, given in orders:
                loaded = "threads" in given  # no loop is quick beside them
                if past < rounds or not (loaded or tracking_table.enough(found, title)):
                    found[title].append(tracking_watch.calls(self.peers, name, **given))
        return found

    def most(self, rounds: int) -> list[Facts]:
        """Our own calls as fast as they go, each round killed at the return of the last."""
        most = {"calls": 50_000, "seconds": 10}
        return [tracking_watch.durable(self.peers, "ours", **most) for _ in range(rounds)]

    def reading(self) -> float:
        """Records of 10 scalars a second that are read and checked from a journal."""
        facts = tracking_watch.durable(self.peers, "ours-journal", readings=3, calls=50_000, seconds=10)
        return float(facts["read"]) / 10


def machine() -> str:
    """Model and number of processors, versions, the day."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(": ")[1] for line in info.splitlines() if line.startswith("model name")), "")
    cores = len(os.sched_getaffinity(0))
    return (
        f"{date.today()} · {model or platform.machine()}, {cores} cores · Python {platform.python_version()}"
    )


def put(page: Path, text: str, picture: Path | None = None) -> None:
    """Write `text`, below `picture` if there is one, between the marks of a page."""
    before, _, rest = page.read_text().partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise ValueError(f"`page` must have the lines {MARKS[0]!r} and {MARKS[1]!r} but {page} has not")
    seen = f"![µs of one call]({os.path.relpath(picture, page.parent)})\n\n" if picture else ""
    page.write_text(f"{before}{MARKS[0]}\n{seen}```text\n{text}```\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short round: about two minutes")
    parser.add_argument("--only", default=",".join(PARTS), help="which of " + ", ".join(PARTS))
    parser.add_argument("--names", help="which of " + ", ".join(PEERS))
    parser.add_argument("--peers", type=Path, default=Path(".venv/peers"), help="their own environments")
    parser.add_argument("--install", action="store_true", help="make these environments")
    parser.add_argument("--out", type=Path, help="folder for tracking.txt and tracking.svg")
    parser.add_argument("--page", type=Path, help="page to put the tables into")
    given = parser.parse_args()
    names = [name for name in PEERS if not (given.quick and name in ALIKE)]
    names = given.names.split(",") if given.names else names
    if given.install:
        tracking_watch.install(given.peers, names)
        return
    only = given.only.split(",")
    rounds, halves, scale = (1, 1, 0.25) if given.quick else (3, 2, 1.0)
    tracking_watch.adopt_orphans()
    session = Session(given.peers.absolute(), names)
    heading = f"{machine()} · {'one quick round' if given.quick else f'medians of {rounds} rounds'}"
    calls: dict[str, list[Pair]] = {}
    durable: dict[str, list[Pair]] = {}
    killed: dict[str, list[Facts]] = {}
    own: dict[str, list[Facts]] = {}
    most: list[Facts] = []
    training: overhead.Found = {}
    notes = []
    if "calls" in only:
        calls = session.pairs(tracking_watch.calls, rounds, calls=int(2000 * scale), seconds=6 * scale)
    if "kept" in only:
        durable = session.pairs(tracking_watch.durable, halves, calls=50_000, seconds=2 * scale)
        killed = session.kills([3 * scale * random.uniform(0.5, 1) for _ in range(halves)])
    if "own" in only:
        own = session.own(rounds, 2000)
        most = session.most(2 * rounds)
        notes.append(
            f"A journal is read and checked at {session.reading():,.0f} records of 10 scalars a second."
        )
    if "training" in only:
        if given.quick:
            training = overhead.rounds([kind for kind in TRAININGS if kind != "mlflow"], [10], 1, 200)
        else:
            training = overhead.rounds(TRAININGS, [1, 10, 50], halves)
        if "fast" not in TRAININGS:
            notes.append("Left out: fast: this version has no `fast_log`.")
    notes += [f"Failed: {name}: {why}" for name, why in session.failed.items()]
    titles = {name: f"{PEERS[name].title} {session.versions.get(name, '')}" for name in session.names}
    text = tracking_table.text(heading, titles, calls, durable, killed, own, most, training, notes)
    print(text, end="")
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "tracking.txt").write_text(text)
        if calls:
            tracking_table.picture(given.out / "tracking.svg", calls, killed, titles, f"µs · {heading}")
    if given.page:
        put(given.page, text, given.out / "tracking.svg" if given.out and calls else None)


if __name__ == "__main__":
    main()
