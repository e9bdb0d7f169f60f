"""A peer of benchmarks/store.py, in a process of its own.

    python benchmarks/store_peers.py NAME FOLDER RUNS SERIES POINTS PATIENCE

One run is written by the peer itself and multiplied in its files, with a run's own values, settings, ids and
times; where there is a store in FOLDER it is used. Then some runs are written by the peer elsewhere, and have
to read the same, by what the peer reads with. What is measured goes to stdout, a line of JSON each.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol

import store_asked
from store_asked import Say
from store_mlflow import MLflow
from store_tensorboard import TensorBoard
from store_trackio import Trackio
from store_values import Extent


class Peer(Protocol):
    """A store of a peer."""

    title: str

    def steps(self, number: int) -> range: ...
    def write(self, number: int, steps: range) -> None: ...
    def multiply(self, runs: int) -> int: ...
    def count(self) -> int: ...
    def read(self, number: int) -> dict[str, Any]: ...
    def ask(self, say: Say, patience: float) -> None: ...
    def command(self) -> tuple[list[str], dict[str, str]] | None: ...


class Kind(Protocol):
    def __call__(self, folder: Path, place: str, extent: Extent) -> Peer: ...


PEERS: dict[str, Kind] = {"mlflow": MLflow, "trackio": Trackio, "tensorboard": TensorBoard}


def make(peer: Peer, extent: Extent) -> None:
    """
    Raises:
        RuntimeError: if it has not all runs and points that were asked for.
    """
    points = peer.multiply(extent.runs)
    asked = sum(len(peer.steps(number)) for number in range(extent.runs)) * extent.series
    if points != asked:
        raise RuntimeError(f"there must be {asked} points but there are {points}")


def prove(peer: Peer, written: Peer, extent: Extent) -> None:
    """Runs that were multiplied read as the peer writes them, in another place.

    Raises:
        RuntimeError: if one does not.
    """
    if (runs := peer.count()) != extent.runs:
        raise RuntimeError(f"there must be {extent.runs} runs but there are {runs}")
    for number in sorted({1, extent.runs // 2, extent.runs - 1}):
        written.write(number, written.steps(number))
        mine, copy = written.read(number), peer.read(number)
        if mine != copy:
            differ = [name for name in mine if mine[name] != copy.get(name)]
            raise RuntimeError(f"run {number} reads otherwise than it was written: {differ}")


def command(words: list[str], **given: str) -> None:
    # as it is when installed: compiled once
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(
        [sys.executable, "-W", "ignore", *words],
        check=True,
        env=env | given,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def main() -> None:
    name, place = sys.argv[1], Path(sys.argv[2])
    extent, patience = Extent(*map(int, sys.argv[3:6])), float(sys.argv[6])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a tracker prints

    def say(what: str, seconds: float | None, note: str = "") -> None:
        print(json.dumps({"what": what, "seconds": seconds, "note": note}), file=out, flush=True)

    kind = PEERS[name]
    made = place / "made.json"
    if not made.exists() and place.exists():  # an earlier one was interrupted
        shutil.rmtree(place)
    place.mkdir(parents=True, exist_ok=True)
    peer = kind(place, "store", extent)
    say("title", 0, peer.title)
    if not made.exists():
        began = time.perf_counter()
        make(peer, extent)
        made.write_text(json.dumps(sys.argv[3:6]))
        say("made", time.perf_counter() - began)
    elif json.loads(made.read_text()) != sys.argv[3:6]:
        raise SystemExit(f"{place} must have {sys.argv[3:6]} runs, series and points: see {made}")
    prove(peer, kind(place, f"proof-{os.getpid()}", extent), extent)
    say("proved", 0)
    if listing := peer.command():
        words, env = listing
        say(store_asked.COMMAND, store_asked.best(lambda: command(words, **env), times=3))
    peer.ask(say, patience)


if __name__ == "__main__":
    main()
