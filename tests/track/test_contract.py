"""What Lightning expects of a logger, and what it must never get."""

from __future__ import annotations

import inspect
import os
import threading
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.loggers import CSVLogger, Logger
from omegaconf import OmegaConf

from etm_lightning import ETMLogger
from etm_lightning.layout import RunFolder
from etm_lightning.reading import writers
from etm_lightning.records import Alert, Params, Scalars
from tests.track.lines import (
    QUIET,
    Line,
    below,
    ends,
    logger_in,
    of_kind,
    only_run,
    points,
    records,
    rows,
    trainer,
)

pytestmark = QUIET


def test_it_is_a_logger_to_lightning_and_takes_save_dir_as_its_tests_do(tmp_path: Path) -> None:
    assert isinstance(ETMLogger(save_dir=tmp_path), Logger)
    assert "save_dir" in inspect.getfullargspec(ETMLogger).args
    assert not hasattr(ETMLogger, "__iter__")
    assert not hasattr(ETMLogger, "__len__")


def test_asking_who_it_is_creates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    logger = ETMLogger("p", name="first")
    asked = [logger.name, logger.version, logger.save_dir, logger.root_dir, logger.log_dir]
    assert logger.experiment.id == logger.version == logger.version
    assert asked[0] == "p"
    assert Path(asked[4]) == tmp_path / "etm_runs" / "p" / asked[1]
    assert "-first-" in asked[1]
    assert below(tmp_path) == []


def test_the_store_is_looked_up_when_it_is_first_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = ETMLogger("p")
    monkeypatch.setenv("ETM_STORE", str(tmp_path / "elsewhere"))
    assert logger.save_dir == str(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"project": " "}, "project"), ({"version": "../x"}, "version"), ({"version": ""}, "version")],
)
def test_a_name_that_no_folder_can_have_is_refused_at_once(options: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=f"`{said}` must be"):
        ETMLogger(**options)  # type: ignore[arg-type]


def test_a_project_with_a_slash_is_one_folder(tmp_path: Path) -> None:
    logger = ETMLogger("bert/bbc", tmp_path)
    logger.log_metrics({"a": 1.0}, 0)
    assert only_run(tmp_path).path == Path(logger.log_dir)
    assert Path(logger.log_dir).parent.parent == tmp_path


