"""How fast a journal reaches an MLflow database, beside MLflow's own client at its best.

    python benchmarks/sinks_mlflow.py [--rows 2000] [--pairs 3]

Ours reads a journal of rows of 10 values and delivers it. The peer has the same values in memory and calls
`MlflowClient.log_batch` with 1,000 metrics at a time, which is as many as MLflow takes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import mlflow
from mlflow.entities import Metric

from etm_lightning import Run
from etm_lightning.track.delivery import Delivery

NAMES = [f"train/metric_{i}" for i in range(10)]


def values(step: int) -> dict[str, float]:
    return {name: 1 / (step + i + 1) for i, name in enumerate(NAMES)}


def ours(folder: Path, rows: int) -> float:
    """Metrics a second from a journal into a new database."""
    with Run("bench", save_dir=folder, shipper=False) as run:
        for step in range(rows):
            run.log(values(step), step=step)
    uri = f"sqlite:///{folder}/ours.db"
    mlflow.MlflowClient(uri).search_experiments()  # makes the tables
    delivery = Delivery(run.folder, "mlflow", {"sink": "mlflow", "tracking_uri": uri})
    began = time.perf_counter()
    delivery.advance()
    took = time.perf_counter() - began
    delivery.close()
    assert not delivery.error, delivery.error
    return rows * len(NAMES) / took


def theirs(folder: Path, rows: int) -> float:
    """Metrics a second by `log_batch` into a new database."""
    client = mlflow.MlflowClient(f"sqlite:///{folder}/theirs.db")
    run = client.create_run(client.create_experiment("bench"))
    metrics = [
        Metric(name, value, int(time.time() * 1000), step)
        for step in range(rows)
        for name, value in values(step).items()
    ]
    began = time.perf_counter()
    for first in range(0, len(metrics), 1000):
        client.log_batch(run.info.run_id, metrics[first : first + 1000])
    return len(metrics) / (time.perf_counter() - began)


def main() -> None:
    """Run pairs, print the median of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=3)
    given = parser.parse_args()
    ratios = []
    for _ in range(given.pairs):
        with tempfile.TemporaryDirectory() as folder:
            mine, other = ours(Path(folder), given.rows), theirs(Path(folder), given.rows)
        ratios.append(mine / other)
        print(
            f"metrics/s: etm_lightning {mine:,.0f} · MlflowClient.log_batch {other:,.0f} · {ratios[-1]:.2f}"
        )
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
