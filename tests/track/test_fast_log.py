"""`fast_log` beside `self.log`: the same module, the same rows, the same decisions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torchmetrics import MeanMetric
from torchmetrics.classification import BinaryAccuracy

from tests.track.fast_lines import WAYS, Distant, FarLog, Given, Seen, Way, ragged, seen, trained, unadvised
from tests.track.lines import QUIET, logger_in, trainer

pytestmark = QUIET


def both(place: Path, make: Callable[[Way], Any], **options: Any) -> Seen:
    """Train in both ways and expect the same: what was seen."""
    slow, fast = (trained(place / name, make(give), **options) for name, give in WAYS.items())
    same(slow, fast)
    return fast


def same(slow: Seen, fast: Seen) -> None:
    assert fast.points == slow.points
    assert fast.values == pytest.approx(slow.values, rel=1e-6)
    for one, other in zip(fast[2:5], slow[2:5], strict=True):
        assert one.keys() == other.keys()
        assert list(one.values()) == pytest.approx(list(other.values()), rel=1e-6)


TRAININGS = {
    "plain": {},
    "every 3": {"log_every_n_steps": 3},
    "none due": {"log_every_n_steps": 50},
    "accumulating": {"accumulate_grad_batches": 2, "log_every_n_steps": 2},
    "accumulating unevenly": {"accumulate_grad_batches": 3},
    "limited": {"limit_train_batches": 3, "limit_val_batches": 2},
    "half an epoch": {"max_steps": 6, "max_epochs": -1},
    "validating within": {"val_check_interval": 2},
    "validating seldom": {"check_val_every_n_epoch": 2},
    "without validation": {"limit_val_batches": 0},
    "without sanity check": {"num_sanity_val_steps": 0},
}


class Twice(Given):
    """Logs all values twice: with the defaults, and by steps and epochs."""

    def __init__(self, give: Way) -> None:
        def twice(module: Any, values: dict[str, Any], **options: Any) -> None:
            give(module, values)
            give(module, {f"{name}*": value for name, value in values.items()}, on_step=True, on_epoch=True)

        super().__init__(twice)


@pytest.mark.parametrize("options", TRAININGS.values(), ids=TRAININGS)
def test_a_training_leaves_the_same_wherever_its_values_are(tmp_path: Path, options: dict[str, Any]) -> None:
    near = both(tmp_path, Twice, **options)
    assert {"train/loss", "train/loss*_step"} <= {point[-1] for point in near.points}
    far = trained(tmp_path / "far", Twice(WAYS["fast"]), callbacks=[FarLog(Distant())], **options)
    same(near, far)


@pytest.mark.parametrize("reduce_fx", ["mean", "sum", "min", "max", torch.max, sum])
def test_every_reduction_comes_to_the_same(tmp_path: Path, reduce_fx: Any) -> None:
    both(tmp_path, lambda give: Given(give, {"on_epoch": True, "reduce_fx": reduce_fx}))


def test_a_batch_size_that_is_given_weighs(tmp_path: Path) -> None:
    class Weighed(Given):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            self.give(self, {"val/loss": self.loss(batch)}, batch_size=batch_idx + 1)

    both(tmp_path, Weighed)


def test_the_progress_bar_shows_steps_and_epochs(tmp_path: Path) -> None:
    found = both(tmp_path, lambda give: Given(give, {"prog_bar": True, "on_step": True, "on_epoch": True}))
    assert {"train/loss_step", "train/loss_epoch", "val/loss_epoch"} <= found.bar.keys()


def test_what_is_not_for_loggers_is_monitored_only(tmp_path: Path) -> None:
    found = both(tmp_path, lambda give: Given(give, {"logger": False, "on_epoch": True}))
    assert found.points == []
    assert "val/loss" in found.callback


def test_several_validation_loaders_keep_apart(tmp_path: Path) -> None:
    class Two(Given):
        def val_dataloader(self) -> Any:
            return [ragged(2), ragged(3)]

    found = both(tmp_path, lambda give: Two(give, {"on_step": True, "on_epoch": True}))
    assert {"val/loss_epoch/dataloader_idx_0", "val/loss/dataloader_idx_1"} <= found.callback.keys()


@pytest.mark.parametrize("entry", ["validate", "test"])
def test_an_evaluation_alone_returns_and_records_the_same(tmp_path: Path, entry: str) -> None:
    class Two(Given):
        def val_dataloader(self) -> Any:
            return [ragged(2), ragged(3)]

    results = []
    for name, give in WAYS.items():
        logger = logger_in(tmp_path / name)
        run = trainer(logger)
        with unadvised():
            returned = getattr(run, entry)(Two(give, {"on_step": True, "on_epoch": True}), verbose=False)
        results.append(seen(logger.folder, run, returned))
    same(*results)
    slow, fast = (result.more for result in results)
    assert [list(each) for each in fast] == [list(each) for each in slow]
    for one, other in zip(fast, slow, strict=True):
        assert one == pytest.approx(other, rel=1e-6)
    assert all(point[0] == ("validate" if entry == "validate" else "test") for point in results[1].points)


class Manual(Given):
    """Two optimizers, stepped by hand."""

    def __init__(self, give: Way) -> None:
        super().__init__(give, {"on_step": True, "on_epoch": True})
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            loss = self.loss(batch)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        self.give(self, {"train/loss": loss}, **self.options)

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD([weight], lr=0.1) for weight in self.parameters()]


def test_two_optimizers_stepped_by_hand(tmp_path: Path) -> None:
    both(tmp_path, Manual)


class Everywhere(Given):
    """Logs in hooks, too."""

    def on_train_start(self) -> None:
        self.give(self, {"at/start": 1.0})

    def on_train_epoch_start(self) -> None:
        self.give(self, {"at/epoch_start": 2.0})

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        self.give(self, {"at/batch_start": float(batch_idx)})

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        self.give(self, {"at/gradient": self.line.weight.grad.norm()}, on_epoch=True, on_step=True)  # type: ignore[union-attr]

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.give(self, {"at/batch_end": float(batch_idx)}, on_epoch=True, on_step=False, reduce_fx="max")

    def on_validation_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:  # type: ignore[override]
        self.give(self, {"at/val_batch": float(batch_idx)})

    def on_validation_epoch_end(self) -> None:
        self.give(self, {"at/val_end": self.trainer.callback_metrics["val/loss"] * 2})

    def on_train_epoch_end(self) -> None:
        self.give(self, {"at/epoch_end": float(self.current_epoch)})


def test_every_hook_may_log(tmp_path: Path) -> None:
    both(tmp_path, Everywhere)


class Measured(Given):
    """Logs metrics of torchmetrics."""

    def __init__(self, give: Way) -> None:
        super().__init__(give)
        self.seen, self.right, self.mean = MeanMetric(), BinaryAccuracy(), MeanMetric()

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = self.loss(batch)
        self.seen(loss)
        self.mean.update(loss.detach())
        self.give(self, {"train/loss": loss, "train/seen": self.seen}, on_epoch=True)
        self.give(self, {"train/mean": self.mean}, on_epoch=True, on_step=False)
        return loss

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        self.right(self.line(batch[0]).flatten(), (batch[1] > 0).int().flatten())
        self.give(self, {"val/right": self.right, "val/loss": self.loss(batch)})


def test_metrics_of_torchmetrics_are_computed_and_reset_by_lightning(tmp_path: Path) -> None:
    found = both(tmp_path, Measured, max_epochs=3)
    means = [
        value for point, value in zip(found.points, found.values, strict=True) if point[-1] == "train/mean"
    ]
    assert len(set(means)) == 3


def test_csv_logger_gets_the_same_cells(tmp_path: Path) -> None:
    cells = []
    for name, give in WAYS.items():
        logger = CSVLogger(tmp_path / name)
        trainer(logger, max_epochs=2, log_every_n_steps=2).fit(
            Given(give, {"on_step": True, "on_epoch": True})
        )
        lines = Path(logger.experiment.metrics_file_path).read_text().splitlines()
        names = lines[0].split(",")
        table = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
        cells.append(
            sorted(
                (key, int(row["step"]), row["epoch"], round(float(value), 5))
                for row in table
                for key, value in row.items()
                if value and key not in ("step", "epoch")
            )
        )
    assert cells[0] == cells[1]


# -- decisions ----------------------------------------------------------------------------------------------


class Decided(Given):
    """The learning rate is too high at first; a scheduler watches the loss of the training or validation."""

    def __init__(self, give: Way, watched: str, interval: str = "epoch", lr: float = 0.9) -> None:
        super().__init__(give, {"on_epoch": True, "prog_bar": True}, lr=lr)
        self.watched, self.interval = watched, interval
        self.rates: list[float] = []

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.3, threshold=0.3)
        scheduler = {"scheduler": plateau, "monitor": self.watched, "interval": self.interval}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


@pytest.mark.parametrize(
    ("watched", "options"),
    [
        ("val/loss", {}),
        ("val/loss", {"val_check_interval": 2}),
        ("train/loss", {}),
        ("train/loss_epoch", {"limit_val_batches": 0}),
    ],
)
def test_checkpoints_stopping_and_learning_rates_are_decided_alike(
    tmp_path: Path, watched: str, options: dict[str, Any]
) -> None:
    results = []
    for name, give in WAYS.items():
        at_end = watched.startswith("train")
        best = ModelCheckpoint(
            tmp_path / name, monitor=watched, filename="{epoch}-{step}", save_on_train_epoch_end=at_end
        )
        stop = EarlyStopping(watched, patience=4, min_delta=0.05, check_on_train_epoch_end=at_end)
        module = Decided(give, watched)
        more = {"callbacks": [stop, best], "enable_checkpointing": True, "max_epochs": 20, **options}
        same_way = trained(tmp_path / name / "store", module, **more)
        decisions = (Path(best.best_model_path).name, stop.stopped_epoch, stop.wait_count, module.rates)
        results.append((same_way, decisions, float(best.best_model_score or 0), float(stop.best_score)))
    same(results[0][0], results[1][0])
    assert results[1][1] == results[0][1]
    assert results[1][2:] == pytest.approx(results[0][2:], rel=1e-6)
    rates, stopped = results[1][1][3], results[1][1][1]
    assert len(set(rates)) > 1
    assert stopped


def test_decisions_within_an_epoch_are_alike(tmp_path: Path) -> None:
    results = []
    for name, give in WAYS.items():
        best = ModelCheckpoint(
            tmp_path / name, monitor="train/loss", every_n_train_steps=2, filename="{step}", save_top_k=2
        )
        module = Decided(give, "train/loss", interval="step", lr=0.3)
        more = {"callbacks": [best], "enable_checkpointing": True, "log_every_n_steps": 5, "max_epochs": 3}
        trained(tmp_path / name / "store", module, **more)
        kept = sorted(Path(path).name for path in best.best_k_models)
        results.append((Path(best.best_model_path).name, kept, module.rates))
    assert results[1] == results[0]
    assert len(set(results[1][2])) > 1


class Asks(Callback):
    """Wants to see the epoch's values in its own hook, before callbacks that come with packages."""

    def __init__(self) -> None:
        self.found: list[Any] = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.found.append(sorted((k, round(float(v), 5)) for k, v in trainer.callback_metrics.items()))

    on_validation_epoch_end = on_validation_end = on_train_epoch_end


