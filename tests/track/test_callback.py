"""The callback that Lightning adds by itself harms nobody."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, WandbLogger
from lightning.pytorch.tuner.tuning import Tuner

from etm_lightning import ETMCallback, ETMLogger
from etm_lightning.layout import run_folders
from etm_lightning.store.store import Store
from tests.track.lines import QUIET, Line, below, ends, logger_in, points, rows, trainer

pytestmark = QUIET


def ours(run: pl.Trainer) -> list[Callback]:
    return [callback for callback in run.callbacks if isinstance(callback, ETMCallback)]  # type: ignore[attr-defined]


def test_every_trainer_has_one_unless_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(ours(trainer(False))) == 1
    monkeypatch.setenv("ETM_AUTO", "0")
    assert len(ours(trainer(False))) == 0


def test_a_list_of_callbacks_can_be_used_again(tmp_path: Path) -> None:
    callbacks: list[Callback] = []
    for place in ("a", "b"):
        logger = logger_in(tmp_path / place)
        trainer(logger, callbacks=callbacks).fit(Line())
        assert [p[2] for p in points(logger.folder, "train/loss")] == [0, 1, 2, 3]
        assert ends(logger.folder) == ["finished"]


def test_an_explicit_one_beside_the_automatic_one_changes_nothing(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    explicit: Any = ETMCallback()
    run = trainer(logger, callbacks=[explicit], log_every_n_steps=50)
    run.fit(Line())
    assert len(ours(run)) == 2
    assert [p[2] for p in points(logger.folder, "train/loss")] == [3]
    assert ends(logger.folder) == ["finished"]


def test_a_wandb_logger_beside_our_sink_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = WandbLogger(save_dir=tmp_path, mode="disabled")
    for sink, times in ("tensorboard", 0), ("wandb", 1):
        ours = ETMLogger("p", tmp_path, sinks=[sink], shipper=False)
        run = trainer([theirs, ours])
        run.fit(Line())
        run.test(Line(), verbose=False)
        assert caplog.text.count("W&B will show two runs") == times
    theirs.experiment.finish()
    trainer(ETMLogger("p", tmp_path, sinks=["wandb"], shipper=False)).fit(Line())
    assert caplog.text.count("W&B will show two runs") == 1


def saved(place: Path, logger: Any, **options: Any) -> dict[str, Any]:
    """The checkpoint of a training with `logger`, as it is loaded by default: with weights only."""
    checkpoint = ModelCheckpoint(place, **options)
    trainer(logger, callbacks=[checkpoint], enable_checkpointing=True).fit(Line())
    loaded: dict[str, Any] = torch.load(checkpoint.best_model_path, weights_only=True)
    return loaded


def shape(value: Any) -> Any:
    """Keys and types of nested dicts."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return type(value).__name__


def test_without_our_logger_a_checkpoint_is_as_if_we_were_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = saved(tmp_path / "with", CSVLogger(tmp_path / "csv"))
    monkeypatch.setenv("ETM_AUTO", "0")
    without = saved(tmp_path / "without", CSVLogger(tmp_path / "csv"))
    assert str(shape(installed)).replace("/with'", "/without'") == str(shape(without))
    assert "etm" not in installed


def test_with_our_logger_a_checkpoint_gains_one_plain_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logger_in(tmp_path / "store")
    with_us = saved(tmp_path / "a", logger)
    monkeypatch.setenv("ETM_AUTO", "0")
    without = saved(tmp_path / "a2", logger_in(tmp_path / "store"))
    assert set(with_us) - set(without) == {"etm"}
    [mark] = with_us["etm"]
    assert (mark["project"], mark["run"], mark["attempt"]) == ("p", logger.version, 1)
    assert mark["checkpoint"]
    assert len(with_us["callbacks"]) == len(without["callbacks"]) == 1


def test_checkpoints_of_weights_only_gain_nothing_and_are_recorded(tmp_path: Path) -> None:
    logger = logger_in(tmp_path / "store")
    checkpoint = ModelCheckpoint(tmp_path / "a", save_weights_only=True, monitor="val/loss", save_top_k=-1)
    trainer(logger, max_epochs=2, callbacks=[checkpoint], enable_checkpointing=True).fit(Line())
    assert "etm" not in torch.load(checkpoint.best_model_path, weights_only=True)
    views = Store(tmp_path / "store").run("latest").checkpoints
    assert [(view.monitor, view.path) for view in views] == [
        ("val/loss", str(tmp_path / "a" / f"epoch={n}-step={4 * n + 4}.ckpt")) for n in (0, 1)
    ]
    assert [view.best for view in views] == [False, True]


