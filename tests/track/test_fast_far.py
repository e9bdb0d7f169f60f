"""Values of `fast_log` on a device that answers late, and on a real one where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from etm_lightning import fast_log
from etm_lightning.records import Alert, Checkpoint, Scalars
from etm_lightning.track.fast.rows import MOST_COPIES, Lag, Place, Row
from tests.track.fast_lines import WAYS, Distant, FarLog, Given, seen, trained
from tests.track.lines import QUIET, logger_in, of_kind, points, records, trainer

pytestmark = QUIET


def row(step: int, value: float) -> Row:
    return Row(Place("train", "step", step, 0), {}, ["loss"], torch.tensor([value]), True, False)


def test_rows_of_one_step_are_one_copy_and_come_in_order() -> None:
    device = Distant(calls=3)
    written: list[Row] = []
    lag = Lag(device.start, written.append)
    for step in range(20):
        lag.put(row(step, step))
        lag.put(row(step, -step))
    assert device.copies == [2] * 19
    assert [(each.place.step, each.values["loss"]) for each in written[:3]] == [(0, 0), (0, 0), (1, 1)]
    assert device.waits == []
    lag.wait()
    assert [each.place.step for each in written] == [step for step in range(20) for _ in range(2)]
    assert len(lag) == 0


def test_copies_that_never_arrive_are_waited_for_rather_than_kept() -> None:
    device = Distant(calls=10**9)
    written: list[Row] = []
    lag = Lag(device.start, written.append)
    for step in range(500):
        lag.put(row(step, step))
    assert len(lag) <= MOST_COPIES + 2
    assert len(written) >= 500 - MOST_COPIES - 2


class Looks(Given):
    """Looks at the journal from within the step."""

    def __init__(self, logger: Any) -> None:
        super().__init__(fast_log)
        self.logger_of, self.found = logger, []  # type: ignore[var-annotated]

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        self.found.append([point[2] for point in points(self.logger_of.folder, "train/loss")])
        return loss


def test_near_values_are_in_the_journal_when_the_call_returns(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    module = Looks(logger)
    trainer(logger).fit(module)
    assert module.found == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]


def test_far_values_come_later_and_the_training_waits_only_at_the_end_of_an_epoch(tmp_path: Path) -> None:
    logger, device = logger_in(tmp_path), Distant(calls=0)
    module = Looks(logger)
    trainer(logger, callbacks=[FarLog(device)]).fit(module)
    assert module.found == [[], [0], [0, 1], [0, 1, 2]]
    assert device.waits == [0]
    assert len(points(logger.folder, "train/loss")) == 4


def test_steps_between_rows_cost_no_copy(tmp_path: Path) -> None:
    device = Distant()
    options: dict[str, Any] = {"callbacks": [FarLog(device)], "log_every_n_steps": 4, "limit_val_batches": 0}
    trained(tmp_path, Given(fast_log, batches=16), **options)
    assert device.copies == [1] * 8


def test_what_a_checkpoint_has_seen_comes_before_its_mark(tmp_path: Path) -> None:
    logger, device = logger_in(tmp_path), Distant(calls=10**6)
    save = ModelCheckpoint(tmp_path / "saved", every_n_train_steps=3, save_top_k=-1)
    callbacks: list[Any] = [FarLog(device), save]
    trainer(logger, callbacks=callbacks, enable_checkpointing=True).fit(Given(fast_log, batches=8))
    steps: list[int] = []
    marks = []
    for item in records(logger.folder):
        if isinstance(item, Scalars) and "train/loss" in item.values:
            steps.append(item.step)
        elif isinstance(item, Checkpoint) and not item.path:
            marks.append((item.step, list(steps)))
    assert marks[0][0] == 2
    assert all(set(range(step)) <= set(before) for step, before in marks)
    assert len(marks) >= 2


class Fails(Given):
    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 2:
            raise ArithmeticError("of the user")


def test_an_exception_still_brings_what_is_under_way(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    with pytest.raises(ArithmeticError, match="of the user"):
        trainer(logger, callbacks=[FarLog(Distant(calls=10**6))]).fit(Fails(fast_log))
    assert [point[2] for point in points(logger.folder, "train/loss")] == [0, 1, 2]


def test_a_device_that_fails_hides_neither_the_error_nor_what_is_lost(tmp_path: Path) -> None:
    class Broken(Distant):
        def start(self, vectors: Any) -> Any:
            raise RuntimeError("device-side assert")

    logger = logger_in(tmp_path)
    with pytest.raises(RuntimeError, match="device-side assert"):
        trainer(logger, callbacks=[FarLog(Broken())]).fit(Given(fast_log))
    [alert] = of_kind(logger.folder, Alert)
    assert alert.text == "rows of `fast_log` that stayed on the device: 1 (device-side assert)"


def test_a_far_progress_bar_follows_the_rows(tmp_path: Path) -> None:
    options = {"prog_bar": True, "on_step": True, "on_epoch": True}
    near = trained(tmp_path / "near", Given(fast_log, options))
    far = trained(tmp_path / "far", Given(fast_log, options), callbacks=[FarLog(Distant())])
    assert far.bar == pytest.approx(near.bar)


@pytest.mark.parametrize("far", [False, True], ids=["near", "far"])
def test_every_kind_of_number_is_taken_exactly(tmp_path: Path, far: bool) -> None:
    given: dict[str, Any] = {
        "half": torch.tensor(0.1, dtype=torch.float16),
        "brain": torch.tensor(0.1, dtype=torch.bfloat16),
        "double": torch.tensor(1 / 3, dtype=torch.float64),
        "whole": torch.tensor(7, dtype=torch.int32),
        "truth": torch.tensor(True),
        "one": torch.tensor([0.5]),
        "square": torch.tensor([[0.25]]),
        "graph": torch.tensor(2.0, requires_grad=True) * 3,
        "nan": torch.tensor(float("nan")),
        "inf": torch.tensor(float("-inf")),
        "float": 0.1,
        "int": 3,
        "bool": True,
    }

    class Kinds(Given):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            for name, value in given.items():
                fast_log(self, {f"one/{name}": value}, on_step=True, on_epoch=True)
            fast_log(self, given, on_step=True, on_epoch=True)
            return self.loss(batch)

    callbacks: list[Any] = [FarLog(Distant())] if far else []
    found = trained(tmp_path, Kinds(fast_log), callbacks=callbacks, max_epochs=1, limit_val_batches=0)
    values = {point[-1]: value for point, value in zip(found.points, found.values, strict=True)}
    for name, value in given.items():
        expected = float(value.detach() if isinstance(value, torch.Tensor) else value)
        for prefix in ("", "one/"):
            assert values[f"{prefix}{name}_step"] == pytest.approx(expected, rel=0, nan_ok=True), name
            assert values[f"{prefix}{name}_epoch"] == pytest.approx(expected, rel=1e-7, nan_ok=True), name


# -- on a GPU -----------------------------------------------------------------------------------------------

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class OnGPU(Given):
    """Raises on whatever makes the host wait for the device within a step."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = self.loss(batch)
        torch.cuda.set_sync_debug_mode("error")
        try:
            values = {"train/loss": loss, "train/half": loss.half(), "train/rate": 0.1}
            fast_log(self, values, on_step=True, on_epoch=True, prog_bar=True)
            fast_log(self, {"train/again": loss.detach()})
        finally:
            torch.cuda.set_sync_debug_mode("default")
        return loss


@gpu
@pytest.mark.parametrize("every", [1, 5])
def test_a_step_on_a_gpu_never_waits_for_it(tmp_path: Path, every: int) -> None:
    logger = logger_in(tmp_path)
    run = trainer(logger, accelerator="gpu", max_epochs=2, log_every_n_steps=every)
    run.fit(OnGPU(fast_log, batches=40))
    found = seen(logger.folder, run)
    steps = [point[2] for point in found.points if point[-1] == "train/loss_step"]
    assert steps == [step for step in range(80) if (step + 1) % every == 0]
    assert found.callback["train/loss_epoch"] > 0


@gpu
def test_a_training_on_a_gpu_leaves_what_self_log_leaves(tmp_path: Path) -> None:
    options = {"on_step": True, "on_epoch": True}
    slow, fast = (
        trained(tmp_path / name, Given(give, options, batches=40), accelerator="gpu", log_every_n_steps=5)
        for name, give in WAYS.items()
    )
    assert fast.points == slow.points
    assert fast.values == pytest.approx(slow.values, rel=1e-5)
    assert fast.callback == pytest.approx(slow.callback, rel=1e-5)
