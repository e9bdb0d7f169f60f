"""MLflow in a database file, read back with its own client."""

from __future__ import annotations

import math
import sys
from typing import Any

from etm_lightning.layout import RunFolder
from tests.contracts.case import Case, Curves
from tests.contracts.databases import lay


def options(folder: RunFolder) -> dict[str, Any]:
    return {"tracking_uri": lay(folder.path.parents[1] / "mlflow.db")}


def read(folder: RunFolder) -> Curves:
    import mlflow

    client = mlflow.MlflowClient(options(folder)["tracking_uri"])
    experiment = client.get_experiment_by_name(folder.path.parent.name)
    assert experiment is not None
    [run] = client.search_runs([experiment.experiment_id], f"tags.`etm.run` = '{folder.path.name}'")
    return {
        name: [(point.step, _infinite(point.value)) for point in _history(client, run.info.run_id, name)]
        for name in run.data.metrics
        if not name.startswith("best/")
    }


def _history(client: Any, run_id: str, name: str) -> list[Any]:
    return sorted(client.get_metric_history(run_id, name), key=lambda point: (point.step, point.timestamp))


def _infinite(value: float) -> float:
    """The largest doubles stand for infinities in MLflow's databases."""
    return math.copysign(math.inf, value) if abs(value) == sys.float_info.max else value


CASE = Case("mlflow", read, options)
