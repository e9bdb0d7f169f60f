"""A checkpoint as a model that ``mlflow.pyfunc.load_model`` loads; written without torch."""

from __future__ import annotations

import json
import os
import platform
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

LOADER = "etm_lightning.execute.pyfunc"
_NEEDED = {
    "etm-lightning": "etm-lightning[text]",
    **{name: name for name in ("lightning", "numpy", "tokenizers", "torch", "torchmetrics", "transformers")},
}


def needed(packages: Mapping[str, str]) -> dict[str, str]:
    """Of all packages that a run could import, with their versions, those that loading a model needs.

    >>> needed({"torch": "2.6.0", "wandb": "0.20"})
    {'torch': '2.6.0'}
    """
    return {name: str(version) for name, version in packages.items() if name in _NEEDED}


def write_model(
    place: Path,
    checkpoint: Path,
    *,
    run_id: str,
    settings: Mapping[str, object],
    packages: Mapping[str, str],
    mlflow_version: str,
) -> None:
    """Make a folder with a model: what it is, how to load it, what that needs, and the checkpoint.

    Args:
        place: an empty folder.
        checkpoint: Lightning's file, which is linked to.
        run_id: of the MLflow run.
        settings: what the loader wants to know, such as ``class``, the dotted name of the module.
        packages: versions of what it needs, by name.
        mlflow_version: of the client.
    """
    data = place / "data"
    data.mkdir(parents=True)
    os.symlink(checkpoint.absolute(), data / "checkpoint.ckpt")
    (data / "settings.json").write_text(json.dumps(dict(settings), indent=1))
    needs = [f"{_NEEDED[name]}=={version}" for name, version in packages.items()]
    (place / "requirements.txt").write_text("".join(f"{line}\n" for line in needs))
    flavor = {"loader_module": LOADER, "data": "data", "python_version": platform.python_version()}
    described = {
        "artifact_path": "model",
        "flavors": {"python_function": flavor},
        "mlflow_version": mlflow_version,
        "model_uuid": uuid.uuid4().hex,
        "run_id": run_id,
        "utc_time_created": time.strftime("%Y-%m-%d %H:%M:%S.000000", time.gmtime()),
    }
    (place / "MLmodel").write_text(json.dumps(described, indent=1) + "\n")  # JSON is YAML