def test_metrics_come_by_keyword_and_are_not_changed(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    given = MappingProxyType({"train/loss": 0.5, "epoch": 2})
    logger.log_metrics(metrics=given, step=7)
    assert rows(logger.folder) == [("train", "step", 7, 2, {"train/loss": 0.5})]


def test_a_missing_step_is_the_one_after_the_last(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    for step in (None, None, 10, None):
        logger.log_metrics({"a": 1.0}, step)
    assert [row.step for row in rows(logger.folder)] == [0, 1, 10, 11]


def test_logging_after_finalize_reopens_the_run(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    logger.log_metrics({"a": 1.0}, 0)
    logger.finalize("success")
    logger.finalize("success")
    assert ends(logger.folder) == ["finished"]
    logger.log_metrics({"a": 2.0}, 1)
    assert isinstance(records(logger.folder)[-1], Scalars)
    logger.finalize("success")
    assert ends(logger.folder) == ["finished", "finished"]
    assert len(writers(logger.folder.journal)) == 1


def test_a_failure_after_a_good_end_is_told_and_a_good_end_after_a_failure_is_not(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    logger.log_metrics({"a": 1.0}, 0)
    logger.finalize("success")
    logger.end_with(ValueError("late"))
    logger.finalize("success")
    logger.end_with(SystemExit(1))
    assert ends(logger.folder) == ["finished", "failed"]


def test_a_requeue_signal_ends_nothing(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    logger.log_metrics({"a": 1.0}, 0)
    logger.finalize("finished")
    assert ends(logger.folder) == []


def test_fit_and_test_are_one_run_with_one_end_each_and_settings_written_once(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    run = trainer(logger)
    model = Line()
    run.fit(model)
    first = ends(logger.folder)
    run.test(model, verbose=False)
    assert first == ["finished"]
    assert ends(only_run(tmp_path)) == ["finished", "finished"]
    assert params(logger.folder) == [{"lr": 0.1, "batches": 4}]
    assert logger.failures == 0


def params(folder: RunFolder) -> list[Any]:
    """What was recorded about settings."""
    return [item.params for item in of_kind(folder, Params) if item.about != "model"]


def test_settings_logged_before_the_training_are_kept_and_only_new_ones_written(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    logger.log_hyperparams({"lr": 0.1, "batches": 4, "note": float("nan")})
    assert below(tmp_path) == []
    logger.log_hyperparams({"lr": 0.1, "note": float("nan")})
    trainer(logger).fit(Line(lr=0.2))
    assert params(logger.folder) == [
        {"lr": 0.1, "batches": 4, "note": "nan"},
        {"lr": 0.2},
    ]


class Raising:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__

    def __float__(self) -> float:
        raise KeyError("no")


def test_strange_settings_are_recorded_as_well_as_json_can(tmp_path: Path) -> None:
    around: dict[str, Any] = {"a": 1}
    around["self"] = [around, around]
    strange = {
        "config": OmegaConf.create({"size": 3, "broken": "${nowhere}"}),
        "lambda": lambda: 1,
        "lock": threading.Lock(),
        "module": torch.nn.Linear(1, 1),
        "raising": Raising(),
        "around": around,
        "long": "x" * (1 << 20),
        "nan": float("nan"),
        "huge": 1 << 100,
        "half": "a\ud800",
        "range": range(10**12),
        "array": np.arange(3),
        "tensor": torch.zeros(500),
        "api_key": "12345",
        7: "number",
    }
    logger = logger_in(tmp_path)
    logger.log_hyperparams(strange)
    logger.log_hyperparams(OmegaConf.create({"x": "${oops}", "y": 2}))
    logger.log_metrics({"a": 1.0}, 0)
    first, second = (item.params for item in of_kind(logger.folder, Params))
    assert first["config"] == {"size": 3, "broken": "${nowhere}"}
    assert first["lambda"].endswith("<lambda>")
    assert first["lock"] == "<unlocked _thread.lock object>"
    assert first["raising"] == "<Raising: RuntimeError>"
    assert first["around"] == {"a": 1, "self": ["<dict that holds itself>"] * 2}
    assert len(first["long"]) < 1 << 17
    assert first["nan"] == "nan"
    assert first["huge"] == str(1 << 100)
    assert first["half"] == "a\\ud800"
    assert first["range"][-1] == "… <more>"
    assert first["array"] == [0, 1, 2]
    assert first["tensor"] == "<Tensor of shape (500,)>"
    assert first["api_key"] == "<hidden>"
    assert first["7"] == "number"
    assert second == {"x": "${oops}", "y": 2}
    assert logger.failures == logger.run.rejected == 0


def test_settings_that_are_no_settings_are_counted_and_alerted(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    logger.log_hyperparams(3)
    logger.log_hyperparams([("a", 1)])
    logger.log_metrics({"a": 1.0}, 0)
    assert logger.failures == 2
    [alert] = of_kind(logger.folder, Alert)
    assert alert.title == "ETMLogger.log_hyperparams failed"
    assert len(rows(logger.folder)) == 1


def test_strange_values_cost_only_themselves(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    strange = {
        "good": 1.5,
        "nan": float("nan"),
        "inf": np.float32("inf"),
        "tensor": torch.tensor(2.5, requires_grad=True),
        "bool": True,
        "half": torch.tensor(0.5, dtype=torch.bfloat16),
        "text": "1.0",
        "many": torch.zeros(2),
        "complex": 1 + 2j,
        "none": None,
        "raising": Raising(),
        "huge": 10**400,
        3: 4,
    }
    logger.log_metrics(strange, 0)
    logger.log_metrics({"a": 1.0, "epoch": "first"}, 1)
    logger.log_metrics({"a": 1.0}, step="second")
    logger.log_metrics({"a": 1.0}, float("nan"))
    logger.log_metrics({"a": 1.0, "epoch": np.int64(3)}, np.int32(4))
    found = rows(logger.folder)
    wanted = {"good": 1.5, "inf": float("inf"), "tensor": 2.5, "bool": 1.0, "half": 0.5, "3": 4.0}
    assert {name: value for name, value in found[0].values.items() if value == value} == wanted
    assert "nan" in found[0].values
    assert found[-1] == ("train", "step", 4, 3, {"a": 1.0})
    assert len(found) == 2
    assert logger.run.rejected >= 4
    [alert] = of_kind(logger.folder, Alert)
    assert all(f"'{name}'" in alert.text for name in ("text", "many", "complex", "none", "raising", "huge"))
    assert "'good'" not in alert.text


def test_a_store_that_is_a_file_does_not_stop_the_training(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.write_text("in the way")
    logger = logger_in(store)
    run = trainer(logger)
    run.fit(Line())
    assert run.global_step == 4
    assert logger.failures > 1
    assert below(tmp_path) == ["store"]
    store.unlink()
    logger.finalize("failed")
    assert [row.step for row in rows(logger.folder) if "train/loss" in row.values] == [0, 1, 2, 3]


def test_what_waited_for_a_store_is_written_once_there_is_one(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.write_text("in the way")
    logger = logger_in(store)
    logger.log_hyperparams({"lr": 1})
    for step in range(3):
        logger.log_metrics({"a": float(step)}, step)
    store.unlink()
    logger.log_metrics({"a": 3.0}, 3)
    assert [row.step for row in rows(logger.folder)] == [0, 1, 2, 3]
    assert of_kind(logger.folder, Params)[0].params == {"lr": 1}
    assert "is a file" in of_kind(logger.folder, Alert)[0].text
    logger.finalize("success")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_costs_nothing_and_is_told(tmp_path: Path) -> None:
    class Unlucky(Line):
        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            journal, moved = folder.journal, folder.path / "moved"
            if batch_idx == 1:
                [[segment]] = writers(journal).values()
                fill(segment)
                journal.rename(moved)
                journal.write_text("no folder: no new segment either")
            if batch_idx == 3:
                journal.unlink()
                moved.rename(journal)

    logger = logger_in(tmp_path)
    folder = logger.folder
    run = trainer(logger, limit_val_batches=0)
    run.fit(Unlucky())
    assert run.global_step == 4
    assert [row.step for row in rows(folder)] == [0, 1, 2, 3]
    assert logger.run.lost == 0
    assert "the disk refuses to write" in [alert.title for alert in of_kind(folder, Alert)]
    assert ends(folder) == ["finished"]


def fill(path: Path) -> None:
    """Put a full device under the descriptor by which this process writes `path`."""
    wanted = path.stat()
    for name in os.listdir("/proc/self/fd"):
        try:
            found = os.fstat(int(name))
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, int(name))
            os.close(full)
            return
    raise AssertionError(f"{path} is not open")


def test_checkpoints_lie_in_the_run_and_log_dir_is_the_trainers(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    checkpoint = ModelCheckpoint(monitor="val/loss")
    run = trainer(logger, callbacks=[checkpoint], enable_checkpointing=True)
    run.fit(Line())
    assert Path(checkpoint.dirpath or "") == logger.folder.checkpoints
    assert run.log_dir == logger.log_dir
    assert Path(checkpoint.best_model_path).is_relative_to(logger.folder.path)


@pytest.mark.filterwarnings(  # LightningCLI itself uses jsonargparse in a way it calls old
    "ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning"
)
def test_a_command_line_project_runs_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETM_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    quiet = {"accelerator": "cpu", "max_steps": 2, "enable_progress_bar": "false", "log_every_n_steps": 1}
    arguments = ["fit", *(f"--trainer.{name}={value}" for name, value in quiet.items())]
    logger = ["--trainer.logger=etm_lightning.ETMLogger", "--trainer.logger.project=cli"]
    more = ["--trainer.enable_model_summary=false", "--seed_everything=1"]
    monkeypatch.setenv("PL_GLOBAL_SEED", "1")
    monkeypatch.setattr("sys.argv", ["train.py", *arguments, *more, *logger])
    for _ in range(2):
        cli: Any = LightningCLI(Line)
        made: Any = cli.trainer.logger
        assert isinstance(made, ETMLogger)
        saved = made.folder.path / "config.yaml"
        assert "etm_lightning.ETMLogger" in saved.read_text()
    runs = list((tmp_path / "store" / "cli").iterdir())
    assert len(runs) == 2
    assert not (tmp_path / "lightning_logs").exists()
    assert of_kind(made.folder, Params)[0].params.items() >= {"lr": 0.1, "batches": 4}.items()


def test_the_model_may_log_through_its_own_logger_and_experiment(tmp_path: Path) -> None:
    class Talking(Line):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            logger: Any = self.logger
            logger.log_metrics({"own": 1.0}, step=batch_idx)
            logger.experiment.log({"direct": 2.0}, step=batch_idx)
            return super().training_step(batch, batch_idx)

    logger = logger_in(tmp_path)
    trainer(logger).fit(Talking())
    assert [p[2] for p in points(logger.folder, "own")] == [0, 1, 2, 3]
    assert [p[2] for p in points(logger.folder, "direct")] == [0, 1, 2, 3]


def test_it_takes_part_in_a_trainer_without_a_lifecycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETM_AUTO", "0")
    logger = logger_in(tmp_path)
    run: Any = trainer(logger)
    run.fit(Line())
    assert [type(callback).__name__ for callback in run.callbacks if "ETM" in type(callback).__name__] == []
    assert ends(only_run(tmp_path)) == ["finished"]
    assert [row.step for row in rows(logger.folder) if "train/loss" in row.values] == [0, 1, 2, 3]


def test_csv_logger_beside_it_keeps_its_folder(tmp_path: Path) -> None:
    csv = CSVLogger(tmp_path / "csv")
    run = trainer([csv, logger_in(tmp_path / "store")])
    run.fit(Line())
    assert run.log_dir == csv.log_dir
