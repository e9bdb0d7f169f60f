"""TensorBoard beside benchmarks/store.py: event files, and the server that must read them first."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import store_asked
import store_values
from store_asked import Say, best
from store_values import Extent

DISTINCT = 10
"""Runs that are written; the others are copies of these."""


class TensorBoard:
    """A folder of runs.

    Args:
        folder: of all folders of this benchmark.
        place: the name of this one.
        extent: how many series and points a run has.
    """

    def __init__(self, folder: Path, place: str, extent: Extent) -> None:
        import tensorboard

        self.title = f"TensorBoard {tensorboard.__version__}"
        self.extent, self.folder, self.place = extent, folder, folder / place

    def steps(self, number: int) -> range:
        return range(self.extent.points)

    def write(self, number: int, steps: range) -> None:
        """A run as PyTorch's `SummaryWriter` writes it; its values are those of one of the first runs."""
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(self.place / f"run-{number}")) as writer:
            for step in steps:
                row = store_values.row(self.extent.series, number % DISTINCT, step)
                for name, value in row.items():
                    writer.add_scalar(name, value, step)

    def multiply(self, runs: int) -> int:
        """Make `runs` of the few that were written; how many points they have."""
        seed = TensorBoard(self.folder, "seed", self.extent)
        for number in range(min(runs, DISTINCT)):
            seed.write(number, self.steps(number))
        self.place.mkdir()
        for number in range(runs):
            shutil.copytree(seed.place / f"run-{number % DISTINCT}", self.place / f"run-{number}")
        return runs * self.extent.series * self.extent.points

    def count(self) -> int:
        return sum(1 for _ in self.place.iterdir())

    def read(self, number: int) -> dict[str, Any]:
        """All series of a run by its own reader, less the times of writing."""
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(self.place / f"run-{number}"), size_guidance={"scalars": 0}).Reload()
        tags = events.Tags()
        series = {name: [(one.step, one.value) for one in events.Scalars(name)] for name in tags["scalars"]}
        return {"tags": tags, "series": series}

    @contextmanager
    def _served(self) -> Iterator[str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(self.place), "--port", str(port)]
        quiet = subprocess.DEVNULL
        server = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
        try:
            yield f"http://127.0.0.1:{port}/data"
        finally:
            os.killpg(server.pid, signal.SIGTERM)  # its reader is a process below it
            with suppress(subprocess.TimeoutExpired):
                server.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)

    def ask(self, say: Say, patience: float) -> None:
        """From the start of the server until it lists all runs and has all points of some, then again."""
        began = time.perf_counter()
        curves = min(store_asked.CURVES, self.extent.runs)
        last = [f"run-{number}" for number in range(self.extent.runs - curves, self.extent.runs)]
        with self._served() as address:

            def until(what: str, ask: Callable[[], int], wanted: int, unit: str) -> bool:
                seen = -1
                while seen < wanted and time.perf_counter() < began + patience:
                    with suppress(OSError):  # it does not listen yet
                        seen = ask()
                    time.sleep(0.1)
                full = seen >= wanted
                say(what, time.perf_counter() - began if full else None, f"{seen} of {wanted} {unit}")
                return full

            def runs() -> int:
                return len(_asked(f"{address}/runs"))

            def points() -> int:
                told = _asked(f"{address}/plugin/scalars/scalars_multirun", tag="val/f1", runs=last)
                return sum(map(len, told.values()))

            if until(store_asked.FIRST_LIST, runs, self.extent.runs, "runs"):
                say(store_asked.LIST, best(runs), "the names of all")
            if until(store_asked.FIRST_FRAME, points, curves * self.extent.points, "points"):
                say(store_asked.FRAME, best(points))

    def command(self) -> None:
        """It has no list as a command."""


def _asked(address: str, **form: Any) -> Any:
    data = urllib.parse.urlencode(form, doseq=True).encode() if form else None
    with suppress(urllib.error.HTTPError), urllib.request.urlopen(address, data, timeout=600) as got:
        return json.load(got)
    return {}  # what is asked for was not read yet
