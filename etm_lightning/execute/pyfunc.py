"""Lightning checkpoints as MLflow models: what ``mlflow.pyfunc.load_model`` calls."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch


class Model:
    """A trained module that takes what MLflow gives.

    Args:
        module: the trained module.
        settings: what was recorded with it: ``tokenizer``, ``max_length``.
    """

    def __init__(self, module: Any, settings: dict[str, Any]) -> None:
        self.module, self._settings = module.eval(), settings

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Predict.

        Args:
            model_input: texts, as a list or as a column of a table, give labels (a list of tags for each
                text from a token classifier); numbers, as a list, table or array, give what the module gives
                for the tensor.
            params: unused.

        Returns:
            A list with one entry per text, or an array.
        """
        del params
        values = _values(model_input)
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            return self._of_texts(values)
        if not isinstance(values, torch.Tensor):
            values = torch.tensor(values)  # a copy: arrays that come from tables may not be writable
        with torch.inference_mode():
            found = self.module(values.to(self._dtype()))
        return found.numpy(force=True)

    def _of_texts(self, texts: list[str]) -> list[Any]:
        predict = importlib.import_module("etm_lightning.text.predict").predict_texts
        length = int(self._settings.get("max_length") or 128)
        found = predict(
            self.module, texts, tokenizer=self._settings.get("tokenizer") or "", max_length=length
        )
        return [row["label"] if "label" in row else row["tags"] for row in found]

    def _dtype(self) -> torch.dtype:
        return next((weight.dtype for weight in self.module.parameters()), torch.float32)


def _load_pyfunc(path: str) -> Model:
    """The model in a folder that the sink wrote.

    Raises:
        ValueError: if nobody said of which class the module is.
        ImportError: if that class cannot be imported here.
    """
    folder = Path(path)
    settings = json.loads((folder / "settings.json").read_text())
    name = settings.get("class")
    if not name:
        raise ValueError(
            "`model_class` must name the LightningModule of the checkpoint but was not known when that was "
            "logged: give the sink mlflow the option model_class=my_package.MyModule"
        )
    return Model(
        _class(str(name)).load_from_checkpoint(folder / "checkpoint.ckpt", map_location="cpu"), settings
    )


def _class(name: str) -> type[pl.LightningModule]:
    place, _, kind = name.rpartition(".")
    try:
        found: type[pl.LightningModule] = getattr(importlib.import_module(place), kind)
    except (ImportError, AttributeError, ValueError) as error:
        raise ImportError(
            f"the model's class {name!r} cannot be imported here: put its package on the path, or log it "
            f"again with the option model_class=my_package.MyModule of the sink mlflow ({error})"
        ) from error
    return found


def _values(given: Any) -> Any:
    """What MLflow hands over, as a list of texts or as numbers that torch takes."""
    if hasattr(given, "to_numpy"):  # a table: the column of texts, or all numbers
        table = given.to_frame() if not hasattr(given, "columns") else given
        first = table[table.columns[0]].tolist()
        return first if first and isinstance(first[0], str) else table.to_numpy(copy=True)
    if isinstance(given, str):
        return [given]
    return given.tolist() if getattr(getattr(given, "dtype", None), "kind", "") in ("U", "O") else given
