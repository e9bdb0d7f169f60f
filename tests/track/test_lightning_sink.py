from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest

from etm_lightning.layout import RunFolder
from etm_lightning.process import born
from etm_lightning.track.shipping.cursors import load, progress_file
from etm_lightning.track.shipping.delivery import Delivery
from tests.contracts import journals
from tests.contracts.databases import lay
from tests.track.secrets_in_text import WORD, draw
from tests.warm import python

WHERE = "guest"
LOGGERS = "lightning.pytorch.loggers"


def csv_logger(folder: RunFolder) -> dict[str, Any]:
    return {"_target_": f"{LOGGERS}.CSVLogger", "save_dir": str(folder.path), "name": "csv", "version": ""}


def mlflow_logger(uri: str, place: Path) -> dict[str, Any]:
    there = {"tracking_uri": uri, "artifact_location": (place / "artifacts").as_uri()}
    return {"class_path": f"{LOGGERS}.MLFlowLogger", "init_args": {"experiment_name": "guests", **there}}


def delivery_of(
    folder: RunFolder, logger: Any, clock: Callable[[], float] = time.monotonic, **options: Any
) -> Delivery:
    given = {"sink": "lightning", "logger": logger, "python": python(), **options}
    return Delivery(folder, WHERE, given, clock=clock)


def deliver(folder: RunFolder, logger: Any) -> None:
    found = delivery_of(folder, logger)
    found.advance()
    found.close()
    assert not found.error, found.error


def refusal(folder: RunFolder, logger: Any, **options: Any) -> str:
    found = delivery_of(folder, logger, **options)
    assert found.advance() == 0
    found.close()
    assert found.refused
    assert load(progress_file(folder, WHERE)).error == found.error
    return found.error


def rows(folder: RunFolder) -> list[dict[str, str]]:
    with (folder.path / "csv" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def losses(folder: RunFolder) -> list[tuple[int, float]]:
    return [(int(row["step"]), float(row["train/loss"])) for row in rows(folder) if row["train/loss"]]


def run_in(uri: str) -> Any:
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name("guests")
    assert experiment is not None
    [found] = client.search_runs([experiment.experiment_id])
    return found


def points(uri: str, name: str) -> list[tuple[int, float]]:
    history = mlflow.MlflowClient(uri).get_metric_history(run_in(uri).info.run_id, name)
    return sorted((point.step, point.value) for point in history)


def test_lightnings_csv_logger_gets_values_epochs_and_settings(tmp_path: Path) -> None:
    folder = journals.simple(tmp_path)
    deliver(folder, csv_logger(folder))
    assert losses(folder) == journals.curve(50)
    assert {row["epoch"] for row in rows(folder) if row["train/loss"]} == {"0", "1", "2", "3", "4"}
    saved = (folder.path / "csv" / "hparams.yaml").read_text()
    assert "lr: 0.001" in saved
    assert "model.width: 8" in saved


@pytest.mark.slow
def test_lightnings_mlflow_logger_goes_on_with_the_same_run(tmp_path: Path) -> None:
    uri = lay(tmp_path / "mlflow.db")
    run = journals.new_run(tmp_path / "store")
    run.log_params({"lr": 0.1, "model": {"width": 8}})
    journals.log_steps(run, range(10))
    deliver(run.folder, mlflow_logger(uri, tmp_path))
    assert run_in(uri).info.status == "RUNNING"
    run.log_params({"lr": 0.2})  # MLflow's params never change
    journals.log_steps(run, range(10, 30))
    run.end("failed")
    deliver(run.folder, mlflow_logger(uri, tmp_path))
    assert points(uri, "train/loss") == journals.curve(30)
    assert points(uri, "val/f1") == [(9, 0.009), (19, 0.019), (29, 0.029)]
    assert run_in(uri).data.params == {"lr": "0.1", "model.width": "8"}
    assert run_in(uri).info.status == "FAILED"


@pytest.mark.slow
def test_the_worker_is_a_process_of_its_own_and_none_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", python())  # which is taken where no other one is named
    folder = journals.simple(tmp_path)
    delivery = delivery_of(folder, csv_logger(folder), python="")
    assert delivery.advance() > 50
    worker = delivery._sink._worker._process.pid  # type: ignore[union-attr]  # it is a LightningSink
    assert born(worker)
    delivery.close()
    assert born(worker) is None
    assert losses(folder) == journals.curve(50)


def test_a_worker_that_is_killed_comes_back(tmp_path: Path) -> None:
    now = [0.0]
    run = journals.new_run(tmp_path)
    killed = {**csv_logger(run.folder), "_target_": "tests.track.strange_loggers.Killed"}
    delivery = delivery_of(run.folder, killed, clock=lambda: now[0])
    journals.log_steps(run, range(10))
    assert delivery.advance() > 10
    journals.log_steps(run, range(10, 40))
    run.end()
    assert delivery.advance() == 0
    assert delivery.waiting
    assert "the worker of the logger is gone" in delivery.error
    now[0] += 60
    assert delivery.advance() > 40
    delivery.close()
    assert not delivery.error
    assert losses(run.folder) == journals.curve(40)


def test_a_logger_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    folder = journals.simple(tmp_path, steps=1)
    silent = {"_target_": "tests.track.strange_loggers.Silent"}
    delivery = delivery_of(folder, silent, timeout=0.2)
    assert delivery.advance() == 0
    delivery.close()
    assert delivery.error == "TimeoutError: the worker of the logger does not answer"


def test_what_a_logger_raises_is_told_without_secrets_and_what_it_prints_is_no_answer(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = journals.simple(tmp_path, steps=1)
    secret = draw(WORD, 20, "logger")
    failing = "tests.track.strange_loggers.Failing"
    delivery = delivery_of(folder, {"_target_": failing, "address": f"https://ada:{secret}@disk"})
    assert delivery.advance() == 0
    delivery.close()
    assert delivery.error == "RuntimeError: OSError: no more room at https://ada:<hidden>@disk"
    written = capfd.readouterr().err
    assert "Traceback" in written
    assert "https://ada:<hidden>@disk" in written
    assert secret not in written


@pytest.mark.parametrize("path", [f"{LOGGERS}.CVSLogger", "no_such_package.Logger", "Logger"])
def test_a_logger_that_cannot_be_imported_is_refused_in_one_line(tmp_path: Path, path: str) -> None:
    folder = journals.simple(tmp_path, steps=1)
    said = refusal(folder, {"_target_": path})
    assert said.startswith(f"`logger` must name a class that can be imported but got '{path}': ")
    assert "\n" not in said


def test_an_option_that_it_does_not_have_is_named(tmp_path: Path) -> None:
    folder = journals.simple(tmp_path, steps=1)
    assert "`loger` is not an option" in refusal(folder, csv_logger(folder), loger=1)
    assert "`logger` must name a Logger and its arguments" in refusal(folder, "CSVLogger")
