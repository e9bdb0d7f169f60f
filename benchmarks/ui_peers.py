"""The same values in other trackers, and their pages: for benchmarks/ui.py.

    python benchmarks/ui_peers.py NAME FOLDER RUNS METRICS POINTS

writes them, with the interpreter of the peer, which may have little else installed.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Values = Iterator[tuple[int, dict[str, float]]]
Sizes = tuple[int, int, int]


def values(run: int, metrics: int, points: int) -> Values:
    """Noisy falling curves, a spike in each."""
    noise = np.random.default_rng(run)
    names = [f"{'val' if i % 3 else 'train'}/metric_{i:02d}" for i in range(metrics)]
    falling = np.exp(-np.arange(points)[:, None] / (points / 5)) * (1 + run / 100)
    table = falling + noise.normal(0, 0.03, (points, metrics))
    table[noise.integers(points, size=metrics), np.arange(metrics)] = 3
    for step, row in enumerate(table.tolist()):
        yield step, dict(zip(names, row, strict=True))


def write_tensorboard(folder: Path, runs: int, metrics: int, points: int) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for number in range(runs):
        writer = EventFileWriter(str(folder / f"run-{number}"), max_queue_size=10_000)
        for step, row in values(number, metrics, points):
            scalars = [Summary.Value(tag=name, simple_value=value) for name, value in row.items()]
            writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=scalars)))
        writer.close()


def write_mlflow(folder: Path, runs: int, metrics: int, points: int) -> None:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("bench", artifact_location=f"{folder}/artifacts")
    for number in range(runs):
        run = client.create_run(experiment, run_name=f"run {number}").info.run_id
        waiting: list[Metric] = []
        for step, row in values(number, metrics, points):
            waiting += [Metric(name, value, 1_700_000_000_000 + step, step) for name, value in row.items()]
            if len(waiting) + metrics > 1000:
                client.log_batch(run, waiting, synchronous=True)
                waiting = []
        client.log_batch(run, waiting, synchronous=True)
        client.set_terminated(run)


def write_trackio(folder: Path, runs: int, metrics: int, points: int) -> None:
    os.environ["TRACKIO_DIR"] = str(folder)
    import trackio

    quiet = {"auto_log_gpu": False, "auto_log_cpu": False, "embed": False}
    for number in range(runs):
        trackio.init(project="bench", name=f"run {number}", **quiet)
        for step, row in values(number, metrics, points):
            trackio.log(row, step=step)
        trackio.finish()


def write_aim(folder: Path, runs: int, metrics: int, points: int) -> None:
    from aim import Run

    quiet = {"system_tracking_interval": None, "log_system_params": False, "capture_terminal_logs": False}
    for number in range(runs):
        run = Run(repo=str(folder), experiment="bench", **quiet)
        run.name = f"run {number}"
        for step, row in values(number, metrics, points):
            for name, value in row.items():
                run.track(value, name=name, step=step)
        run.close()


def all_read(base: str, sizes: Sizes) -> None:
    """TensorBoard shows what it has read so far: wait until it knows every run."""
    for _ in range(1200):
        with suppress(OSError, ValueError), urllib.request.urlopen(f"{base}/data/plugin/scalars/tags") as got:
            if len(json.load(got)) >= sizes[0]:
                return
        time.sleep(0.5)


def answers(path: str) -> Callable[[str, Sizes], None]:
    """Wait until the server answers there."""

    def wait(base: str, sizes: Sizes) -> None:
        for _ in range(600):
            with suppress(OSError), urllib.request.urlopen(base + path):
                return
            time.sleep(0.2)

    return wait


def choose_metric(page: Any) -> None:
    """Aim shows what is searched for: one metric of all runs."""
    page.get_by_role("button", name="Metrics").first.click()
    page.get_by_role("option").first.click()
    page.keyboard.press("Escape")


def search(page: Any) -> None:
    page.get_by_role("button", name="Search").first.click()


@dataclass(frozen=True)
class Peer:
    """A tracker and its page.

    Attributes:
        write: writes the values.
        command: what serves them, of the interpreter, the folder and the port.
        path: of its page with charts.
        ready: a condition in the page's words that holds once a chart has its curves.
        settled: waits until the server has what it shows.
        env: more of the environment of the server.
        most: points of a series that are written at most, where more would take hours.
        usable: a condition that holds once somebody can choose a chart, where the page shows none by itself.
        before: chooses one, so that one press shows it.
        press: that press.
    """

    write: Callable[[Path, int, int, int], None]
    command: Callable[[Path, Path, int], list[str]]
    path: str
    ready: str
    settled: Callable[[str, Sizes], None]
    env: Callable[[Path, int], dict[str, str]] = lambda folder, port: {}
    most: int = 10**9
    usable: str = ""
    before: Callable[[Any], None] | None = None
    press: Callable[[Any], None] | None = None


PEERS = {
    "tensorboard": Peer(
        write_tensorboard,
        lambda python, folder, port: [
            *(str(python), "-m", "tensorboard.main", "--logdir", str(folder), "--port", str(port)),
        ],
        "/#timeseries",
        "[...document.querySelectorAll('line-chart canvas, line-chart svg path')]"
        ".some(e => e.clientWidth > 50 || e.getTotalLength?.() > 50)",
        all_read,
    ),
    "mlflow": Peer(
        write_mlflow,
        lambda python, folder, port: [
            *(str(python), "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
            *("--port", str(port), "--workers", "1"),
        ],
        "/#/experiments/1/runs?compareRunsMode=CHART",
        "document.querySelectorAll('.js-plotly-plot .trace path').length > 0",
        answers("/health"),
        most=300,
    ),
    "trackio": Peer(
        write_trackio,
        lambda python, folder, port: [str(python.with_name("trackio")), "show", "--project", "bench"],
        "/",
        "document.querySelectorAll('.vega-embed canvas').length > 0",
        answers("/"),
        env=lambda folder, port: {"TRACKIO_DIR": str(folder), "GRADIO_SERVER_PORT": str(port)},
        most=300,
    ),
    "aim": Peer(
        write_aim,
        lambda python, folder, port: [
            *(str(python.with_name("aim")), "up", "--repo", str(folder), "--port", str(port), "-y"),
        ],
        "/metrics",
        "document.querySelectorAll('svg path.Line').length > 0",
        answers("/"),
        most=1000,
        usable="[...document.querySelectorAll('button')].some(e => e.textContent.includes('Metrics'))",
        before=choose_metric,
        press=search,
    ),
}

if __name__ == "__main__":
    PEERS[sys.argv[1]].write(Path(sys.argv[2]), *map(int, sys.argv[3:6]))
