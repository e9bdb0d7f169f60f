"""A training that goes on from a checkpoint is the same run, unless it is another experiment."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from etm_lightning.layout import run_folders
from etm_lightning.records import Started
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from tests.track.lines import QUIET, Line, ends, logger_in, of_kind, only_run, rows, trainer
from tests.track.test_values import Everything

pytestmark = QUIET


class Crashing(Everything):
    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.global_step == 7:
            raise RuntimeError("out of luck")


def fit(logger: Any, model: Line, *, ckpt_path: Any = None, **options: Any) -> ModelCheckpoint:
    """Train with a checkpoint of the best epoch; the ModelCheckpoint."""
    checkpoint = ModelCheckpoint(**{"monitor": "val/loss", "save_top_k": -1, **options.pop("saving", {})})
    options = {"max_epochs": 3, **options}
    run = trainer(logger, callbacks=[checkpoint], enable_checkpointing=True, **options)
    run.fit(model, ckpt_path=ckpt_path)
    return checkpoint


def crashed(store: Path, saving: dict[str, Any] | None = None) -> tuple[Any, Path]:
    """A run that crashed in its second epoch, and the checkpoint of its first."""
    logger = logger_in(store)
    with pytest.raises(RuntimeError, match="out of luck"):
        fit(logger, Crashing(), saving=saving or {})
    return logger, next(logger.folder.checkpoints.glob("epoch=0*.ckpt"))


@pytest.mark.parametrize(
    "saving",
    [
        {"save_on_train_epoch_end": False},
        {"monitor": None},
        {"monitor": None, "every_n_train_steps": 2, "save_top_k": -1},
    ],
    ids=["after validation", "after the epoch", "within the epoch"],
)
def test_it_goes_on_as_the_next_attempt_and_its_curves_are_whole(
    saving: dict[str, Any], tmp_path: Path
) -> None:
    whole = logger_in(tmp_path / "whole")
    fit(whole, Everything())
    first, checkpoint = crashed(tmp_path / "store", saving)
    second = logger_in(tmp_path / "store")
    saved = fit(second, Everything(), ckpt_path=checkpoint, saving=saving)
    assert second.version == first.version
    assert Path(saved.dirpath or "") == first.folder.checkpoints
    assert [path.name for path in (tmp_path / "store" / "p").iterdir()] == [first.version]
    stored = Store(tmp_path / "store").run("latest")
    assert (stored.status, stored.attempts) == ("finished", 2)
    for name in ("train/third", "train/loss_epoch", "val/loss_epoch", "val/epoch_only"):
        expected = [(p.step, p.epoch) for p in Store(tmp_path / "whole").run("latest").series(name)]
        assert [(p.step, p.epoch) for p in stored.series(name)] == expected, name
    assert len(stored.series("train/third", superseded=True)) > len(stored.series("train/third"))
    [_, started] = of_kind(only_run(tmp_path / "store"), Started)
    mark = torch.load(checkpoint, weights_only=True)["etm"][0]["checkpoint"]
    assert (started.attempt, started.parent, started.checkpoint) == (2, 1, mark)


def test_the_best_checkpoints_of_the_first_attempt_are_known_to_the_second(tmp_path: Path) -> None:
    first, checkpoint = crashed(tmp_path)
    saved = fit(logger_in(tmp_path), Everything(), ckpt_path=checkpoint)
    assert str(checkpoint) in saved.best_k_models
    assert {Path(path).parent for path in saved.best_k_models} == {first.folder.checkpoints}


def test_a_longer_training_is_the_same_run(tmp_path: Path) -> None:
    first = logger_in(tmp_path)
    saved = fit(first, Line(), max_epochs=1)
    second = logger_in(tmp_path)
    fit(second, Line(), max_epochs=2, ckpt_path=saved.best_model_path)
    assert second.version == first.version
    assert [row.step for row in rows(first.folder) if "train/loss" in row.values] == list(range(8))


def test_settings_logged_before_the_training_do_not_make_a_fork(tmp_path: Path) -> None:
    first, second = logger_in(tmp_path), logger_in(tmp_path)
    for logger in (first, second):
        logger.log_hyperparams({"optimizer": {"name": "sgd"}, "seed": 1})
    saved = fit(first, Line(), max_epochs=1)
    fit(second, Line(), max_epochs=2, ckpt_path=saved.best_model_path)
    assert second.version == first.version


def test_settings_that_the_training_finds_out_do_not_make_a_fork(tmp_path: Path) -> None:
    class Finding(Line):
        def on_train_start(self) -> None:
            logger: Any = self.logger
            logger.log_hyperparams({"found": self.current_epoch})

    first, second = logger_in(tmp_path), logger_in(tmp_path)
    saved = fit(first, Finding(), max_epochs=1)
    fit(second, Finding(), max_epochs=2, ckpt_path=saved.best_model_path)
    assert second.version == first.version


def test_a_checkpoint_taken_just_before_a_failure_at_the_end_of_an_epoch_is_recorded(tmp_path: Path) -> None:
    class Failing(Line):
        def on_train_epoch_end(self) -> None:
            raise RuntimeError("at the end")

    logger = logger_in(tmp_path)
    with pytest.raises(RuntimeError, match="at the end"):
        fit(logger, Failing(), saving={"save_on_train_epoch_end": False})
    stored = Store(tmp_path).run("latest")
    assert stored.status == "failed"
    assert [view.path for view in stored.checkpoints] == ["checkpoints/epoch=0-step=4.ckpt"]


@pytest.mark.parametrize("other", ["settings", "version", "project", "store"])
def test_another_experiment_is_a_fork(other: str, tmp_path: Path) -> None:
    from etm_lightning import ETMLogger

    first, checkpoint = crashed(tmp_path / "store")
    second: Any = ETMLogger(
        "q" if other == "project" else "p",
        tmp_path / ("elsewhere" if other == "store" else "store"),
        version="mine" if other == "version" else None,
    )
    saved = fit(second, Everything(lr=0.01 if other == "settings" else 0.1), ckpt_path=checkpoint)
    assert second.version != first.version
    assert second.folder.identity().forked_from == first.version
    assert [started.parent for started in of_kind(second.folder, Started)] == [None]
    assert Path(saved.dirpath or "") == second.folder.checkpoints
    assert ends(first.folder) == ["failed"]
    assert {row.step for row in rows(second.folder) if "train/third" in row.values} == set(range(4, 12))


def test_a_run_that_is_still_running_is_not_taken(tmp_path: Path) -> None:
    """A forked child that has logged and waits is a running process of this host."""
    go, ready = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:
        logger = logger_in(tmp_path, version="first")
        fit(logger, Line(), max_epochs=1)
        logger.log_metrics({"still": 1.0}, 99)
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        os._exit(0)
    try:
        os.read(ready[0], 1)
        [checkpoint] = (tmp_path / "p" / "first" / "checkpoints").iterdir()
        second = logger_in(tmp_path)
        fit(second, Line(), max_epochs=2, ckpt_path=checkpoint)
        assert second.folder.identity().forked_from == "first"
    finally:
        os.write(go[1], b"x")
        os.waitpid(pid, 0)
    third = logger_in(tmp_path)
    fit(third, Line(), max_epochs=2, ckpt_path=checkpoint)
    assert third.version == "first"


def steps(run: StoredRun, name: str = "train/loss") -> list[int]:
    return [point.step for point in run.series(name)]


def test_a_second_fit_of_one_logger_from_a_checkpoint_is_the_next_attempt(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    model = Crashing()
    with pytest.raises(RuntimeError, match="out of luck"):
        fit(logger, model)
    first = logger.version
    fit(logger, Everything(), ckpt_path=next(logger.folder.checkpoints.glob("epoch=0*.ckpt")))
    assert logger.version == first
    [_, second] = of_kind(only_run(tmp_path), Started)
    assert (second.attempt, second.parent) == (2, 1)
    stored = Store(tmp_path).run("latest")
    assert steps(stored, "train/third") == list(range(12))
    assert stored.status == "finished"


def test_a_second_fit_with_one_trainer_from_a_checkpoint_is_the_next_attempt(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    saving = ModelCheckpoint(save_top_k=-1)
    run = trainer(logger, callbacks=[saving], enable_checkpointing=True, max_epochs=3)
    model = Crashing()
    with pytest.raises(RuntimeError, match="out of luck"):
        run.fit(model)
    model.on_train_batch_start = lambda *_: None  # type: ignore[method-assign]  # as a user mends it
    run.fit(model, ckpt_path=next(logger.folder.checkpoints.glob("epoch=0*.ckpt")))
    stored = Store(tmp_path).run("latest")
    assert (stored.attempts, steps(stored, "train/third")) == (2, list(range(12)))
    assert {path.parent for path in tmp_path.rglob("*.ckpt")} == {logger.folder.checkpoints}


def test_a_second_fit_of_one_trainer_goes_on_in_the_same_attempt(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    run, model = trainer(logger), Line()
    run.fit(model)
    run.fit_loop.max_epochs = 2
    run.fit(model)
    stored = Store(tmp_path).run("latest")
    assert (stored.attempts, steps(stored)) == (1, list(range(8)))
    assert ends(logger.folder) == ["finished", "finished"]


def test_a_second_fit_from_the_beginning_is_a_run_of_its_own_with_what_was_set_before(tmp_path: Path) -> None:
    logger = logger_in(tmp_path, tags=["a"])
    logger.log_hyperparams({"optimizer": "sgd"})
    versions = []
    for lr in (0.1, 0.2):
        trainer(logger).fit(Line(lr=lr))
        versions.append(logger.version)
    second, first = Store(tmp_path).runs()
    assert [first.id, second.id] == versions
    assert [steps(first), steps(second)] == [[0, 1, 2, 3]] * 2
    assert [run.params["lr"] for run in (first, second)] == [0.1, 0.2]
    assert [run.params["optimizer"] for run in (first, second)] == ["sgd", "sgd"]
    assert second.tags == ("a",)


def test_a_second_fit_from_the_beginning_with_a_version_makes_the_first_void(tmp_path: Path) -> None:
    logger = logger_in(tmp_path, version="v")
    for _ in range(2):
        trainer(logger).fit(Line())
    stored = Store(tmp_path).run("v")
    assert (stored.attempts, steps(stored)) == (2, [0, 1, 2, 3])
    assert len(stored.series("train/loss", superseded=True)) == 8


def test_a_run_moved_elsewhere_goes_on_there_and_knows_its_best_checkpoints(tmp_path: Path) -> None:
    first, checkpoint = crashed(tmp_path / "old")
    shutil.move(tmp_path / "old", tmp_path / "new")
    there = tmp_path / "new" / checkpoint.relative_to(tmp_path / "old")
    second = logger_in(tmp_path / "new")
    saved = fit(second, Everything(), ckpt_path=there)
    assert second.version == first.version
    assert not (tmp_path / "old").exists()
    assert str(there) in saved.best_k_models
    assert all(Path(path).exists() for path in saved.best_k_models)
    stored = Store(tmp_path / "new").run("latest")
    assert (stored.attempts, steps(stored, "train/third")) == (2, list(range(12)))


def test_what_others_wrote_for_a_candidate_lies_with_the_run_it_became(tmp_path: Path) -> None:
    class Writing(pl.Callback):
        """Writes a file into the log folder before the checkpoint is read, as LightningCLI does."""

        def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
            (Path(trainer.log_dir or "") / "empty").mkdir(parents=True)
            (Path(trainer.log_dir or "") / "config.yaml").write_text(str(trainer.max_epochs))

    saved = ModelCheckpoint()
    for epochs in (1, 2):
        callbacks = [Writing(), saved if epochs == 1 else ModelCheckpoint()]
        run = trainer(logger_in(tmp_path), callbacks=callbacks, enable_checkpointing=True, max_epochs=epochs)
        run.fit(Line(), ckpt_path=None if epochs == 1 else saved.best_model_path)
    folder = only_run(tmp_path).path
    assert {path.name for path in folder.parent.iterdir()} == {folder.name}
    assert [(folder / name).read_text() for name in ("config.yaml", "config.2.yaml")] == ["1", "2"]


def test_a_test_by_another_logger_is_a_run_that_evaluates(tmp_path: Path) -> None:
    first = logger_in(tmp_path)
    saved = fit(first, Line(), max_epochs=1)
    second = logger_in(tmp_path)
    trainer(second).test(Line(), ckpt_path=saved.best_model_path, verbose=False)
    assert second.folder.identity().evaluates == first.version
    assert first.folder.identity().evaluates == ""
    assert {name for row in rows(second.folder) for name in row.values} == {"test/loss"}
    assert ends(second.folder) == ["finished"]


def test_a_test_with_the_version_of_a_run_adds_to_it(tmp_path: Path) -> None:
    first = logger_in(tmp_path)
    saved = fit(first, Line(), max_epochs=1)
    second = logger_in(tmp_path, version=first.version)
    trainer(second).test(Line(), ckpt_path=saved.best_model_path, verbose=False)
    stored = Store(tmp_path).run(first.version)
    assert {"train/loss", "val/loss", "test/loss"} <= set(stored.metrics)
    assert (stored.status, stored.evaluates) == ("finished", "")


def test_validate_and_predict_alone_are_runs_of_their_own(tmp_path: Path) -> None:
    for entry in ("validate", "predict"):
        logger = logger_in(tmp_path)
        run = trainer(logger)
        run.validate(Line(), verbose=False) if entry == "validate" else run.predict(Line())
        assert ends(logger.folder) == ["finished"]
    assert len(list(run_folders(tmp_path))) == 2


def in_another_process(work: Any) -> None:
    """Do `work` in a forked child."""
    pid = os.fork()
    if not pid:
        work()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_the_version_of_a_finished_run_trained_anew_makes_its_first_attempt_void(tmp_path: Path) -> None:
    def train() -> None:
        trainer(logger_in(tmp_path, version="v")).fit(Line())

    in_another_process(train)
    in_another_process(train)
    stored = Store(tmp_path).run("v")
    assert (stored.attempts, len(stored.series("train/loss"))) == (2, 4)
    assert len(stored.series("train/loss", superseded=True)) == 8


def test_a_checkpoint_from_before_us_goes_on_without_making_anything_void(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.ckpt"

    def train() -> None:
        run = trainer(logger_in(tmp_path / "store", version="v"))
        run.fit(Line())
        run.save_checkpoint(path)

    in_another_process(train)
    loaded = torch.load(path, weights_only=True)
    del loaded["etm"]
    torch.save(loaded, path)
    in_another_process(
        lambda: trainer(logger_in(tmp_path / "store", version="v"), max_epochs=2).fit(Line(), ckpt_path=path)
    )
    stored = Store(tmp_path / "store").run("v")
    assert [point.step for point in stored.series("train/loss")] == list(range(8))


def test_the_same_training_twice_is_two_runs(tmp_path: Path) -> None:
    for _ in range(2):
        trainer(logger_in(tmp_path)).fit(Line())
    assert len(list(run_folders(tmp_path))) == 2


def test_a_logger_sent_elsewhere_after_its_run_was_gone_on_with_keeps_that_run(tmp_path: Path) -> None:
    first, checkpoint = crashed(tmp_path)
    second = logger_in(tmp_path)
    fit(second, Everything(), ckpt_path=checkpoint)
    copy = pickle.loads(pickle.dumps(second))
    pl.seed_everything(1, workers=False, verbose=False)
    trainer(copy).test(Everything(), verbose=False)
    stored = Store(tmp_path).run(first.version)
    assert stored.attempts == 2
    assert "test/loss_epoch" in stored.metrics
