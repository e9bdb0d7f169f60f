"""A logger may be copied into other processes: they write for one run."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.utilities.types import STEP_OUTPUT

from etm_lightning.attempts import find_writers
from etm_lightning.layout import run_folders
from etm_lightning.records import Params, Started, Text
from etm_lightning.store.store import Store
from etm_lightning.track.run import Run
from tests import warm
from tests.track.lines import QUIET, Line, ends, logger_in, of_kind, only_run, points, rows, trainer

pytestmark = QUIET


@pytest.mark.parametrize("logged", [False, True], ids=["before logging", "after logging"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_of_a_logger_joins_its_run(logged: bool, copied: Any, tmp_path: Path) -> None:
    logger = logger_in(tmp_path, tags=["a"])
    if logged:
        logger.log_metrics({"a": 1.0}, 0)
    other = copied(logger)
    assert other.version == logger.version
    other.log_metrics({"b": 2.0}, 1)
    logger.log_metrics({"c": 3.0}, 2)
    folder = only_run(tmp_path)
    assert [name for row in rows(folder) for name in row.values].count("b") == 1
    assert {writer.header.attempt for writer in find_writers(folder.journal)} == {1}
    assert len(of_kind(folder, Started)) == 1
    assert folder.identity().tags == ("a",)


def test_what_waits_goes_with_the_copy_and_is_written_once(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    logger.log_hyperparams({"lr": 1})
    logger.experiment.log_text("note", "before")
    other = pickle.loads(pickle.dumps(logger))
    other.log_metrics({"a": 1.0}, 0)
    logger.experiment.log_text("note", "after")
    logger.log_metrics({"a": 2.0}, 1)
    assert [item.params for item in of_kind(logger.folder, Params)] == [{"lr": 1}]
    assert sorted(item.text for item in of_kind(logger.folder, Text)) == ["after", "before"]


def test_a_copy_that_is_never_used_takes_nothing_away(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    logger.log_hyperparams({"lr": 1})
    pickle.dumps(logger)
    logger.log_metrics({"a": 1.0}, 0)
    assert [item.params for item in of_kind(logger.folder, Params)] == [{"lr": 1}]


def test_a_trainer_with_it_can_be_pickled_and_its_copy_goes_on(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    run = pickle.loads(pickle.dumps(trainer(logger)))
    run.fit(Line())
    again: Any = pickle.loads(pickle.dumps(run)).loggers[0]
    again.log_metrics({"late": 1.0}, 99)
    assert points(only_run(tmp_path), "late") == [("train", "step", 99, None)]
    assert logger.version == again.version


def test_a_run_can_be_pickled(tmp_path: Path) -> None:
    with Run("p", save_dir=tmp_path) as run:
        run.log({"a": 1}, step=0)
        other = pickle.loads(pickle.dumps(run))
    other.log({"a": 2}, step=1)
    other.end()
    assert [row.step for row in rows(only_run(tmp_path))] == [0, 1]


class OnTwoRanks(Line):
    def training_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
        logger: Any = self.logger
        logger.log_metrics({"rank": float(self.global_rank)}, step=batch_idx)
        logger.experiment.log_text("from", str(self.global_rank))
        return super().training_step(batch, batch_idx)


def test_two_spawned_processes_are_one_run_that_the_parent_goes_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("multiprocessing.spawn._python_exe", os.fsencode(warm.python()))
    logger = logger_in(tmp_path)
    logger.log_hyperparams({"given": "before"})
    model = OnTwoRanks()
    trainer(logger, strategy="ddp_spawn", devices=2, limit_val_batches=0).fit(model)
    version = logger.version
    trainer(logger).test(model, verbose=False)
    folder = only_run(tmp_path)
    assert folder.path.name == version == logger.version
    writers = find_writers(folder.journal)
    assert {(writer.header.attempt, writer.header.rank) for writer in writers} == {(1, 0)}
    assert len({writer.header.pid for writer in writers}) == 2
    assert len(of_kind(folder, Started)) == 1
    assert {row.values["rank"] for row in rows(folder) if "rank" in row.values} == {0.0}
    assert {item.text for item in of_kind(folder, Text) if item.name == "from"} == {"0"}
    assert [item.params for item in of_kind(folder, Params)][:2] == [
        {"given": "before"},
        {"lr": 0.1, "batches": 4},
    ]
    assert ends(folder) == ["finished", "finished"]
    stored = Store(tmp_path).run("latest")
    assert (stored.status, stored.attempts) == ("finished", 1)
    assert {"train/loss", "test/loss"} <= set(stored.metrics)
    assert len(list(run_folders(tmp_path))) == 1
