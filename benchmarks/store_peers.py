"""Peers of benchmarks/store.py: how each is given runs, and asked for those that fit."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

Pair = tuple[Callable[[int, int, int], None], Callable[[], object]]
QUERY = "params.lr_text = '0.0003' and metrics.`val/f1` > 0.9"


def mlflow(place: Path) -> Pair:
    """MLflow over SQLite, its default: one `log_batch` of 1,000 values at a time."""
    from mlflow.entities import Metric, Param
    from mlflow.tracking import MlflowClient

    place.mkdir(parents=True)
    client = MlflowClient(f"sqlite:///{place}/mlflow.db")
    experiment = client.create_experiment("store", artifact_location=str(place / "artifacts"))

    def write(runs: int, series: int, points: int) -> None:
        dice = random.Random(0)
        names = ["val/f1", "val/loss", *(f"train/m{number:02}" for number in range(series - 2))]
        for _ in range(runs):
            run = client.create_run(experiment).info.run_id
            client.log_batch(run, params=[Param("lr_text", str(dice.choice([1e-5, 3e-4])))])
            values = [Metric(name, dice.random(), step, step) for step in range(points) for name in names]
            for start in range(0, len(values), 1000):
                client.log_batch(run, metrics=values[start : start + 1000])
            client.set_terminated(run)

    return write, lambda: client.search_runs([experiment], QUERY, max_results=50)


def trackio(place: Path) -> Pair:
    """Trackio's SQLite, read as its dashboard does: it has no search, so that all runs are looked at."""
    os.environ["TRACKIO_DIR"] = str(place)
    import trackio as library
    from trackio.sqlite_storage import SQLiteStorage

    def write(runs: int, series: int, points: int) -> None:
        dice = random.Random(0)
        names = ["val/f1", "val/loss", *(f"train/m{number:02}" for number in range(series - 2))]
        for number in range(runs):
            run = library.init(
                project="store", name=f"run-{number}", config={"lr": dice.choice([1e-5, 3e-4])}
            )
            for _ in range(points):
                run.log({name: dice.random() for name in names})
            library.finish()

    def read() -> object:
        def fits(run: Any) -> bool:
            return run.config["lr"] > 1e-4 and SQLiteStorage.get_logs("store", run.name)[-1]["val/f1"] > 0.9

        return [run for run in library.Api().runs("store") if fits(run)][:50]

    return write, read


def tensorboard(place: Path) -> Pair:
    """TensorBoard has neither params to search nor a list of values: its reader must load every file."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    def write(runs: int, series: int, points: int) -> None:
        dice = random.Random(0)
        names = ["val/f1", "val/loss", *(f"train/m{number:02}" for number in range(series - 2))]
        for number in range(runs):
            with SummaryWriter(str(place / f"run-{number}")) as writer:
                for step in range(points):
                    for name in names:
                        writer.add_scalar(name, dice.random(), step)

    def read() -> object:
        found = []
        for folder in sorted(place.iterdir()):
            events = EventAccumulator(str(folder), size_guidance={"scalars": 1}).Reload()
            if events.Scalars("val/f1")[-1].value > 0.9:
                found.append(folder.name)
        return found[:50]

    return write, read


PEERS: dict[str, Callable[[Path], Pair]] = {"mlflow": mlflow, "trackio": trackio, "tensorboard": tensorboard}