def test_callbacks_find_the_same_values_at_the_same_time(tmp_path: Path) -> None:
    asked = []
    for name, give in WAYS.items():
        asks = Asks()
        trained(tmp_path / name, Given(give, {"on_epoch": True}), callbacks=[asks], max_epochs=3)
        asked.append(asks.found)
    assert asked[0] == asked[1]


def test_a_stop_at_the_last_batch_still_leaves_its_row(tmp_path: Path) -> None:
    class Stop(Callback):
        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            trainer.should_stop = trainer.should_stop or trainer.global_step == 5

    for options in ({}, {"limit_val_batches": 0}):
        more = {"callbacks": [Stop()], "log_every_n_steps": 4, "max_epochs": 4, **options}
        slow, fast = (
            trained(tmp_path / f"{name}{len(options)}", Given(give), **more) for name, give in WAYS.items()
        )
        assert fast.points == sorted(set(slow.points))
        assert [point[2] for point in fast.points if point[-1] == "train/loss"] == [3, 4]


def test_a_row_may_say_its_own_step(tmp_path: Path) -> None:
    class Stepped(Given):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.loss(batch)
            self.give(self, {"train/loss": loss, "step": 100.0 + batch_idx})
            return loss

    found = both(tmp_path, Stepped, max_epochs=1)
    assert [point[2] for point in found.points if point[-1] == "train/loss"] == [100, 101, 102, 103]


def test_a_sanity_check_leaves_nothing(tmp_path: Path) -> None:
    found = both(
        tmp_path, lambda give: Given(give, {"on_step": True, "on_epoch": True}), limit_train_batches=0
    )
    assert found.points == []
    assert found.callback == {}
