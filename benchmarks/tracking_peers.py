"""How each tracker is opened, fed, closed and read: one function for its life, one that counts what it kept.

A life yields three times: when the tracker is imported, its way to log the row of a step when it is open, and
when it is closed. It runs with the interpreter of the peer, which may have nothing else installed, so this
module imports the standard library only. What samples the machine or the code is turned off everywhere.
"""

from __future__ import annotations

import csv
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, float]
Log = Callable[[Row, int], object]
Life = Iterator[Log | None]


class Peer(NamedTuple):
    """Where a tracker comes from and how it is driven."""

    title: str
    package: str
    live: Callable[[Path], Life]
    read: Callable[[Path], int]
    pinned: str = ""
    """The version for an environment of its own, of a peer whose needs do not go with this project's pins."""


# -- ours --------------------------------------------------------------------------------------------------


def ours(folder: Path) -> Life:
    from etm_lightning import Run

    yield None
    run = Run("bench", save_dir=folder, shipper=False)
    run.start()
    yield lambda row, step: run.log(row, step=step, epoch=0)
    run.end()
    yield None


def ours_logger(folder: Path) -> Life:
    """What Lightning calls."""
    from etm_lightning import ETMLogger

    yield None
    logger = ETMLogger("bench", folder, shipper=False)

    def log(row: Row, step: int) -> None:
        logger.log_metrics(row, step)
        logger.save()

    yield log
    logger.finalize("success")
    yield None


def read_ours(folder: Path) -> int:
    from etm_lightning import Store

    return sum(len(series.columns()["step"]) for run in Store(folder).runs() for series in run.all_series())


def ours_journal(folder: Path) -> Life:
    """The append of a row alone, for a disk that is well and a run that is open."""
    import time

    from etm_lightning.journal import Journal

    yield None
    journal = Journal(folder / "journal", run="bench", attempt=1)

    def log(row: Row, step: int) -> None:
        assert journal.append_row(time.time(), step, "step", 0, "train", row) is not None

    yield log
    journal.close()
    yield None


def read_journal(folder: Path) -> int:
    from etm_lightning.reading import follow, writers
    from etm_lightning.records import Scalars

    records = (record for segments in writers(folder / "journal").values() for _, record in follow(segments))
    return sum(len(record.values) for record in records if isinstance(record, Scalars))


# -- Lightning's own ---------------------------------------------------------------------------------------


def lightning_csv(folder: Path) -> Life:
    from lightning.pytorch.loggers import CSVLogger

    yield None
    logger = CSVLogger(folder)

    yield logger.log_metrics
    logger.finalize("success")
    yield None


def lightning_csv_saved(folder: Path) -> Life:
    """What Lightning calls: a `save` after each row."""
    from lightning.pytorch.loggers import CSVLogger

    yield None
    logger = CSVLogger(folder)

    def log(row: Row, step: int) -> None:
        logger.log_metrics(row, step)
        logger.save()

    yield log
    logger.finalize("success")
    yield None


def read_csv(folder: Path) -> int:
    count = 0
    for path in folder.rglob("metrics.csv"):
        with path.open(newline="") as file:
            rows = csv.DictReader(file)
            count += sum(bool(row[name]) for row in rows for name in row if name.startswith("train/"))
    return count


# -- TensorBoard -------------------------------------------------------------------------------------------


def tensorboard(folder: Path) -> Life:
    from torch.utils.tensorboard import SummaryWriter

    yield None
    yield from _summaries(SummaryWriter(str(folder)))


def tensorboardx(folder: Path) -> Life:
    from tensorboardX import SummaryWriter

    yield None
    yield from _summaries(SummaryWriter(str(folder)))


def _summaries(writer: Any) -> Life:
    def log(row: Row, step: int) -> None:
        for name, value in row.items():
            writer.add_scalar(name, value, step)

    yield log
    writer.close()
    yield None


def read_events(folder: Path) -> int:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    return sum(len(events.Scalars(tag)) for tag in tags["scalars"]) + sum(
        len(events.Tensors(tag)) for tag in tags["tensors"]
    )


# -- W&B and SwanLab, whose files are logs of 32 KiB blocks ------------------------------------------------


def wandb(folder: Path) -> Life:
    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_CONSOLE="off")
    import wandb

    yield None
    settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True)
    run = wandb.init(project="bench", dir=str(folder), settings=settings)
    yield lambda row, step: run.log(row, step=step)
    run.finish()
    yield None


