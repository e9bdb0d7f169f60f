"""Killed with TensorBoard, W&B and MLflow on: `etm sync` brings the rest; each has all that was logged."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from etm_lightning.share.sync import status
from tests.contracts import case_mlflow, case_tensorboard, case_wandb
from tests.contracts.case import Curves
from tests.contracts.databases import lay
from tests.faults.training import ROOT, Training, curve, wait_until

Start = Callable[..., Training]
Points = list[tuple[int, float]]
SINKS = ("tensorboard", "wandb", "mlflow")


def losses(curves: Curves) -> Points:
    return list(curves.get("train/loss", []))


def as_floats(points: Points) -> Points:
    """As TensorBoard's files hold them: 32 bits."""
    return [(step, struct.unpack("f", struct.pack("f", value))[0]) for step, value in points]


def sync(training: Training) -> None:
    command = [sys.executable, "-m", "etm_lightning", "sync", "r1", "--store", str(training.store)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kill", range(100))
def test_killed_at_a_random_moment_every_real_sink_is_complete(
    start: Start, tmp_path: Path, kill: int
) -> None:
    database = lay(tmp_path / "mlflow.db")
    sinks = {
        "tensorboard": {"sink": "tensorboard"},
        "wandb": {"sink": "wandb", "mode": "offline"},
        "mlflow": {"sink": "mlflow", "tracking_uri": database},
    }
    training = start(tmp_path, pause=0.005, sinks=sinks)
    time.sleep(random.Random(kill).uniform(0.0, 12.0))
    if kill % 4 == 3 and (shipper := training.shipper()):  # now and then nobody is left to deliver
        shipper.kill()
    training.kill()
    killed = time.monotonic()
    wait_until(lambda: training.run.status == "crashed", 10.0)
    assert time.monotonic() - killed < 10.0
    wait_until(lambda: training.shipper() is None, 120.0)
    late = {synced.sink: synced.behind for synced in status(training.run)}
    sync(training)
    assert {synced.sink: synced.behind for synced in status(training.run)} == dict.fromkeys(SINKS, 0)
    recorded = [(point.step, point.value) for point in training.run.series("train/loss")]
    assert len(recorded) - training.accepted() in (0, 1)  # the last may have been accepted and not said to be
    assert recorded == curve(len(recorded))
    folder = training.folder
    assert losses(case_tensorboard.read(folder)) == as_floats(recorded)
    assert losses(case_wandb.curves(folder)) == recorded
    assert losses(case_mlflow.read(folder)) == recorded
    print(f"killed after {len(recorded)} values; the shipper left {late} to be delivered by hand")
