"""Trackio beside benchmarks/store.py: a SQLite file for each project."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Sized
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import store_asked
import store_values
from store_asked import Say
from store_values import Extent

METRICS = ["id", "run_id", "timestamp", "run_name", "step", "metrics", "log_id", "space_id"]
CONFIGS = ["id", "run_id", "run_name", "config", "created_at"]
OF_A_RUN = {"metrics", "configs", "sqlite_sequence"}
"""All tables that a run leaves rows in; more would have to be multiplied too."""
TIMES = ("_Created", "timestamp")
"""What its API cannot be told: the time of writing."""


class Trackio:
    """One project.

    Args:
        folder: of all projects.
        place: the name of this one.
        extent: how many series and points a run has.
    """

    def __init__(self, folder: Path, place: str, extent: Extent) -> None:
        os.environ["TRACKIO_DIR"] = str(folder)
        import trackio
        from trackio.sqlite_storage import SQLiteStorage

        self.title = f"Trackio {trackio.__version__}"
        self.extent, self.folder, self.project = extent, folder, place
        self.api, self.store = trackio.Api(), SQLiteStorage

    @property
    def file(self) -> Path:
        return Path(self.store.get_project_db_path(self.project))

    def steps(self, number: int) -> range:
        return range(self.extent.points)

    def write(self, number: int, steps: range) -> None:
        """A run as `init`, `log` and `finish` write it."""
        import trackio

        trackio.init(
            project=self.project,
            name=f"run-{number}",
            config=store_values.params(number),
            auto_log_gpu=False,
            auto_log_cpu=False,
            embed=False,
        )
        for step in steps:
            trackio.log(store_values.row(self.extent.series, number, step), step=step)
        trackio.finish()

    def multiply(self, runs: int) -> int:
        """Make `runs` of one that was written, of which each takes its part; how many points they have."""
        seed = Trackio(self.folder, "seed", self.extent)
        seed.write(0, range(self.extent.points + store_values.PERIOD))
        _check(seed.file)
        self.store.init_db(self.project)
        with sqlite3.connect(seed.file) as database:
            rows = database.execute(
                "SELECT timestamp, metrics, space_id FROM metrics ORDER BY step"
            ).fetchall()
            config = database.execute("SELECT config, created_at FROM configs").fetchone()
        written = [(datetime.fromisoformat(time), values, space) for time, values, space in rows]
        database = sqlite3.connect(self.file, isolation_level=None)
        # nothing has to survive a crash here, and nobody else reads
        for setting in ("synchronous = OFF", "cache_size = -2000000"):
            database.execute(f"PRAGMA {setting}")
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("BEGIN")
        put = sum(self._copy(database, number, written, config) for number in range(runs))
        database.execute("COMMIT")
        database.execute("PRAGMA journal_mode = WAL")  # as it was
        database.close()
        return put * self.extent.series

    def _copy(
        self,
        database: sqlite3.Connection,
        number: int,
        written: list[tuple[datetime, bytes, Any]],
        config: tuple[bytes, str],
    ) -> int:
        """Run `number`, and how many rows it has."""
        import orjson

        run, name = uuid.uuid4().hex, f"run-{number}"
        begin = datetime.fromtimestamp(store_values.created(number), UTC)
        skipped = store_values.offset(number)
        later = begin - written[skipped][0]
        mine = written[skipped : skipped + self.extent.points]
        settings = orjson.loads(config[0])
        settings |= {**store_values.params(number), "_Created": begin.isoformat()}
        ended = (mine[-1][0] + later + timedelta(milliseconds=1)).isoformat()
        database.execute(
            "INSERT INTO configs (run_id, run_name, config, created_at) VALUES (?, ?, ?, ?)",
            (run, name, orjson.dumps(settings), ended),
        )
        return database.executemany(
            "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics, log_id, space_id)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (run, (time + later).isoformat(), name, step, values, uuid.uuid4().hex, space)
                for step, (time, values, space) in enumerate(mine)
            ),
        ).rowcount

    def count(self) -> int:
        return len(self.api.runs(self.project))

    def read(self, number: int) -> dict[str, Any]:
        """All that it tells of a run, less its id and the times of writing."""
        (run,) = [one for one in self.api.runs(self.project) if one.name == f"run-{number}"]
        rows = self.store.get_logs(self.project, run_id=run.id)
        return {"name": run.name, "config": _timeless(run.config), "rows": [_timeless(one) for one in rows]}

    def ask(self, say: Say, patience: float) -> None:
        newest = [run.id for run in list(self.api.runs(self.project))[-store_asked.CURVES :]]
        questions: dict[str, Callable[[], Sized]] = {
            store_asked.LIST: self._newest,
            store_asked.FIT: lambda: list(self._fitting()),
            store_asked.FRAME: lambda: self._curves(newest),
        }
        store_asked.ask(questions, self.extent, say)

    def _newest(self) -> list[tuple[str, object]]:
        """Names and settings: its list has no values."""
        configs = self.store.get_all_run_configs(self.project)
        newest = list(self.api.runs(self.project))[-store_asked.SHOWN :]
        return [(run.name, configs[run.id]) for run in newest]

    def _fitting(self) -> Iterator[str]:
        """It has no search: settings in one question, then the last value of each run with the right one."""
        configs = self.store.get_all_run_configs(self.project)
        for run in self.api.runs(self.project):
            if configs[run.id]["lr"] > 1e-4:
                last = self.store.get_max_step_for_run(self.project, run_id=run.id)
                (told,) = self.store.get_metric_values(
                    self.project, run.name, "val/f1", step=last, run_id=run.id
                )
                if told["value"] > 0.9:
                    yield run.name

    def _curves(self, runs: Iterable[str]) -> list[tuple[str, int, float]]:
        return [
            (run, one["step"], one["value"])
            for run in runs
            for one in self.store.get_metric_values(self.project, None, "val/f1", run_id=run)
        ]

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Its list, as a command: words and environment."""
        words = ["-m", "trackio.cli", "list", "runs", "--project", self.project]
        return words, {"TRACKIO_DIR": str(self.folder)}


def _check(file: Path) -> None:
    """That this version leaves what is multiplied here, and nothing else."""
    with sqlite3.connect(file) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        touched = {name for name in tables if database.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone()}
        if touched != OF_A_RUN:
            raise RuntimeError(f"a run must leave rows in {sorted(OF_A_RUN)} but does in {sorted(touched)}")
        for table, known in (("metrics", METRICS), ("configs", CONFIGS)):
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            if columns != known:
                raise RuntimeError(f"the columns of {table} must be {known} but are {columns}")


def _timeless(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in TIMES}
