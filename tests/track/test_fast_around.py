"""Where `fast_log` works, what it refuses, and what it says then."""

from __future__ import annotations

import copy
import gc
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.fabric import Fabric
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.tuner.tuning import Tuner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torchmetrics import MeanMetric

from etm_lightning import fast_log
from etm_lightning.track.fast.rows import Row
from etm_lightning.track.on_lightning import FastLog
from tests.track.fast_lines import Distant, FarLog, Given, Late, keep_plain, trained
from tests.track.lines import QUIET, Line, logger_in, points, trainer

pytestmark = QUIET


class Logs(Line):
    """Logs `values`, with `options`, in the hook `hook`, beside its loss."""

    def __init__(self, values: Any, hook: str = "training_step", **options: Any) -> None:
        super().__init__()
        keep_plain(self)
        self.give = partial(fast_log, self, values, **options)
        if hook != "training_step":
            setattr(self, hook, self.give)
        self.hook = hook

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        if self.hook == "training_step":
            self.give()
        return self.loss(batch)


REFUSED: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "a vector": ({"loss": torch.ones(3)}, {}, ValueError, r"`values\['loss'\]` .* has the shape \(3,\)"),
    "vectors": ({"a": torch.ones(3), "b": torch.ones(3)}, {}, ValueError, r"`values\['a'\]` .* shape \(3,\)"),
    "one of many": ({"a": 1.0, "b": torch.ones(2)}, {}, ValueError, r"`values\['b'\]` .* shape \(2,\)"),
    "nothing": ({"loss": torch.ones(0)}, {}, ValueError, r"`values\['loss'\]` .* shape \(0,\)"),
    "a complex one": (
        {"loss": torch.tensor(1j)},
        {},
        ValueError,
        r"`values\['loss'\]` must be one real",
    ),
    "a text": ({"loss": "low"}, {}, ValueError, r"`values\['loss'\]` must be a number, .* but got a str"),
    "None": ({"loss": None}, {}, ValueError, r"`values\['loss'\]` must be .* but got a NoneType"),
    "nested": (
        {"loss": {"a": 1.0}},
        {},
        ValueError,
        r"`values\['loss'\]` must be .* but got a dict",
    ),
    "an array": ({"loss": np.ones(3)}, {}, ValueError, r"`values\['loss'\]` must be a number.* a ndarray"),
    "a number": (
        1.0,
        {},
        TypeError,
        "`values` must be a mapping .* but got float; give one value as {name: ",
    ),
    "a name": ({3: 1.0}, {}, TypeError, "`values` must have texts as names but got 3"),
    "a loader": (
        {"a/dataloader_idx_0": 1.0},
        {},
        ValueError,
        "`values` must have names without the number",
    ),
    "no level": (
        {"a": 1.0},
        {"on_step": False},
        ValueError,
        "`on_step` and `on_epoch` must not both",
    ),
    "a median": (
        {"a": 1.0},
        {"reduce_fx": "median"},
        ValueError,
        "`reduce_fx` must be one of mean, sum",
    ),
    "its own": ({"a": 1.0}, {"reduce_fx": np.max}, ValueError, "`reduce_fx` .*log a `torchmetrics.Metric`"),
}


