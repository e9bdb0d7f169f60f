"""Checkpoints that `log_model` recorded, loaded with MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from etm_lightning.layout import RunFolder
from etm_lightning.text.modules import TextClassifier
from etm_lightning.text.tables import CSVData
from etm_lightning.track.shipping.delivery import Delivery
from tests.contracts.databases import lay
from tests.text.conftest import write_csv
from tests.track.lines import QUIET, Line, logger_in, trainer

pytestmark = [
    *QUIET,
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType"),  # MLflow's, of its own
]


class Linear(Line):
    """A line that can be called."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x)  # type: ignore[no-any-return]


@pytest.fixture
def uri(tmp_path: Path) -> Iterator[str]:
    found = lay(tmp_path / "mlflow.db")
    mlflow.set_tracking_uri(found)
    yield found
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # as it was, in the environment too


def trained(place: Path, module: Any, data: Any = None, **options: Any) -> tuple[Any, ModelCheckpoint]:
    """The logger of a training that recorded its checkpoints."""
    logger = logger_in(place / "store", log_model=True, shipper=False)
    kept = ModelCheckpoint(dirpath=place / "kept", filename="{epoch}", save_last=True, **options)
    trainer(logger, callbacks=[kept], enable_checkpointing=True, max_epochs=2).fit(module, data)
    return logger, kept


def delivered(folder: RunFolder, uri: str, **options: Any) -> str:
    """The id in MLflow."""
    delivery = Delivery(folder, "mlflow", {"sink": "mlflow", "tracking_uri": uri, **options})
    delivery.advance()
    delivery.close()
    assert not delivery.error
    experiment = mlflow.get_experiment_by_name("p")
    assert experiment is not None
    [found] = mlflow.MlflowClient(uri).search_runs([experiment.experiment_id])
    return str(found.info.run_id)


def files(run_id: str, folder: str) -> list[str]:
    return [item.path for item in mlflow.MlflowClient().list_artifacts(run_id, folder)]


def test_the_best_checkpoint_is_a_model_that_mlflow_loads(tmp_path: Path, uri: str) -> None:
    logger, kept = trained(tmp_path, Linear(), monitor="val/loss")
    run_id = delivered(logger.folder, uri)
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    numbers = np.linspace(-2, 2, 5).reshape(-1, 1)
    with torch.inference_mode():
        wanted = Linear.load_from_checkpoint(kept.best_model_path)(torch.as_tensor(numbers).float()).numpy()
    np.testing.assert_array_equal(model.predict(numbers), wanted)
    np.testing.assert_array_equal(model.predict(pd.DataFrame(numbers, columns=["x"])), wanted)
    assert files(run_id, "checkpoints") == ["checkpoints/last.ckpt"]
    needed = Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/model/requirements.txt"))
    assert f"torch=={torch.__version__}" in needed.read_text().splitlines()


@pytest.mark.slow
def test_a_text_classifier_takes_texts_and_gives_labels(tmp_path: Path, uri: str) -> None:
    pl.seed_everything(1, verbose=False)
    table = write_csv(tmp_path / "all.csv", 60)
    settings: Any = {"tokenizer": "tiny", "cache_dir": str(tmp_path / "cache"), "max_length": 32}
    data = CSVData(str(table), test=str(table), **settings)
    data.setup("fit")
    module = TextClassifier("tiny", lr=5e-3, **data.model_kwargs())
    logger, kept = trained(tmp_path, module, data, monitor="val/accuracy", mode="max")
    model = mlflow.pyfunc.load_model(f"runs:/{delivered(logger.folder, uri)}/model")
    texts = pd.read_csv(table)["text"].tolist()
    best = TextClassifier.load_from_checkpoint(kept.best_model_path)
    batches: Any = trainer(False).predict(best, data)  # the test rows, which are all of them
    wanted = [row["label"] for batch in batches for row in batch]
    assert len(set(wanted)) > 1
    assert model.predict(texts) == wanted
    assert model.predict(pd.DataFrame({"text": texts[:3]})) == wanted[:3]


def test_a_class_that_is_not_there_is_named_with_what_to_do(tmp_path: Path, uri: str) -> None:
    logger, _ = trained(tmp_path, Linear(), monitor="val/loss")
    run_id = delivered(logger.folder, uri, model_class="elsewhere.Net")
    with pytest.raises(ImportError, match=r"'elsewhere\.Net' cannot be imported here: .* model_class="):
        mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
