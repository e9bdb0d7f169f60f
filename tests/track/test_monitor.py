"""A monitor has one method, and every logger of the Trainer receives its numbers."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from etm_lightning import Monitor
from tests.track.lines import QUIET, Line, logger_in, points, trainer
from tests.track.test_values import TwoOptimizers

pytestmark = QUIET


class GradientNorm(Monitor):  # type: ignore[misc,unused-ignore]
    on = "before_optimizer_step"
    every_n_steps = 2

    def measure(self, trainer: Any, module: Any) -> Mapping[str, float]:
        return {"grad/norm": float(torch.nn.utils.get_total_norm([p.grad for p in module.parameters()]))}


class WeightNorm(Monitor):  # type: ignore[misc,unused-ignore]
    every_n_steps = 3

    def measure(self, trainer: Any, module: Any) -> Mapping[str, float]:
        return {"weight/norm": module.line.weight.norm().item()}


class Learned(Monitor):  # type: ignore[misc,unused-ignore]
    every_n_steps = 1

    def measure(self, trainer: Any, module: Any) -> Mapping[str, float]:
        return {"slope": module.line.weight.item(), "offset": module.line.bias.item()}


def test_monitors_reach_csv_logger_without_ours(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path)
    callbacks: list[Any] = [GradientNorm(), WeightNorm(), Learned()]
    trainer(logger, max_epochs=2, callbacks=callbacks, limit_val_batches=0).fit(Line())
    with Path(logger.experiment.metrics_file_path).open(newline="") as file:
        found = list(csv.DictReader(file))

    def steps(name: str) -> list[tuple[str, str]]:
        return [(row["step"], row["epoch"]) for row in found if row[name]]

    assert steps("grad/norm") == [("0", "0"), ("2", "0"), ("4", "1"), ("6", "1")]
    assert [int(step) for step, _ in steps("weight/norm")] == [0, 3, 6]
    assert [int(step) for step, _ in steps("slope")] == list(range(8))
    assert all(row["offset"] for row in found if row["slope"])


def test_monitors_reach_ours_on_the_axis_of_steps(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    trainer(logger, callbacks=[WeightNorm()], accumulate_grad_batches=2).fit(Line(batches=8))
    assert points(logger.folder, "weight/norm") == [("train", "step", n, 0) for n in (0, 3)]


def test_a_monitor_measures_once_a_step_whatever_the_optimizers(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    trainer(logger, callbacks=[GradientNorm()]).fit(TwoOptimizers())
    assert [p[2] for p in points(logger.folder, "grad/norm")] == [0, 2]


def test_a_monitor_that_is_used_again_begins_anew(tmp_path: Path) -> None:
    monitor: Any = WeightNorm()
    for place in ("a", "b"):
        logger = logger_in(tmp_path / place)
        trainer(logger, callbacks=[monitor], max_steps=1).fit(Line())
        assert [p[2] for p in points(logger.folder, "weight/norm")] == [0]


def test_a_monitor_without_its_method_says_which() -> None:
    class Empty(Monitor):  # type: ignore[misc,unused-ignore]
        every_n_steps = 1

    with pytest.raises(NotImplementedError, match="`Empty` must define `measure"):
        trainer(False, callbacks=[Empty()], limit_val_batches=0).fit(Line())
