"""What a sink costs the companion for each scalar, beside what the peer's own client costs a training.

    python benchmarks/sinks.py [--sinks tensorboard] [--steps 5000]

Ours reads the values from a journal on disk and has them safely in the sink at the end; the peer gets them
from memory. Each is a process of its own, whose start does not count; the better of two is shown.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

Row = dict[str, float]


def rows(steps: int, width: int) -> list[Row]:
    return [{f"train/metric_{i}": 1 / (step + i + 1) for i in range(width)} for step in range(steps)]


def delivery(sink: str, folder: Path, values: list[Row]) -> Callable[[], None]:
    """Ours: the whole journal of a run, to one sink."""
    from etm_lightning import Run
    from etm_lightning.track.shipping.delivery import Delivery

    run = Run("bench", save_dir=folder, shipper=False)
    run.start()
    one = Delivery(run.folder, sink, {"sink": sink})
    one.advance()
    for step, row in enumerate(values):
        run.log(row, step=step, epoch=0)
    run.end()

    def work() -> None:
        while one.advance():
            pass
        assert not one.error, one.error

    return work


def summary_writer(folder: Path, values: list[Row]) -> Callable[[], None]:
    """TensorBoard's peer: what TensorBoardLogger calls for each scalar."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder))

    def work() -> None:
        for step, row in enumerate(values):
            for name, value in row.items():
                writer.add_scalar(name, value, step)
        writer.close()

    return work


def mlflow_client(folder: Path, values: list[Row]) -> Callable[[], None]:
    """MLflow's peer: its own client with a database file, as many values a call as it takes."""
    import mlflow
    from mlflow.entities import Metric

    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    run = client.create_run(client.create_experiment("bench", (folder / "artifacts").as_uri())).info.run_id

    def work() -> None:
        now = int(time.time() * 1000)
        metrics = [
            Metric(name, value, now, step) for step, row in enumerate(values) for name, value in row.items()
        ]
        for begin in range(0, len(metrics), 1000):
            client.log_batch(run, metrics=metrics[begin : begin + 1000])

    return work


PEERS = {"tensorboard": summary_writer, "mlflow": mlflow_client}
"""By sink, what is measured beside it."""


def measure(sink: str, who: str, steps: int, width: int) -> dict[str, float]:
    """Scalars a second and CPU µs for each, in this process."""
    values = rows(steps, width)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work = delivery(sink, folder, values) if who == "ours" else PEERS[sink](folder, values)
        begin, spent = time.perf_counter(), time.process_time()
        work()
        begin, spent = time.perf_counter() - begin, time.process_time() - spent
    return {"rate": steps * width / begin, "cpu": spent / (steps * width) * 1e6}


def apart(sink: str, who: str, steps: int, width: int) -> dict[str, float]:
    """`measure` in a process of its own, the better of two."""
    order = json.dumps([sink, who, steps, width])
    command = [sys.executable, "-W", "ignore", __file__, "--measure", order]
    found = [json.loads(subprocess.check_output(command).splitlines()[-1]) for _ in range(2)]
    return max(found, key=lambda one: one["rate"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sinks", default=",".join(PEERS), help="which of " + ", ".join(PEERS))
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(*json.loads(given.measure))))
        return
    print(f"{'sink':16}{'values a step':>14}  {'':6}{'scalars/s':>12}{'CPU µs/scalar':>16}")
    for sink in given.sinks.split(","):
        for width in (1, 10):
            ours, peer = (apart(sink, who, given.steps, width) for who in ("ours", "peer"))
            for who, found in (("ours", ours), ("peer", peer)):
                print(f"{sink:16}{width:14}  {who:6}{found['rate']:12,.0f}{found['cpu']:16.1f}")
            faster, cheaper = ours["rate"] / peer["rate"], peer["cpu"] / ours["cpu"]
            print(f"{sink:16}{width:14}  {'ratio':6}{faster:12.2f}{cheaper:16.2f}")


if __name__ == "__main__":
    main()
