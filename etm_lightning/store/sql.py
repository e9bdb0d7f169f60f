"""SQL over the runs of a store: tables of what we read, in a DuckDB that can reach nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from etm_lightning.params import flatten
from etm_lightning.store.blocks import NO_EPOCH
from etm_lightning.store.run import StoredRun
from etm_lightning.store.values import cell, short

TABLES = ("runs", "params", "metrics", "scalars", "latest", "artifacts", "alerts")
"""`latest` is of the last point of each series, `metrics` of the values at the best checkpoint."""
_SERIES = {"name": "string", "stage": "string", "axis": "string", "rank": "int64"}
_POINT = {"step": "int64", "epoch": "int64", "time": "float64", "value": "float64"}
COLUMNS: dict[str, dict[str, str]] = {
    "runs": {
        **dict.fromkeys(("id", "project", "name", "group", "status", "reason"), "string"),
        **dict.fromkeys(("created", "started", "ended", "duration"), "float64"),
        "attempts": "int64",
        "tags": "list",
        **dict.fromkeys(("notes", "question", "forked_from", "evaluates"), "string"),
        "archived": "bool",
        "seed": "string",
        "monitor": "string",
        "mode": "string",
        "score": "float64",
    },
    "params": {"run": "string", "name": "string", "value": "string", "number": "float64"},
    "metrics": {"run": "string", "name": "string", "stage": "string", "value": "float64"},
    "scalars": {"run": "string", "project": "string", **_SERIES, **_POINT},
    "latest": {"run": "string", "project": "string", **_SERIES, **_POINT},
    "artifacts": {
        "run": "string",
        **dict.fromkeys(("name", "type", "path", "sha256"), "string"),
        "size": "int64",
        "aliases": "list",
        "time": "float64",
    },
    "alerts": {
        "run": "string",
        "time": "float64",
        **dict.fromkeys(("level", "name", "title", "text"), "string"),
        "step": "int64",
    },
}
"""The columns of each table. Times are Unix seconds: `to_timestamp(created)` makes a moment of one."""


@dataclass(frozen=True)
class Answer:
    """The columns and rows of a question."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def ask(runs: Sequence[StoredRun], question: str) -> Answer:
    """Ask a question in SQL about some runs.

    Only what the question mentions is read. The database is in memory, gone afterwards, and reaches no file,
    no network and no variable of Python.

    Args:
        runs: the runs.
        question: in DuckDB's SQL, over the tables of `TABLES`.

    Raises:
        ValueError: for what DuckDB does not understand.
        ImportError: without DuckDB.
    """
    try:
        import duckdb
        import pyarrow as pa
    except ImportError as error:
        raise ImportError(f"SQL needs {error.name}: pip install 'etm-lightning[store]'") from error
    closed: dict[str, Any] = {"enable_external_access": "false", "python_enable_replacements": "false"}
    with duckdb.connect(":memory:", config=closed) as opened:
        opened.execute("SET threads=4")
        for table in TABLES:
            if re.search(rf"\b{table}\b", question, re.IGNORECASE):
                _fill(opened, pa, table, runs)
        opened.execute("SET lock_configuration=true")
        try:
            done = opened.execute(question)
            rows = done.fetchall() if done.description else []
        except duckdb.Error as error:
            raise ValueError(f"`question` is not understood: {error}") from None
        columns = tuple(column[0] for column in done.description or ())
        return Answer(columns, [tuple(map(_plain, row)) for row in rows])


def _plain(value: Any) -> Any:
    """A value as JSON can have it: moments and exact numbers as texts and floats."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return float(value) if type(value).__name__ == "Decimal" else str(value)


def _fill(opened: Any, pa: Any, table: str, runs: Sequence[StoredRun]) -> None:
    """Make a table and put in what there is."""
    kinds = {"string": pa.string(), "list": pa.list_(pa.string()), "bool": pa.bool_()}
    schema = pa.schema(
        [(name, kinds.get(kind) or getattr(pa, kind)()) for name, kind in COLUMNS[table].items()]
    )
    batches = _series(pa, schema, runs, latest=table == "latest") if table in ("scalars", "latest") else (
        _batches(pa, schema, _ROWS[table], runs)
    )  # fmt: skip
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    opened.register("incoming", reader)
    opened.execute(f"CREATE TABLE {table} AS SELECT * FROM incoming")
    opened.unregister("incoming")


def _batches(
    pa: Any, schema: Any, rows: Callable[[StoredRun], Iterator[tuple[Any, ...]]], runs: Sequence[StoredRun]
) -> Iterator[Any]:
    for start in range(0, len(runs), 500):
        found = [row for run in runs[start : start + 500] for row in rows(run)]
        columns = zip(*found, strict=True) if found else [[] for _ in schema]
        held = (list(map(short, values)) for values in columns)
        arrays = [pa.array(values, kind.type) for values, kind in zip(held, schema, strict=True)]
        yield pa.record_batch(arrays, schema=schema)


def _series(pa: Any, schema: Any, runs: Sequence[StoredRun], *, latest: bool) -> Iterator[Any]:
    """All points of all ranks that count; of `latest` the last of each series."""
    import pyarrow.compute as pc

    for listed in runs:
        run = StoredRun(listed.folder)  # of its own: what was read is let go after its turn
        for series in run.all_series(rank=None):
            columns: dict[str, Any] = dict(series.columns())
            if latest:
                columns = {name: column[-1:] for name, column in columns.items()}
            size = len(columns["value"])
            if not size:
                continue
            epochs = pa.array(columns["epoch"], pa.int64())
            epochs = pc.if_else(pc.equal(epochs, NO_EPOCH), None, epochs)
            key = zip((run.id, run.project, *series.key), schema, strict=False)
            same = [pa.repeat(pa.scalar(short(value), kind.type), size) for value, kind in key]
            own = [pa.array(columns[name], pa.float64()) for name in ("time", "value")]
            steps = pa.array(columns["step"], pa.int64())
            yield pa.record_batch([*same, steps, epochs, *own], schema=schema)


def _run(run: StoredRun) -> Iterator[tuple[Any, ...]]:
    best, seed = run.best_checkpoint, run.params.get("seed")
    yield (
        *(run.id, run.project, run.name, run.group, run.status, run.reason),
        *(run.created, run.started, run.ended, run.duration, run.attempts, list(run.tags)),
        *(run.notes, run.question, run.forked_from, run.evaluates, run.archived),
        *(None if seed is None else str(seed),),
        *((best.monitor, best.mode, best.score) if best and best.monitor else (None, None, None)),
    )


def _params(run: StoredRun) -> Iterator[tuple[Any, ...]]:
    for name, value in flatten(run.params).items():
        kind, number, text = cell(value)
        shown = {"z": None, "n": str(value), "b": str(value).lower()}.get(kind, text)
        yield run.id, name, shown, number


def _metrics(run: StoredRun) -> Iterator[tuple[Any, ...]]:
    for name, value in run.headline.items():
        yield run.id, name, run.stages.get(name), value


def _artifacts(run: StoredRun) -> Iterator[tuple[Any, ...]]:
    for one in run.artifacts:
        yield run.id, one.name, one.type, one.path, one.sha256, one.size, list(one.aliases), one.time


def _alerts(run: StoredRun) -> Iterator[tuple[Any, ...]]:
    for one in run.alerts:
        yield run.id, one.time, one.level, one.name, one.title, one.text, one.step


_ROWS = {"runs": _run, "params": _params, "metrics": _metrics, "artifacts": _artifacts, "alerts": _alerts}
