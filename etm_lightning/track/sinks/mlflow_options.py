"""What the MLflow sink can be told, and what it takes where it is told nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from etm_lightning.track.redact import HIDDEN
from etm_lightning.track.sinks.sink import RefusedError, Target


@dataclass(frozen=True)
class Options:
    """What the sink can be told.

    Attributes:
        tracking_uri: a server's address or ``sqlite:///<file>``; by default ``MLFLOW_TRACKING_URI``, else the
            file ``.mlflow.db`` in the store.
        experiment_name: by default ``MLFLOW_EXPERIMENT_NAME``, else the project.
        run_name: by default the run's name, else its id.
        artifact_location: where a new experiment has its artifacts; by default the server decides, and for a
            database file a folder beside it.
        tags: more tags by name.
        log_artifacts: whether texts, tables, media and files go there too; models that ``log_model`` asked
            for always do.
        model_class: dotted name of the LightningModule, to load its checkpoints as a model; by default the
            class that was seen in the training, else the recorded ``model._target_``.
    """

    tracking_uri: str = ""
    experiment_name: str = ""
    run_name: str = ""
    artifact_location: str = ""
    tags: Mapping[str, str] | None = None
    log_artifacts: bool = True
    model_class: str = ""


def options_of(target: Target) -> Options:
    """The options, with what was left out filled in.

    Raises:
        RefusedError: if there is one that we do not know.
    """
    known = [field.name for field in fields(Options)]
    for name in target.options:
        if name not in known:
            raise RefusedError(f"`{name}` is not an option of the sink mlflow, which has {', '.join(known)}")
    given = {name: value for name, value in target.options.items() if value not in (None, "")}
    if HIDDEN in str(given.get("tracking_uri", "")):  # its password was not recorded
        del given["tracking_uri"]
        if not os.environ.get("MLFLOW_TRACKING_URI"):
            raise RefusedError("the server's address holds a secret, set MLFLOW_TRACKING_URI to it")
    store = target.folder.path.absolute().parents[1]
    uri = str(
        given.get("tracking_uri") or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{store}/.mlflow.db"
    )
    file = uri.removeprefix("sqlite:///")
    if uri.startswith("sqlite:///") and not file.startswith("/"):  # relative: to where it was opened first
        uri = str(target.state.get("tracking_uri") or f"sqlite:///{Path(file).absolute()}")
    name = given.get("experiment_name") or os.environ.get("MLFLOW_EXPERIMENT_NAME") or target.identity.project
    run_name = given.get("run_name") or target.identity.name or target.identity.id
    filled = {"tracking_uri": uri, "experiment_name": str(name), "run_name": str(run_name)}
    return Options(**{**given, **filled})
