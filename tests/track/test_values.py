"""Every number has the name, step, epoch, stage and axis that Lightning gave it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities.types import STEP_OUTPUT

from tests.track.lines import QUIET, Line, Row, ends, loader, logger_in, names, points, rows, trainer

pytestmark = QUIET


class Everything(Line):
    """Logs in all the ways there are."""

    def training_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
        loss = self.loss(batch)
        self.log("train/loss", loss, on_step=True, on_epoch=True, prog_bar=True)
        self.log("train/only_epoch", 2 * loss, on_step=False, on_epoch=True)
        self.log_dict({"train/third": loss / 3, "train/steps": float(self.global_step)})
        return loss

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> STEP_OUTPUT:
        loss = self.loss(batch)
        self.log("val/loss", loss, on_step=True, on_epoch=True)
        self.log("val/epoch_only", loss)
        return loss

    def test_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
        self.log("test/loss", self.loss(batch), on_step=True, on_epoch=True)
        return None


class SeveralLoaders(Everything):
    def val_dataloader(self) -> Any:
        return [loader(2), loader(3)]


class EpochAxis(Line):
    def training_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
        loss = self.loss(batch)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        self.log("step", float(self.current_epoch), on_step=False, on_epoch=True)
        return loss


class TwoOptimizers(Line):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
        loss = self.loss(batch)
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            optimizer.step()
        self.log("train/loss", loss)
        return None

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD([self.line.weight], lr=0.1), torch.optim.SGD([self.line.bias], lr=0.1)]


class Scheduled(Everything):
    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)]


def in_csv(logger: CSVLogger) -> list[tuple[int, int | None, dict[str, float]]]:
    with Path(logger.experiment.metrics_file_path).open(newline="") as file:
        found = []
        for row in csv.DictReader(file):
            values = {name: float(text) for name, text in row.items() if text}
            epoch = values.pop("epoch", None)
            found.append((int(values.pop("step")), None if epoch is None else int(epoch), values))
    return found


def in_journal(logger: Any) -> list[tuple[int, int | None, dict[str, float]]]:
    return [(row.step, row.epoch, row.values) for row in rows(logger.folder)]


@pytest.mark.parametrize("first", [True, False], ids=["csv first", "csv last"])
@pytest.mark.parametrize(
    ("module", "options"),
    [
        (Line, {}),
        (Everything, {"log_every_n_steps": 2}),
        (Everything, {"accumulate_grad_batches": 2, "max_epochs": 3}),
        (SeveralLoaders, {"val_check_interval": 2}),
        (EpochAxis, {"max_epochs": 3}),
        (TwoOptimizers, {}),
        (Scheduled, {"max_epochs": 3, "callbacks": LearningRateMonitor}),
    ],
    ids=["plain", "everything", "accumulated", "loaders", "epoch axis", "two optimizers", "learning rate"],
)
def test_it_records_exactly_what_csv_logger_got_and_leaves_that_as_it_was(
    module: Callable[[], Line], options: dict[str, Any], first: bool, tmp_path: Path
) -> None:
    def fit(place: str, ours: list[Any]) -> CSVLogger:
        options_now = {k: v() if callable(v) else v for k, v in options.items()}
        csv_logger = CSVLogger(tmp_path / place, version="v")
        run = trainer(
            [csv_logger, *ours] if first else [*ours, csv_logger], **{"max_epochs": 2, **options_now}
        )
        model = module()
        run.fit(model)
        run.test(model, verbose=False)
        return csv_logger

    logger = logger_in(tmp_path / "store")
    alone, beside = fit("alone", []), fit("beside", [logger])
    assert in_csv(beside) == in_journal(logger)
    assert len(in_journal(logger)) > 3
    assert contents(alone) == contents(beside)
    assert logger.failures == 0


def contents(logger: CSVLogger) -> dict[str, bytes]:
    folder = Path(logger.log_dir)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_stages_and_axes_are_kept_apart(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    run = trainer(logger, max_epochs=2)
    model = Everything()
    run.fit(model)
    run.validate(model, verbose=False)
    run.test(model, verbose=False)
    folder = logger.folder
    assert points(folder, "train/loss_step") == [("train", "step", n, n // 4) for n in range(8)]
    assert points(folder, "train/loss_epoch") == [("train", "step", n, n // 4) for n in (3, 7)]
    assert points(folder, "val/epoch_only") == [
        ("validate", "step", 3, 0),
        ("validate", "step", 7, 1),
        ("validate", "step", 8, 2),
    ]
    batches = [("validate", "eval_batch", n, None) for n in (0, 1, 2, 3, 0, 1)]
    assert points(folder, "val/loss_step") == batches
    assert points(folder, "test/loss_step") == [("test", "eval_batch", n, None) for n in (0, 1)]
    assert points(folder, "test/loss_epoch") == [("test", "step", 8, 2)]
    assert not any("epoch" in row.values or "step" in row.values for row in rows(folder))


def test_each_dataloader_counts_its_own_batches(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    trainer(logger).fit(SeveralLoaders())
    for loader_idx, batches in ((0, 2), (1, 3)):
        found = points(logger.folder, f"val/loss_step/dataloader_idx_{loader_idx}")
        assert found == [("validate", "eval_batch", n, None) for n in range(batches)]


def test_what_a_model_logs_itself_in_an_evaluation_keeps_the_step_it_gives(tmp_path: Path) -> None:
    class Own(Everything):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> STEP_OUTPUT:
            logger: Any = self.logger
            logger.log_metrics({"val/own": 1.0}, step=batch_idx)
            return super().validation_step(batch, batch_idx)

    logger = logger_in(tmp_path)
    trainer(logger).fit(Own())
    assert points(logger.folder, "val/own") == [("validate", "step", n, None) for n in (0, 1)]


def test_the_sanity_check_leaves_no_value(tmp_path: Path) -> None:
    class Eager(Line):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> STEP_OUTPUT:
            logger: Any = self.logger
            seen.append(self.trainer.sanity_checking)
            logger.log_metrics({"metrics/sane": float(not self.trainer.sanity_checking)}, step=batch_idx)
            logger.experiment.log({"run/sane": float(not self.trainer.sanity_checking)}, step=batch_idx)
            logger.experiment.log_table("table", ["sane"], [[not self.trainer.sanity_checking]])
            return super().validation_step(batch, batch_idx)

    seen: list[bool] = []
    logger = logger_in(tmp_path)
    trainer(logger, num_sanity_val_steps=2).fit(Eager())
    assert seen == [True, True, False, False]
    for name in ("metrics/sane", "run/sane"):
        assert [row.values[name] for row in rows(logger.folder) if name in row.values] == [1.0, 1.0]
    assert [path.read_bytes() for path in logger.folder.media.iterdir()] == [
        b'{"columns":["sane"],"rows":[[true]]}'
    ]


def test_a_sanity_check_that_fails_is_a_failed_run(tmp_path: Path) -> None:
    class Broken(Line):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> STEP_OUTPUT:
            raise ValueError("validation is broken")

    logger = logger_in(tmp_path)
    with pytest.raises(ValueError, match="validation is broken"):
        trainer(logger).fit(Broken())
    assert ends(logger.folder) == ["failed"]


def losses(logger: Any, name: str = "train/loss") -> list[tuple[int, int | None, float]]:
    return [(row.step, row.epoch, row.values[name]) for row in rows(logger.folder) if name in row.values]


@pytest.mark.parametrize("name", ["train/loss", "train/loss_step"])
def test_an_epoch_shorter_than_the_interval_shows_the_loss_of_its_last_step(
    name: str, tmp_path: Path
) -> None:
    module = Line if name == "train/loss" else Everything
    every = logger_in(tmp_path / "every")
    trainer(every, max_epochs=3).fit(module())
    seldom = logger_in(tmp_path / "seldom")
    trainer(seldom, max_epochs=3, log_every_n_steps=50).fit(module())
    assert losses(seldom, name) == [row for row in losses(every, name) if row[0] in (3, 7, 11)]
    assert names(rows(seldom.folder)) == names(rows(every.folder))


def test_only_epochs_without_a_logged_step_get_one(tmp_path: Path) -> None:
    """4 batches an epoch and an interval of 6: Lightning logs steps 5, 11, 17, 23."""
    logger = logger_in(tmp_path)
    trainer(logger, max_epochs=6, log_every_n_steps=6).fit(Line())
    assert [row[:2] for row in losses(logger)] == [(3, 0), (5, 1), (11, 2), (15, 3), (17, 4), (23, 5)]


def test_a_learning_rate_logged_by_epoch_does_not_hide_the_loss(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    monitor = LearningRateMonitor(logging_interval="epoch")
    run = trainer(logger, max_epochs=2, log_every_n_steps=50, callbacks=[monitor])
    run.fit(Scheduled())
    assert [row[0] for row in losses(logger, "train/loss_step")] == [3, 7]


def test_a_short_epoch_with_a_step_of_its_own_keeps_it(tmp_path: Path) -> None:
    class OwnStep(Line):
        def training_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
            loss = self.loss(batch)
            self.log_dict({"train/loss": loss, "step": 100.0 + self.global_step})
            return loss

    logger = logger_in(tmp_path)
    trainer(logger, log_every_n_steps=50).fit(OwnStep())
    assert [row[:2] for row in losses(logger)] == [(103, None)]


def test_a_short_epoch_counts_accumulated_steps(tmp_path: Path) -> None:
    every, seldom = logger_in(tmp_path / "every"), logger_in(tmp_path / "seldom")
    for logger, interval in ((every, 1), (seldom, 50)):
        trainer(logger, max_epochs=2, accumulate_grad_batches=2, log_every_n_steps=interval).fit(Line())
    assert losses(seldom) == [row for row in losses(every) if row[0] in (1, 3)]


def test_values_are_the_ones_lightning_computed(tmp_path: Path) -> None:
    class Watched(Line):
        def training_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
            loss = super().training_step(batch, batch_idx)
            assert isinstance(loss, torch.Tensor)
            seen.append(loss.item())
            return loss

    seen: list[float] = []
    logger = logger_in(tmp_path)
    trainer(logger).fit(Watched())
    assert [Row("train", "step", n, 0, {"train/loss": value}) for n, value in enumerate(seen)] == [
        row for row in rows(logger.folder) if row.stage == "train"
    ]


def test_the_row_of_a_batch_at_which_training_was_told_to_stop_is_there_once(tmp_path: Path) -> None:
    class Told(Line):
        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            self.trainer.should_stop = batch_idx == 2

    csv_logger, logger = CSVLogger(tmp_path / "csv", version="v"), logger_in(tmp_path / "store")
    trainer([csv_logger, logger], log_every_n_steps=50, limit_val_batches=0).fit(Told())
    assert [row[0] for row in in_journal(logger)] == [2]
    assert in_csv(csv_logger) == in_journal(logger)