def read_wandb(folder: Path) -> int:
    """By W&B's own messages; its own reader of offline files is for its server's use."""
    from wandb.proto import wandb_internal_pb2

    count = 0
    for path in folder.rglob("run-*.wandb"):
        for record in _blocks(path.read_bytes()):
            message = wandb_internal_pb2.Record.FromString(record)
            count += sum((i.key or i.nested_key[0]).startswith("train/") for i in message.history.item)
    return count


def swanlab(folder: Path) -> Life:
    import swanlab

    yield None
    swanlab.init(project="bench", mode="offline", log_dir=str(folder))
    yield lambda row, step: swanlab.log(row, step=step)
    swanlab.finish()
    yield None


def read_swanlab(folder: Path) -> int:
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record

    count = 0
    for path in folder.rglob("*.swanlab"):
        count += sum(Record.FromString(record).HasField("scalar") for record in _blocks(path.read_bytes()))
    return count


def _blocks(data: bytes, block: int = 32 << 10, head: int = 7) -> Iterator[bytes]:
    """The records of LevelDB's log format, up to the first that is not whole."""
    place, part = head, b""
    while place + head <= len(data):
        left = block - place % block
        if left < head:
            place += left
            continue
        checksum, size, kind = struct.unpack("<IHB", data[place : place + head])
        body = data[place + head : place + head + size]
        if zlib.crc32(bytes([kind]) + body) != checksum:
            return
        place += head + size
        part = body if kind in (1, 2) else part + body
        if kind in (1, 4):
            yield part


# -- databases ---------------------------------------------------------------------------------------------


def mlflow(folder: Path) -> Life:
    import mlflow

    yield None
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_experiment("bench")
    mlflow.start_run()
    yield lambda row, step: mlflow.log_metrics(row, step=step)
    mlflow.end_run()
    yield None


def read_mlflow(folder: Path) -> int:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    ids = [experiment.experiment_id for experiment in client.search_experiments()]
    return sum(
        len(client.get_metric_history(run.info.run_id, name))
        for run in client.search_runs(ids)
        for name in run.data.metrics
    )


def trackio(folder: Path) -> Life:
    os.environ["TRACKIO_DIR"] = str(folder)
    import trackio

    yield None
    trackio.init(project="bench", auto_log_gpu=False, auto_log_cpu=False, embed=False)
    yield lambda row, step: trackio.log(row, step=step)
    trackio.finish()
    yield None


def read_trackio(folder: Path) -> int:
    os.environ["TRACKIO_DIR"] = str(folder)
    from trackio.sqlite_storage import SQLiteStorage

    return sum(
        name.startswith("train/")
        for run in SQLiteStorage.get_runs("bench")
        for row in SQLiteStorage.get_logs("bench", run)
        for name in row
    )


def aim(folder: Path) -> Life:
    from aim import Run

    yield None
    options = {"system_tracking_interval": None, "log_system_params": False, "capture_terminal_logs": False}
    run = Run(repo=str(folder), **options)

    def log(row: Row, step: int) -> None:
        for name, value in row.items():
            run.track(value, name=name, step=step)

    yield log
    run.close()
    yield None


def read_aim(folder: Path) -> int:
    """A run that was not closed is invisible until it is opened for writing, which is done here."""
    from aim import Run

    off = {"system_tracking_interval": None, "log_system_params": False, "capture_terminal_logs": False}
    count = 0
    for chunk in (folder / ".aim" / "meta" / "chunks").iterdir():
        run = Run(chunk.name, repo=str(folder), force_resume=True, **off)
        count += sum(len(metric.values.sparse_list()[1]) for metric in run.metrics())
        run.close()
    return count


def neptune(folder: Path) -> Life:
    from neptune_scale import Run

    yield None
    run = Run(
        project="bench/bench",
        run_id="bench",
        mode="offline",
        log_directory=str(folder),
        enable_console_log_capture=False,
        source_tracking_config=None,
    )
    yield lambda row, step: run.log_metrics(data=row, step=step)
    run.close()
    yield None


def read_neptune(folder: Path) -> int:
    from neptune_scale.sync.operations_repository import OperationsRepository

    count = 0
    for path in folder.rglob("*.sqlite3"):
        operations = OperationsRepository(db_path=path).get_operations(up_to_bytes=1 << 40)
        count += sum(len(getattr(one.operation, "append", ())) for one in operations)
    return count