@pytest.mark.parametrize(("values", "options", "kind", "words"), REFUSED.values(), ids=REFUSED)
def test_a_mistake_is_raised_with_the_name_of_the_metric(
    tmp_path: Path, values: Any, options: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        trainer(CSVLogger(tmp_path), limit_val_batches=0).fit(Logs(values, **options))


def test_one_name_cannot_be_logged_in_two_ways(tmp_path: Path) -> None:
    class Torn(Line):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            fast_log(self, {"a": 1.0, "b": 1.0}, on_epoch=batch_idx == 0)
            return self.loss(batch)

    with pytest.raises(ValueError, match=r"`values\['a'\]` is logged twice in `training_step` with"):
        trainer(logger_in(tmp_path), limit_val_batches=0).fit(Torn())


@pytest.mark.parametrize("hook", ["configure_optimizers", "on_train_end", "on_fit_start"])
def test_hooks_that_may_not_log_refuse_as_lightning_does(tmp_path: Path, hook: str) -> None:
    with pytest.raises(MisconfigurationException, match=r"You can't `self\.log"):
        trainer(logger_in(tmp_path)).fit(Logs({"a": 1.0}, hook=hook))


def test_outside_a_hook_is_told() -> None:
    module = Given(fast_log)
    run = trainer(False, limit_val_batches=0)
    run.fit(module)
    module._current_fx_name = None
    with pytest.raises(RuntimeError, match="`fast_log` must be called in a hook or a step"):
        fast_log(module, {"a": 1.0})


def test_without_a_trainer_nothing_is_logged_and_that_is_told() -> None:
    with pytest.warns(UserWarning, match="`fast_log` logs nothing: no Trainer trains this `module` yet"):
        fast_log(Line(), {"a": 1.0})
    with pytest.raises(TypeError, match="`module` must be a LightningModule but got Linear"):
        fast_log(torch.nn.Linear(1, 1), {"a": 1.0})


def test_fabric_is_told_what_to_use_instead() -> None:
    fabric = Fabric(accelerator="cpu", devices=1)
    module = Line()
    fabric.setup(module)
    with pytest.raises(RuntimeError, match=r"Fabric trains this `module`; use `fabric.log_dict\(values\)`"):
        fast_log(module, {"a": 1.0})


def test_a_barebones_trainer_logs_nothing_and_that_is_told() -> None:
    run = pl.Trainer(barebones=True, accelerator="cpu", max_epochs=1, limit_val_batches=0)
    with pytest.warns(UserWarning, match="`fast_log` logs nothing with Trainer\\(barebones=True\\)"):
        run.fit(Logs({"a": 1.0}))


# -- surroundings -------------------------------------------------------------------------------------------


def paths(run: Any) -> list[FastLog]:
    return [callback for callback in run.callbacks if isinstance(callback, FastLog)]


def test_it_needs_neither_our_logger_nor_our_callback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETM_AUTO", "0")
    board = TensorBoardLogger(tmp_path)
    best = ModelCheckpoint(tmp_path / "saved", monitor="val/loss")
    run = trainer(board, callbacks=[best], enable_checkpointing=True, max_epochs=2)
    run.fit(Given(fast_log))
    assert float(best.best_model_score or 0) == pytest.approx(float(run.callback_metrics["val/loss"]))
    events = EventAccumulator(board.log_dir).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == list(range(8))
    assert [event.step for event in events.Scalars("val/loss")] == [3, 7]
    assert [event.value for event in events.Scalars("epoch")][:4] == [0, 0, 0, 0]


def test_a_failing_logger_of_another_kind_fails_the_training_as_ever(tmp_path: Path) -> None:
    class Full(CSVLogger):
        def log_metrics(self, metrics: Any, step: Any = None) -> None:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        trainer(Full(tmp_path)).fit(Given(fast_log))


def test_a_search_for_a_learning_rate_works_and_leaves_nothing(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    run = trainer(logger, default_root_dir=tmp_path)
    module = Given(fast_log, batches=30)
    found = Tuner(run).lr_find(module, num_training=20, early_stop_threshold=None)
    assert found is not None
    assert len(found.results["loss"]) == 20
    assert found.suggestion()
    run.fit(module)
    assert [point[2] for point in points(logger.folder, "train/loss")] == list(range(30))


def test_a_second_fit_and_a_test_begin_anew(tmp_path: Path) -> None:
    run = trainer(logger_in(tmp_path), max_epochs=1)
    module = Given(fast_log, {"on_epoch": True})
    run.fit(module)
    first = {name: float(value) for name, value in run.callback_metrics.items()}
    run.fit_loop.max_epochs = 2
    run.fit(module)
    assert len(paths(run)) == 1
    assert float(run.callback_metrics["train/loss_epoch"]) != first["train/loss_epoch"]
    run.test(module, verbose=False)
    assert {name for name in run.callback_metrics if name.startswith(("train", "val"))} == set()


def test_an_epoch_that_was_interrupted_adds_nothing_to_the_next(tmp_path: Path) -> None:
    class Stumbles(Given):
        stumbled = False

        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            if not self.stumbled:
                self.stumbled = True
                raise ArithmeticError

    module = Stumbles(fast_log, {"on_epoch": True, "reduce_fx": "sum"})
    run = trainer(False, limit_val_batches=0)
    with pytest.raises(ArithmeticError):
        run.fit(module)
    module.give = fast_log
    run.fit(module)
    assert float(run.callback_metrics["train/share_epoch"]) == pytest.approx(0.4)


def test_names_that_change_are_forgotten_with_the_epoch(tmp_path: Path) -> None:
    class Changing(Line):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.loss(batch)
            fast_log(self, {f"loss/{self.trainer.global_step}": loss})
            return loss

    run = trainer(logger_in(tmp_path), max_epochs=3, limit_val_batches=0)
    run.fit(Changing(batches=50))
    [path] = paths(run)
    assert path.calls.plans == {}


def test_nothing_of_it_is_copied_or_saved_with_a_trainer(tmp_path: Path) -> None:
    run = trainer(logger_in(tmp_path), limit_val_batches=0)
    run.fit(Given(fast_log))
    [path] = paths(run)
    for twin in (copy.deepcopy(path), pickle.loads(pickle.dumps(path))):
        assert twin.calls is None
    run.save_checkpoint(tmp_path / "last.ckpt")
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert not any("FastLog" in key for key in saved["callbacks"])


def test_a_long_epoch_keeps_neither_rows_nor_tensors(tmp_path: Path) -> None:
    class Counts(Given):
        alive: list[int] = []  # noqa: RUF012

        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx in (20, 190):
                gc.collect()
                kinds = (torch.Tensor, Row, Late)
                self.alive.append(sum(type(one) in kinds for one in gc.get_objects()))

    gc.freeze()  # what the whole session holds need not be counted each time
    try:
        for name, callbacks in {"near": [], "far": [FarLog(Distant())]}.items():
            module = Counts(fast_log, {"on_epoch": True, "on_step": True}, batches=200)
            run = trainer(logger_in(tmp_path / name), limit_val_batches=0, callbacks=callbacks)
            run.fit(module)
    finally:
        gc.unfreeze()
    for before, after in zip(Counts.alive[::2], Counts.alive[1::2], strict=True):
        assert after <= before + 4


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")
def test_a_compiled_module_logs_the_same(tmp_path: Path) -> None:
    class Compiled(Given):
        def __init__(self) -> None:
            super().__init__(fast_log)
            self.graphs = 0

        def backend(self, graph: Any, inputs: Any) -> Any:
            self.graphs += 1
            return graph.forward

    eager = trained(tmp_path / "eager", Given(fast_log), limit_val_batches=0)
    module = Compiled()
    step = module.training_step
    module.training_step = torch.compile(step, backend=module.backend)  # type: ignore[method-assign]
    compiled = trained(tmp_path / "compiled", module, limit_val_batches=0)
    torch._dynamo.reset()
    assert module.graphs >= 1
    assert compiled.points == eager.points
    assert compiled.values == pytest.approx(eager.values, rel=1e-6)


def test_a_collection_of_metrics_goes_as_lightning_lets_it(tmp_path: Path) -> None:
    from torchmetrics import MetricCollection

    class Collected(Line):
        def __init__(self) -> None:
            super().__init__()
            self.both = MetricCollection({"a": MeanMetric(), "b": MeanMetric()}, prefix="val/")

        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            self.both.update(self.loss(batch))
            fast_log(self, self.both)

    logger = logger_in(tmp_path)
    run = trainer(logger)
    run.fit(Collected())
    assert run.callback_metrics["val/a"] == run.callback_metrics["val/b"] > 0
    assert points(logger.folder, "val/a") == [("validate", "step", 3, 0)]
