from __future__ import annotations

from pathlib import Path

import pytest

from etm_lightning.execute.build import InputError
from etm_lightning.execute.train import test as run_its_test
from etm_lightning.execute.train import train
from etm_lightning.layout import RunFolder
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from tests.execute.conftest import Compose


def stored(folder: Path) -> StoredRun:
    return StoredRun(RunFolder(folder))


def test_a_module_of_ones_own_trains_by_config_alone(mine: Compose) -> None:
    outcome = train(mine("model.hidden=3", "data.rows=16"))
    run = stored(outcome.folder)
    assert run.status == "finished"
    assert run.params["model"]["hidden"] == 3
    assert outcome.checkpoint is not None
    assert outcome.checkpoint.is_file()
    assert outcome.metrics["test/loss"] == run.metrics["test/loss"].latest.value


def test_the_objective_is_the_best_checkpoints_value_not_the_last(mine: Compose) -> None:
    outcome = train(mine("model.spoil=true"))
    values = [point.value for point in stored(outcome.folder).series("val/loss")]
    assert len(values) == 2
    assert outcome.objective == min(values) == values[0]


def test_the_headline_is_the_best_checkpoints(mine: Compose) -> None:
    outcome = train(mine("model.spoil=true"))
    assert stored(outcome.folder).headline["val/loss"] == outcome.objective


def test_lr_and_batch_size_reach_constructors_that_take_them(mine: Compose) -> None:
    outcome = train(mine("lr=0.05", "test=false", "trainer.log_every_n_steps=1"))
    run = stored(outcome.folder)
    assert run.metrics["lr-SGD"].latest.value == 0.05
    assert "test/loss" not in run.metrics


def test_a_failure_is_recorded_and_raised(mine: Compose, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="planted failure"):
        train(mine("model.fail_at=2"))
    (run,) = Store(tmp_path / "store").runs()
    assert run.status == "failed"
    assert "planted failure" in run.traceback


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model.hiden=3", "did you mean `hidden`"),
        ("model._target_=tests.execute.small.Nett", "model._target_"),
        ("model._target_=null", "model._target_"),
        ("resume=maybe", "`resume` must be auto or never"),
        ("ckpt_path=missing.ckpt", "`ckpt_path`"),
    ],
)
def test_bad_input_is_named_and_the_run_says_so(
    mine: Compose, tmp_path: Path, override: str, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        train(mine(override))
    (run,) = Store(tmp_path / "store").runs()
    assert run.status == "failed"
    assert run.reason


def test_a_store_that_is_a_file_is_named(mine: Compose, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        train(mine(f"paths.store={tmp_path / 'file'}"))


def test_a_run_can_be_tested_later_from_what_it_recorded(mine: Compose) -> None:
    outcome = train(mine("test=false"))
    run = stored(outcome.folder)
    assert "test/loss" not in run.metrics
    values = run_its_test(run)
    run.refresh()
    assert run.metrics["test/loss"].latest.value == values["test/loss"]
    assert run.best_checkpoint is not None
    assert run.metrics["test/loss"].latest.step == run.best_checkpoint.step == 8
    assert run.status == "finished"
    assert run.attempts == 1
    assert len(run.series("val/loss")) == 2


@pytest.mark.parametrize(
    ("table", "overrides", "words"),
    [
        (None, [], r"missing\.csv"),
        ("text,kind\na,x\n", [], "did you mean|columns"),
        ("text,label\n", [], "rows|empty"),
    ],
)
def test_bad_tables_are_named(
    composed: Compose, tmp_path: Path, table: str | None, overrides: list[str], words: str
) -> None:
    path = tmp_path / "missing.csv"
    if table is not None:
        path = tmp_path / "table.csv"
        path.write_text(table)
    with pytest.raises(InputError, match=words):
        train(composed("experiment=csv", "model.encoder=tiny", f"data.train={path}", *overrides))


def test_a_label_that_training_does_not_know_is_named(composed: Compose, tmp_path: Path) -> None:
    rows = "".join(f"good {i},yes\nbad {i},no\n" for i in range(10))
    (tmp_path / "train.csv").write_text("text,label\n" + rows)
    (tmp_path / "validation.csv").write_text("text,label\nodd,maybe\n")
    with pytest.raises(InputError, match="maybe"):
        train(composed("experiment=csv", "model.encoder=tiny", f"data.dir={tmp_path}"))


def test_a_conll_line_without_a_tag_is_named_by_file_and_line(composed: Compose, tmp_path: Path) -> None:
    (tmp_path / "train.conll").write_text("Anna B-PER\nsleeps\n\n")
    with pytest.raises(InputError, match=r"train\.conll.*2"):
        train(composed("experiment=conll2003", "model.encoder=tiny", f"data.dir={tmp_path}"))


def test_monitors_are_a_choice_of_callbacks(mine: Compose) -> None:
    cfg = mine("callbacks=[default,monitors,histograms]", "callbacks.gradient_norm.every_n_steps=1")
    assert {"checkpoint", "learning_rate", "throughput", "histograms"} <= set(cfg.callbacks)
    run = stored(train(cfg).folder)
    assert {"grad/norm", "update/ratio", "numerics/loss_median"} <= set(run.metrics)
    assert run.alerts == []