def goodseed(folder: Path) -> Life:
    os.environ["GOODSEED_HOME"] = str(folder)
    import goodseed

    yield None
    run = goodseed.Run(project="bench", storage="local")
    yield lambda row, step: run.log_metrics(row, step=step)
    run.close()
    yield None


def read_goodseed(folder: Path) -> int:
    import sqlite3

    count = 0
    for path in folder.rglob("*.sqlite"):
        with sqlite3.connect(path) as database:
            count += database.execute(
                "select count(*) from metric_points join metric_series on id = series_id"
                " where path like 'train/%'"
            ).fetchone()[0]
    return count


# -- text files --------------------------------------------------------------------------------------------


def comet(folder: Path) -> Life:
    import comet_ml

    yield None
    kept = ("code", "graph", "git_metadata", "git_patch", "env_details")
    off = {**{f"log_{what}": False for what in kept}, "auto_output_logging": False, "parse_args": False}
    run = comet_ml.OfflineExperiment(project_name="bench", offline_directory=str(folder), **off)
    yield lambda row, step: run.log_metrics(row, step=step)
    run.end()
    yield None


def read_comet(folder: Path) -> int:
    """The lines for the upload, which a killed process leaves where they were being collected."""
    return sum(
        line.endswith(b"\n") and json.loads(line)["type"] == "metric_msg"
        for path in folder.rglob("messages.json")
        for line in path.read_bytes().splitlines(keepends=True)
    )


def clearml(folder: Path) -> Life:
    from clearml import Task

    yield None
    Task.set_offline(True)
    off = {"auto_connect_arg_parser": False, "auto_connect_streams": False, "auto_resource_monitoring": False}
    task = Task.init("bench", "bench", auto_connect_frameworks={"detect_repository": False}, **off)
    logger = task.get_logger()

    def log(row: Row, step: int) -> None:
        for name, value in row.items():
            logger.report_scalar(name, name, value, step)

    yield log
    task.close()
    yield None


def read_clearml(folder: Path) -> int:
    count = 0
    for path in folder.rglob("metrics.jsonl"):
        for line in path.read_bytes().splitlines(keepends=True):
            count += len(json.loads(line)) if line.endswith(b"\n") else 0
    return count


def dvclive(folder: Path) -> Life:
    from dvclive import Live

    yield None
    live = Live(str(folder / "dvclive"), save_dvc_exp=False, monitor_system=False, report=None)

    def log(row: Row, step: int) -> None:
        live.step = step
        for name, value in row.items():
            live.log_metric(name, value)
        live.next_step()

    yield log
    live.end()
    yield None


def read_dvclive(folder: Path) -> int:
    lines = (len(path.read_text().splitlines()) for path in folder.rglob("*.tsv"))
    return sum(count - 1 for count in lines)


PEERS = {
    "ours": Peer("etm_lightning Run.log", "etm-lightning", ours, read_ours),
    "ours-journal": Peer("Journal.append_row alone", "etm-lightning", ours_journal, read_journal),
    "ours-logger": Peer("ETMLogger log_metrics+save", "etm-lightning", ours_logger, read_ours),
    "csv": Peer("Lightning CSVLogger", "lightning", lightning_csv, read_csv),
    "csv-saved": Peer("CSVLogger log_metrics+save", "lightning", lightning_csv_saved, read_csv),
    "trackio": Peer("Trackio", "trackio", trackio, read_trackio, "0.43.0"),
    "wandb": Peer("W&B, offline", "wandb", wandb, read_wandb),
    "swanlab": Peer("SwanLab, offline", "swanlab", swanlab, read_swanlab, "0.10.3"),
    "neptune": Peer("Neptune Scale, offline", "neptune-scale", neptune, read_neptune, "0.30.0"),
    "comet": Peer("Comet, offline", "comet_ml", comet, read_comet),
    "clearml": Peer("ClearML, offline", "clearml", clearml, read_clearml),
    "tensorboard": Peer("TensorBoard", "tensorboard", tensorboard, read_events),
    "tensorboardx": Peer("tensorboardX", "tensorboardX", tensorboardx, read_events),
    "goodseed": Peer("GoodSeed", "goodseed", goodseed, read_goodseed),
    "aim": Peer("Aim", "aim", aim, read_aim, "3.29.1"),
    "dvclive": Peer("DVCLive", "dvclive", dvclive, read_dvclive, "3.49.1"),
    "mlflow": Peer("MLflow, SQLite", "mlflow", mlflow, read_mlflow),
}
