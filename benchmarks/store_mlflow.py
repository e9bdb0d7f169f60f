"""MLflow beside benchmarks/store.py, over SQLite, its default."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Sized
from pathlib import Path
from typing import Any

import store_asked
import store_values
from store_asked import Say
from store_values import Extent

OF_A_RUN = {"runs", "metrics", "latest_metrics", "params", "tags"}
"""All tables that a run leaves rows in; more would have to be multiplied too."""
BATCH = 1000
"""Values that one `log_batch` takes at most."""
THINNED = 50
"""Runs whose curves nobody reads here log every fiftieth step: a value takes 250 bytes, all of them 25 GB."""
ASKED = 50
"""Runs of one question for curves: with its page's limit of 25,000 values."""


class MLflow:
    """One store with one experiment.

    Args:
        folder: of all stores of this benchmark.
        place: the name of this one.
        extent: how many series and points a run has.
    """

    def __init__(self, folder: Path, place: str, extent: Extent) -> None:
        import mlflow
        from mlflow.tracking import MlflowClient

        self.title = f"MLflow {mlflow.__version__}, SQLite"
        self.extent = extent
        self.folder, self.file = folder, folder / place / "mlflow.db"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.address = f"sqlite:///{self.file}"
        self.client = MlflowClient(self.address)
        found = self.client.get_experiment_by_name("store")
        artifacts = str(self.file.parent / "artifacts")
        self.experiment: str = (
            found.experiment_id
            if found
            else self.client.create_experiment("store", artifact_location=artifacts)
        )

    def steps(self, number: int) -> range:
        if number < self.extent.runs - store_asked.CURVES:
            return range(THINNED - 1, self.extent.points, THINNED)
        return range(self.extent.points)

    def write(self, number: int, steps: range) -> None:
        """A run as its client writes it, with all the times that its client can be told."""
        from mlflow.entities import Metric, Param

        begin = _millis(number, 0)
        run = self.client.create_run(self.experiment, start_time=begin, run_name=f"run-{number}").info.run_id
        settings = store_values.dotted(store_values.params(number))
        self.client.log_batch(run, params=[Param(name, str(value)) for name, value in settings.items()])
        values = [
            Metric(name, value, _millis(number, step), step)
            for step in steps
            for name, value in store_values.row(self.extent.series, number, step).items()
        ]
        for start in range(0, len(values), BATCH):
            self.client.log_batch(run, metrics=values[start : start + BATCH])
        self.client.set_terminated(run, end_time=_millis(number, self.extent.points))

    def multiply(self, runs: int) -> int:
        """Make `runs` of one that was written, of which each takes its part; how many points they have."""
        seed = MLflow(self.folder, "seed", self.extent)
        before = _counts(seed.file)
        seed.write(0, range(self.extent.points + store_values.PERIOD))
        touched = {name for name, rows in _counts(seed.file).items() if rows != before[name]}
        if touched != OF_A_RUN:
            raise RuntimeError(f"a run must leave rows in {sorted(OF_A_RUN)} but does in {sorted(touched)}")
        database = sqlite3.connect(self.file, isolation_level=None)
        # nothing has to survive a crash here, and nobody else reads
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -2000000"):
            database.execute(f"PRAGMA {setting}")
        database.execute("ATTACH ? AS seed", (str(seed.file),))
        _prepare(database)
        database.execute("BEGIN")
        points = sum(self._copy(database, number) for number in range(runs))
        database.execute("COMMIT")
        broken = database.execute("PRAGMA main.foreign_key_check(runs)").fetchall()
        if broken:
            raise RuntimeError(f"rows of no experiment: {broken[:3]}")
        database.close()
        return points

    def _copy(self, database: sqlite3.Connection, number: int) -> int:
        """Run `number`, and how many points it has."""
        run, points = uuid.uuid4().hex, self.extent.points
        name, begin, end = f"run-{number}", _millis(number, 0), _millis(number, points)
        _insert(
            database,
            "runs",
            {
                "run_uuid": run,
                "name": name,
                "start_time": begin,
                "end_time": end,
                "artifact_uri": f"{self.file.parent}/artifacts/{run}/artifacts",
            },
        )
        database.execute(
            "INSERT INTO main.tags (key, value, run_uuid)"
            " SELECT key, CASE key WHEN 'mlflow.runName' THEN ? ELSE value END, ? FROM seed.tags",
            (name, run),
        )
        settings = store_values.dotted(store_values.params(number))
        database.executemany(
            "INSERT INTO main.params (key, value, run_uuid) VALUES (?, ?, ?)",
            [(key, str(value), run) for key, value in settings.items()],
        )
        skipped, steps = store_values.offset(number), self.steps(number)
        first = skipped * self.extent.series
        put = database.execute(
            "INSERT INTO main.metrics (key, value, timestamp, run_uuid, step, is_nan)"
            " SELECT key, value, timestamp + ?, ?, step - ?, is_nan FROM temp.written"
            " WHERE rowid > ? AND rowid <= ? AND (step - ?) % ? = ?",
            (
                *(begin - _millis(0, skipped), run, skipped),
                *(first, first + points * self.extent.series),
                *(skipped, steps.step, steps.start % steps.step),
            ),
        ).rowcount
        database.execute(
            "INSERT INTO main.latest_metrics (key, value, timestamp, step, is_nan, run_uuid)"
            " SELECT key, value, timestamp, step, is_nan, run_uuid FROM main.metrics"
            " WHERE run_uuid = ? AND step = ?",
            (run, steps[-1]),
        )
        return put

    def count(self) -> int:
        return len(self._ids(max_results=50_000))

    def _ids(self, query: str = "", max_results: int = 50_000) -> dict[str, str]:
        """Ids by name, newest first."""
        found = self.client.search_runs([self.experiment], query, max_results=max_results)
        return {run.info.run_name: run.info.run_id for run in found}

    def read(self, number: int) -> dict[str, Any]:
        """All that its client tells of a run, less its id."""
        (found,) = self.client.search_runs([self.experiment], f"run_name = 'run-{number}'")
        run = self.client.get_run(found.info.run_id)
        info = {
            name: value
            for name, value in dict(run.info).items()
            if name not in ("run_id", "run_uuid", "artifact_uri")
        }
        place = run.info.artifact_uri.removeprefix(str(self.file.parent)).replace(run.info.run_id, "ID")
        series = {
            name: [
                (one.step, one.timestamp, one.value)
                for one in self.client.get_metric_history(run.info.run_id, name)
            ]
            for name in run.data.metrics
        }
        data = {"params": run.data.params, "tags": run.data.tags, "latest": run.data.metrics}
        return {"info": info, "artifacts": place, **data, "series": series}

    def ask(self, say: Say, patience: float) -> None:
        newest = list(self._ids(max_results=store_asked.CURVES).values())
        # a param is a text here, and can be compared for being equal only
        fit = "params.lr = '0.0003' and metrics.`val/f1` > 0.9"
        questions: dict[str, Callable[[], Sized]] = {
            store_asked.LIST: lambda: self._ids(max_results=store_asked.SHOWN),
            store_asked.FIT: lambda: self._ids(fit),
            store_asked.FRAME: lambda: self._curves(newest),
        }
        store_asked.ask(questions, self.extent, say)

    def _curves(self, runs: list[str]) -> list[tuple[str, int, float]]:
        """As its page asks; `get_metric_history` goes through all values of that name for each run."""
        store = self.client._tracking_client.store
        return [
            (one.run_id, one.step, one.value)
            for start in range(0, len(runs), ASKED)
            for one in store.get_metric_history_bulk(
                runs[start : start + ASKED], "val/f1", ASKED * self.extent.points
            )
        ]

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Its list, as a command: words and environment."""
        words = ["-m", "mlflow", "runs", "list", "--experiment-id", self.experiment]
        return words, {"MLFLOW_TRACKING_URI": self.address}


def _millis(number: int, step: int) -> int:
    return int(1000 * store_values.created(number)) + 500 * step


def _counts(file: Path) -> dict[str, int]:
    with sqlite3.connect(file) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: database.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0] for name in names}


def _prepare(database: sqlite3.Connection) -> None:
    """The points of the run that was written, in the order of their steps."""
    database.execute("PRAGMA temp_store = MEMORY")
    database.execute(
        "CREATE TEMP TABLE written AS"
        " SELECT key, value, timestamp, is_nan, step FROM seed.metrics ORDER BY step, rowid"
    )


def _insert(database: sqlite3.Connection, table: str, changed: dict[str, object]) -> None:
    """The row of the run that was written, but for some columns."""
    columns = [row[1] for row in database.execute(f"PRAGMA seed.table_info({table})")]
    chosen = ", ".join("?" if name in changed else name for name in columns)
    given = [changed[name] for name in columns if name in changed]
    database.execute(
        f"INSERT INTO main.{table} ({', '.join(columns)}) SELECT {chosen} FROM seed.{table}", given
    )
