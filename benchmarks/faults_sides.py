"""Ours and its peers under the same faults: how each is opened, logged to and read back.

`python benchmarks/faults_sides.py write SIDE FOLDER SECONDS PAUSE [FULL_AT FREE_AT]` logs one value per call
and notes each call that returned, how long it took and whether it raised; `… read SIDE FOLDER` prints how
many points are readable.
"""

from __future__ import annotations

import contextlib
import csv
import math
import os
import shutil
import struct
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

Log = Callable[[int, float], object]
Close = Callable[[], object]
ROW = 40
"""Bytes of a note: what was accepted, the seconds, and whether the call raised."""


def ours(folder: Path) -> tuple[Log, Close]:
    from etm_lightning import ETMLogger

    helper = os.environ.get("FAULTS_HELPER") == "1"
    sink = {"sink": "tensorboard"} if helper else None
    if uri := os.environ.get("FAULTS_SERVER"):
        sink = {"sink": "mlflow", "tracking_uri": uri}
    logger = ETMLogger(
        "faults",
        save_dir=folder,
        version="r1",
        sinks=[sink] if sink else None,
        shipper=bool(sink),
        finish_timeout=2.0,
    )

    def log(step: int, value: float) -> None:  # as Lightning calls it
        logger.log_metrics({"train/loss": value}, step)
        logger.save()

    return log, lambda: logger.finalize("success")


def tensorboard(folder: Path) -> tuple[Log, Close]:
    from lightning.pytorch.loggers import TensorBoardLogger

    logger = TensorBoardLogger(folder, name="tb", version="")

    def log(step: int, value: float) -> None:
        logger.log_metrics({"train/loss": value}, step)
        logger.save()

    return log, lambda: logger.finalize("success")


def csvlogger(folder: Path) -> tuple[Log, Close]:
    from lightning.pytorch.loggers import CSVLogger

    logger = CSVLogger(folder, name="csv", version="")

    def log(step: int, value: float) -> None:
        logger.log_metrics({"train/loss": value}, step)
        if step % 100 == 99:  # as its `flush_logs_every_n_steps` has it
            logger.save()

    return log, logger.save


def wandb(folder: Path) -> tuple[Log, Close]:
    import wandb as client

    settings = client.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True)
    run = client.init(project="faults", dir=str(folder), mode="offline", settings=settings)
    return lambda step, value: run.log({"train/loss": value, "trainer/global_step": step}), run.finish


def mlflow(folder: Path) -> tuple[Log, Close]:
    import mlflow as client

    client.set_tracking_uri(os.environ.get("FAULTS_SERVER") or f"sqlite:///{folder}/mlflow.db")
    if "FAULTS_SERVER" not in os.environ:
        client.start_run(experiment_id=client.create_experiment("faults", artifact_location=str(folder)))
        return lambda step, value: client.log_metric("train/loss", value, step=step), client.end_run
    peer = client.MlflowClient()
    return lambda step, value: peer.log_metric("0" * 32, "train/loss", value, step=step), lambda: None


SIDES = {
    "ours": ours,
    "TensorBoard": tensorboard,
    "CSVLogger": csvlogger,
    "W&B offline": wandb,
    "MLflow sqlite": mlflow,
}


# -- reading ------------------------------------------------------------------------------------------------


def read(side: str, folder: Path) -> int:
    """How many points a reader of that side finds with the value that was logged, each counted once."""
    readers = {
        "ours": _ours,
        "TensorBoard": _tensorboard,
        "CSVLogger": _csv,
        "W&B offline": _wandb,
        "MLflow sqlite": _mlflow,
    }
    found = readers[side](folder)
    return len({step for step, value in found if math.isclose(value, 1.0 / (step + 1), rel_tol=1e-6)})


def _ours(folder: Path) -> Iterator[tuple[int, float]]:
    from etm_lightning.layout import RunFolder
    from etm_lightning.store.run import StoredRun

    run = StoredRun(RunFolder(folder / "faults" / "r1"))
    yield from ((point.step, point.value) for point in run.series("train/loss"))


def _tensorboard(folder: Path) -> Iterator[tuple[int, float]]:
    from tensorboard.backend.event_processing import event_accumulator

    sizes = event_accumulator.STORE_EVERYTHING_SIZE_GUIDANCE
    found = event_accumulator.EventAccumulator(str(folder / "tb"), sizes).Reload()
    if "train/loss" in found.Tags()["scalars"]:
        yield from ((point.step, point.value) for point in found.Scalars("train/loss"))


