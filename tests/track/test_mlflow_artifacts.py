"""Artifacts of the type `model` in MLflow: which file is where, and what loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import mlflow
import pytest
import torch

from etm_lightning.layout import RunFolder
from etm_lightning.text.modules import TextClassifier, TokenClassifier
from etm_lightning.track.shipping.cursors import load, progress_file
from etm_lightning.track.shipping.delivery import Delivery
from tests.contracts import journals
from tests.contracts.databases import lay
from tests.track.lines import QUIET

pytestmark = [*QUIET, pytest.mark.filterwarnings("ignore::UserWarning:mlflow")]


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    found = lay(tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", found)
    return found


def delivered(folder: RunFolder, **options: Any) -> str:
    """Deliver the run; the id of its run in MLflow."""
    found = Delivery(folder, "mlflow", {"sink": "mlflow", **options})
    found.advance()
    found.close()
    assert not found.error, found.error
    return str(load(progress_file(folder, "mlflow")).state["run_id"])


def saved(module: Any, path: Path) -> Path:
    """A checkpoint of a module that was not trained."""
    held = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}
    held["pytorch-lightning_version"] = lightning.__version__
    module.on_save_checkpoint(held)
    torch.save(held, path)
    return path


def with_model(store: Path, path: Path, **params: Any) -> RunFolder:
    with journals.new_run(store) as run:
        run.log_params(params)
        run.log_artifact(path, name="model", type="model", aliases=("latest", "best"))
    return run.folder


def paths(run_id: str, place: str) -> list[str]:
    return sorted(found.path for found in mlflow.MlflowClient().list_artifacts(run_id, place))


def test_a_model_of_words_gives_a_tag_for_each(tmp_path: Path, uri: str) -> None:
    module = TokenClassifier("tiny", labels=["O", "B-PER", "I-PER"])
    folder = with_model(tmp_path / "store", saved(module, tmp_path / "a.ckpt"))
    run_id = delivered(folder, model_class="etm_lightning.text.modules.TokenClassifier")
    found = mlflow.pyfunc.load_model(f"runs:/{run_id}/model").predict(["Ada Lovelace wrote", "so"])
    assert [len(tags) for tags in found] == [3, 1]
    assert set(found[0]) <= {"O", "B-PER", "I-PER"}


def test_a_model_whose_class_is_not_known_says_what_to_do(tmp_path: Path, uri: str) -> None:
    path = saved(TextClassifier("tiny", labels=["no", "yes"]), tmp_path / "a.ckpt")
    run_id = delivered(with_model(tmp_path / "store", path))
    with pytest.raises(ValueError, match="give the sink mlflow the option model_class="):
        mlflow.pyfunc.load_model(f"runs:/{run_id}/model")


def test_a_checkpoint_of_several_files_is_kept_as_it_is(tmp_path: Path, uri: str) -> None:
    folder = tmp_path / "sharded.ckpt"
    folder.mkdir()
    for rank in range(2):
        (folder / f"rank{rank}").write_text("weights")
    run_id = delivered(with_model(tmp_path / "store", folder))
    assert paths(run_id, "checkpoints/sharded.ckpt") == [
        f"checkpoints/sharded.ckpt/rank{rank}" for rank in range(2)
    ]


def test_a_checkpoint_that_is_gone_holds_nothing_up(
    tmp_path: Path, uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.ckpt"
    path.write_text("weights")
    folder = with_model(tmp_path / "store", path)
    path.unlink()
    assert paths(delivered(folder), "model") == []
    assert "a.ckpt is not there any more" in caplog.text