def test_every_checkpoint_is_recorded_with_its_place_and_score(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    options: dict[str, Any] = {"monitor": "val/loss", "save_top_k": 2, "save_last": True}
    checkpoint = ModelCheckpoint(**options)
    run = trainer(logger, max_epochs=3, callbacks=[checkpoint], enable_checkpointing=True)
    run.fit(Line())
    stored = Store(tmp_path).run("latest")
    scores = {view.path: view.score for view in stored.checkpoints if view.score is not None}
    kept = {
        str(Path(path).relative_to(logger.log_dir)): score.item()
        for path, score in checkpoint.best_k_models.items()
    }
    assert kept.items() <= scores.items()
    assert "checkpoints/last.ckpt" in {view.path for view in stored.checkpoints}
    best = stored.best_checkpoint
    assert best is not None
    assert stored.file(best.path) == Path(checkpoint.best_model_path)
    assert stored.headline["val/loss"] == best.score


def test_a_checkpoint_saved_by_hand_says_where_it_is_from(tmp_path: Path) -> None:
    logger = logger_in(tmp_path / "store")
    run = trainer(logger)
    run.fit(Line())
    run.save_checkpoint(tmp_path / "x.ckpt")
    [mark] = torch.load(tmp_path / "x.ckpt", weights_only=True)["etm"]
    assert mark["run"] == logger.version
    Line.load_from_checkpoint(tmp_path / "x.ckpt")


def test_two_of_our_loggers_are_two_runs_and_go_on_as_two(tmp_path: Path) -> None:
    def loggers() -> list[Any]:
        return [logger_in(tmp_path / "a"), logger_in(tmp_path / "b"), logger_in(tmp_path / "b")]

    first, second = loggers(), loggers()
    run = trainer(first)
    run.fit(Line())
    run.save_checkpoint(tmp_path / "x.ckpt")
    for logger in first:
        assert [p[2] for p in points(logger.folder, "train/loss")] == [0, 1, 2, 3]
    trainer(second, max_epochs=2).fit(Line(), ckpt_path=tmp_path / "x.ckpt")
    assert [logger.version for logger in second] == [logger.version for logger in first]
    assert len(list(run_folders(tmp_path / "b"))) == 2
    for logger in second:
        assert [p[2] for p in points(logger.folder, "train/loss")] == list(range(8))


def test_finding_a_learning_rate_leaves_no_trace_in_the_run(tmp_path: Path) -> None:
    logger = logger_in(tmp_path / "store")
    run = trainer(logger, default_root_dir=tmp_path)
    model = Line(batches=8)
    Tuner(run).lr_find(model, num_training=4, attr_name="lr")
    assert below(tmp_path) == []
    run.fit(model)
    assert [p[2] for p in points(logger.folder, "train/loss")] == list(range(8))
    assert ends(logger.folder) == ["finished"]


def test_a_fast_dev_run_writes_nothing(tmp_path: Path) -> None:
    trainer(logger_in(tmp_path / "store"), fast_dev_run=True, default_root_dir=tmp_path).fit(Line())
    assert below(tmp_path) == []


def test_hooks_that_cannot_be_understood_do_not_stop_the_training(tmp_path: Path) -> None:
    logger = logger_in(tmp_path / "store")
    run = trainer(logger)
    run.fit(Line())
    run.save_checkpoint(tmp_path / "x.ckpt")
    good = torch.load(tmp_path / "x.ckpt", weights_only=True)
    nameless = [{"project": "", "run": "", "attempt": 1, "checkpoint": ""}]
    everything_strange: list[Any] = [{"run": "x"}, [3], [{}], nameless]
    for strange in everything_strange:
        bad = copy.copy(good) | {"etm": strange}
        torch.save(bad, tmp_path / "bad.ckpt")
        other = logger_in(tmp_path / "store")
        trainer(other, max_epochs=2).fit(Line(), ckpt_path=tmp_path / "bad.ckpt")
        assert [row.step for row in rows(other.folder) if "train/loss" in row.values] == [4, 5, 6, 7]


def test_an_installation_that_is_broken_does_not_break_lightning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "etm_lightning.track.on_lightning", None)
    assert len(ours(trainer(False))) == 0
    assert "etm_lightning cannot follow this Trainer" in caplog.text