def _csv(folder: Path) -> Iterator[tuple[int, float]]:
    path = folder / "csv" / "metrics.csv"
    if path.exists():
        with path.open(newline="", errors="replace") as file:
            for row in csv.DictReader(line.replace("\0", "") for line in file):
                with contextlib.suppress(ValueError, TypeError):
                    yield int(row["step"]), float(row["train/loss"])


def _wandb(folder: Path) -> Iterator[tuple[int, float]]:
    """Its own records in LevelDB's log; after damage on with the next block, as its own reader does."""
    from wandb.proto import wandb_internal_pb2

    for path in folder.glob("wandb/offline-run-*/run-*.wandb"):
        data, place = path.read_bytes(), 7
        part: bytes | None = None  # of a record that goes over several chunks; None after damage
        while place + 7 <= len(data):
            left = 32768 - place % 32768
            checksum, size, kind = struct.unpack("<IHB", data[place : place + 7]) if left >= 7 else (0, 0, 9)
            body = data[place + 7 : place + 7 + size]
            if left < 7 or zlib.crc32(bytes([kind]) + body) != checksum:
                place, part = place + left, part if left < 7 else None
                continue
            place += 7 + size
            part = body if kind in (1, 2) else None if part is None else part + body
            if kind in (1, 4) and part is not None:
                record = wandb_internal_pb2.Record.FromString(part)
                if record.HasField("history"):
                    history = record.history
                    items = {"".join(item.nested_key) or item.key: item.value_json for item in history.item}
                    yield int(history.step.num), float(items["train/loss"])


def _mlflow(folder: Path) -> Iterator[tuple[int, float]]:
    import mlflow as client

    if (folder / "mlflow.db").exists():
        peer = client.MlflowClient(f"sqlite:///{folder}/mlflow.db")
        experiment = peer.get_experiment_by_name("faults")
        for run in peer.search_runs([experiment.experiment_id]) if experiment else []:
            history = peer.get_metric_history(run.info.run_id, "train/loss")
            yield from ((point.step, point.value) for point in history)


# -- logging ------------------------------------------------------------------------------------------------


def write(side: str, folder: Path, seconds: float, pause: float, full_at: float, free_at: float) -> None:
    """Log for so long; between `full_at` and `free_at` the disk of `folder` is full."""
    if between := os.environ.get("FAULTS_SLOW"):
        stand_still(*map(float, between.split(",")))
    notes = os.open(os.environ["FAULTS_NOTES"], os.O_WRONLY | os.O_CREAT)
    log, close = SIDES[side](folder)
    begin, step, ballast = time.monotonic(), 0, folder / "ballast"
    while (now := time.monotonic() - begin) < seconds:
        if full_at and now >= full_at:
            full_at = 0.0
            fill(ballast)
        if free_at and now >= free_at:
            free_at = 0.0
            ballast.unlink()
        called, raised = time.perf_counter(), 0
        try:
            log(step, 1.0 / (step + 1))
        except Exception:  # whatever a peer raises is counted: that is the figure
            raised = 1
        os.pwrite(
            notes, b"%d %.6f %d %.3f\n" % (step + 1, time.perf_counter() - called, raised, now), ROW * step
        )
        step += 1
        time.sleep(pause)
    try:
        close()
    except Exception as error:
        print("at the end:", type(error).__name__, file=sys.stderr)


def stand_still(begin: float, end: float) -> None:
    """From now on each write of our journal between these two Unix times takes half a second more."""
    from etm_lightning.disk import LocalDisk

    def slow(fd: int, data: bytes) -> int:
        if begin < time.time() < end:
            time.sleep(0.5)
        return os.write(fd, data)

    LocalDisk.write = staticmethod(slow)


def fill(path: Path) -> None:
    """Take all the room that the disk has."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


def main() -> None:
    warnings.simplefilter("ignore")
    what, side, folder, *numbers = sys.argv[1:]
    if what == "read":
        print(read(side, Path(folder)))
        return
    seconds, pause, full_at, free_at = map(float, [*numbers, "0", "0"][:4])
    write(side, Path(folder), seconds, pause, full_at, free_at)
    if copy := os.environ.get("FAULTS_COPY"):
        shutil.copytree(folder, copy, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
