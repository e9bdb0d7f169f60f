"""Files of a run as artifacts of its MLflow run."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from etm_lightning.track.sinks.mlflow_model import write_model

log = logging.getLogger(__name__)


class Files:
    """Puts files where MLflow keeps those of one run; what is there already is replaced.

    A file that is gone is passed over, and the log says so.

    Args:
        client: MLflow's.
        run_id: of the MLflow run.
    """

    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self._run_id = client, run_id

    def put(self, source: Path, path: str) -> None:
        """A file or a folder, as `path`."""
        if not _there(source):
            return
        if source.is_dir():
            self._client.log_artifacts(self._run_id, str(source), path)
            return
        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory() as place:
            named = Path(place) / name
            named.symlink_to(source.absolute())
            self._client.log_artifact(self._run_id, str(named), folder)

    def table(self, source: Path, path: str) -> None:
        """A table as MLflow and pandas read it: ``pandas.read_json(…, orient="split")``."""
        if _there(source):
            table = msgspec.json.decode(source.read_bytes())
            self._client.log_dict(self._run_id, {"columns": table["columns"], "data": table["rows"]}, path)

    def model(
        self, checkpoint: Path, settings: Mapping[str, str], packages: Mapping[str, str], version: str
    ) -> None:
        """A checkpoint as ``model/``; arguments as those of `write_model`."""
        if not _there(checkpoint):
            return
        with tempfile.TemporaryDirectory() as name:
            place = Path(name) / "model"
            write_model(
                place,
                checkpoint,
                run_id=self._run_id,
                settings=settings,
                packages=packages,
                mlflow_version=version,
            )
            self._client.log_artifacts(self._run_id, str(place), "model")


def _there(source: Path) -> bool:
    if not source.exists():
        log.warning("%s is not there any more, so MLflow does not get it", source)
    return source.exists()
