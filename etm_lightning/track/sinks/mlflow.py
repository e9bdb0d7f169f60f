"""MLflow: a server or a database file gets the run, each value exactly once."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from etm_lightning.params import flatten
from etm_lightning.records import (
    Alert,
    Artifact,
    Checkpoint,
    Edit,
    Ended,
    Json,
    Media,
    Params,
    Record,
    Scalars,
    Started,
    Text,
)
from etm_lightning.track.shipping.configured import ABOUT
from etm_lightning.track.sinks import mlflow_names as names
from etm_lightning.track.sinks.mlflow_files import Files
from etm_lightning.track.sinks.mlflow_model import needed
from etm_lightning.track.sinks.mlflow_options import Options, options_of
from etm_lightning.track.sinks.mlflow_runs import (
    NOTE,
    PARENT,
    artifacts_beside,
    existing,
    experiment,
    find_or_create,
    reaching,
)
from etm_lightning.track.sinks.sink import Target

STATUS = {
    "running": "RUNNING",
    "finished": "FINISHED",
    "failed": "FAILED",
    "crashed": "FAILED",
    "interrupted": "KILLED",
    "preempted": "KILLED",
    "pruned": "KILLED",
}
"""MLflow's word for each of ours; the tag ``etm.status`` has ours."""

# Unless the user has set them. A client that waits long for a dead server would hold up its thread, and the
# delivery tries again by itself; a companion in the background prints nothing and tells nobody of its use.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_BIG = 2**63 - 1


def open(target: Target) -> MLflowSink:
    """Open the sink.

    Raises:
        ImportError: if mlflow is not installed.
        RefusedError: if an option is unknown, or the run or its experiment was deleted.
        StartOverError: if the server does not know the run any more.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import mlflow
    except ImportError as error:
        raise ImportError("mlflow is not installed: pip install 'etm-lightning[mlflow]'") from error
    options = options_of(target)
    client = mlflow.MlflowClient(tracking_uri=options.tracking_uri)
    with reaching(options.tracking_uri):
        run = _run(client, target, options)
    return MLflowSink(mlflow, client, run, target, options)


def _run(client: Any, target: Target, options: Options) -> Any:
    """The run to deliver to."""
    if target.state.get("run_id"):
        return existing(client, str(target.state["run_id"]))
    place = options.artifact_location or artifacts_beside(options.tracking_uri, options.experiment_name)
    found = experiment(client, options.experiment_name, place)
    tags = {name: str(value) for name, value in (options.tags or {}).items()}
    return find_or_create(client, target, found, options.run_name, tags)


class Standing(msgspec.Struct):
    """What is remembered from one opening to the next.

    Attributes:
        run_id: the run in MLflow.
        tracking_uri: the database file that it is in; "" for a server, whose address may hold a password.
        renamed: names that MLflow does not take, and what they became.
        status: as told to MLflow last.
        ended: when the run ended, in Unix seconds; 0.0 while it runs.
        active: the time of the last record that shows it running.
        packages: versions of what a model needs.
    """

    run_id: str
    tracking_uri: str = ""
    renamed: dict[str, str] = {}
    status: str = "running"
    ended: float = 0.0
    active: float = 0.0
    packages: dict[str, str] = {}


class MLflowSink:
    """One run in MLflow."""

    def __init__(self, mlflow: Any, client: Any, run: Any, target: Target, options: Options) -> None:
        self._mlflow, self._client, self._folder, self._options = mlflow, client, target.folder, options
        self._run_id: str = run.info.run_id
        uri = options.tracking_uri
        fresh = Standing(self._run_id)
        self._standing = msgspec.convert({**msgspec.to_builtins(fresh), **target.state}, Standing)
        self._standing.run_id = self._run_id
        self._standing.tracking_uri = uri if uri.startswith("sqlite:///") else ""
        self._params: dict[str, str] = dict(run.data.params)
        self._told: dict[str, str] = dict(run.data.tags)
        self._files = Files(client, self._run_id)
        self._keys: dict[str, str] = {}
        self._longest = names.LONGEST_PARAM
        self._renamed = len(self._standing.renamed)
        self._clear()
        self._handlers: dict[type, Callable[[Any], None]] = {
            Scalars: self._scalars,
            Params: self._settings,
            Started: self._started,
            Ended: self._ended,
            Edit: self._edit,
            Text: self._text,
            Media: self._media,
            Artifact: self._artifact,
            Checkpoint: self._checkpoint,
            Alert: self._alert,
        }

    # -- the contract ---------------------------------------------------------------------------------------

    def write(self, records: Sequence[Record]) -> None:
        """Take records; the server has them when this returns."""
        self._clear()
        for record in records:
            handle = self._handlers.get(type(record))
            if handle is not None:
                handle(record)
        with reaching(self._options.tracking_uri):
            self._send_all()

    def flush(self) -> Mapping[str, Json]:
        found: dict[str, Json] = msgspec.to_builtins(self._standing)
        return found

    def close(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._metrics: list[Any] = []
        self._new_params: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._uploads: dict[str, Callable[[], None]] = {}
        self._end: Ended | None = None
        self._name = ""

    # -- records --------------------------------------------------------------------------------------------

    def _scalars(self, record: Scalars) -> None:
        if record.axis != "seconds":  # the machine is sampled after the end as well
            self._seen(record.time)
        metric, time, step = self._mlflow.entities.Metric, _ms(record.time), _long(record.step)
        values = record.values if not record.nonfinite else record.items()
        for name, value in values.items():
            key = self._keys.get(name) or self._key(name)
            self._metrics.append(metric(key, float(value), time, step))

    def _settings(self, record: Params) -> None:
        if record.about == ABOUT:
            return
        self._seen(record.time)
        given = record.params if record.about == "config" else {record.about: record.params}
        self._new_params |= {self._key(name): names.shown(value) for name, value in flatten(given).items()}

    def _started(self, record: Started) -> None:
        self._seen(record.time)
        info = record.info
        command, git = info.get("command") or [], info.get("git") or {}
        self._standing.packages = needed(info.get("packages") or {})
        self._tags |= {
            "mlflow.user": str(info.get("user", "")),
            "mlflow.source.type": "LOCAL",
            "mlflow.source.name": str(command[1] if len(command) > 1 else ""),
            "mlflow.source.git.commit": str(git.get("commit", "")),
            "mlflow.source.git.branch": str(git.get("branch", "")),
            "mlflow.source.git.repoURL": str(git.get("remote", "")),
            "mlflow.source.git.dirty": str(git["dirty"]) if "dirty" in git else "",
            "etm.command": " ".join(map(str, command)),
            "etm.host": str(info.get("host", "")),
            "etm.folder": str(self._folder.path.absolute()),
            "etm.attempt": str(record.attempt),
        }

    def _ended(self, record: Ended) -> None:
        if record.time >= max(self._standing.active, self._standing.ended):
            self._end = record
            self._standing.ended = record.time

    def _edit(self, record: Edit) -> None:
        tags = [tag for tag in self._current("etm.tags").split(",") if tag]
        match record.op:
            case "tag":
                self._tags["etm.tags"] = ",".join(dict.fromkeys((*tags, record.value)))
            case "untag":
                self._tags["etm.tags"] = ",".join(tag for tag in tags if tag != record.value)
            case "note":
                self._tags[NOTE] = record.value
            case "rename":
                self._name = record.value
            case "archive" | "unarchive":
                self._tags["etm.archived"] = str(record.op == "archive")
            case "trash" | "restore":
                self._tags["etm.trashed"] = str(record.op == "trash")

    def _text(self, record: Text) -> None:
        self._seen(record.time)
        if self._options.log_artifacts:
            path = f"text/{names.file_name(record.name)}{_at(record.step)}.txt"
            self._uploads[path] = lambda: self._client.log_text(self._run_id, record.text, path)

    def _media(self, record: Media) -> None:
        self._seen(record.time)
        if not self._options.log_artifacts:
            return
        source = self._folder.path / record.file
        path = f"media/{names.file_name(record.name)}{_at(record.step)}{source.suffix}"
        if record.type == "table":
            self._uploads[path] = lambda: self._files.table(source, path)
        else:
            self._uploads[path] = lambda: self._files.put(source, path)

    def _artifact(self, record: Artifact) -> None:
        source = self._folder.path / record.path
        if record.aliases:
            self._tags[names.escape(f"etm.artifact.{record.name}")] = ",".join(record.aliases)
        if record.type != "model":
            path = f"files/{names.file_name(record.name)}"
        elif set(record.aliases) == {"latest"} or source.is_dir():  # not the best; of several files
            file = str(record.info.get("original_filename") or source.name)
            path = f"checkpoints/{names.file_name(file)}"
        else:
            path = "model"
        if path == "model":
            self._uploads[path] = lambda: self._send_model(source)
        elif record.type == "model" or self._options.log_artifacts:
            self._uploads[path] = lambda: self._files.put(source, path)

    def _checkpoint(self, record: Checkpoint) -> None:
        self._seen(record.time)
        if record.best and record.path:
            self._tags["etm.best_checkpoint"] = record.path

    def _alert(self, record: Alert) -> None:
        self._tags["etm.alert"] = f"{record.title}: {record.text}" if record.text else record.title

    def _seen(self, time: float) -> None:
        """A record of this time shows the run going on; one after its end reopens it."""
        standing = self._standing
        standing.active = max(standing.active, time)
        if standing.ended and time > standing.ended:
            standing.ended, self._end = 0.0, None

    def _key(self, name: str) -> str:
        key = self._keys[name] = names.escape(name)
        if key != name:
            self._standing.renamed[name] = key
        return key

    def _current(self, tag: str) -> str:
        return self._tags.get(tag, self._told.get(tag, ""))

    # -- sending --------------------------------------------------------------------------------------------

    def _send_all(self) -> None:
        self._send_params()
        self._send_tags()
        for metrics in names.chunks(self._metrics, names.MOST_METRICS, _size_of_metric):
            self._client.log_batch(self._run_id, metrics=metrics, synchronous=True)
        for upload in self._uploads.values():
            upload()
        self._send_names()
        self._send_status()

    def _send_params(self) -> None:
        """Params, which MLflow never changes: what a later attempt changed goes into tags."""
        fresh = {key: value for key, value in self._new_params.items() if key not in self._params}
        while True:
            cut = {key: names.cut(value, self._longest) for key, value in fresh.items()}
            try:
                self._send("params", self._mlflow.entities.Param, cut)
                break
            except self._mlflow.exceptions.MlflowException as error:
                limit = names.limit_in(str(error))
                if limit is None or limit >= self._longest:  # not that of a server older than the client
                    raise
                self._longest = limit
        self._params |= cut
        for key, value in self._new_params.items():
            tag = names.escape(f"etm.param.{key}")
            if self._params[key] != names.cut(value, self._longest) or tag in self._told:
                self._tags[tag] = value

    def _send_tags(self) -> None:
        given = {key: names.cut(value, names.LONGEST_TAG) for key, value in self._tags.items()}
        new = {key: value for key, value in given.items() if value != self._told.get(key, "")}
        self._send("tags", self._mlflow.entities.RunTag, new)
        self._told |= new
        if self._name:
            self._client.update_run(self._run_id, name=self._name)

    def _send(self, what: str, kind: Any, values: Mapping[str, str]) -> None:
        pairs: Iterable[list[tuple[str, str]]] = names.chunks(
            list(values.items()), names.MOST_OTHERS, lambda pair: names.bytes_of(*pair)
        )
        for some in pairs:
            self._client.log_batch(self._run_id, synchronous=True, **{what: [kind(*pair) for pair in some]})

    def _send_model(self, checkpoint: Path) -> None:
        """A checkpoint as ``model/``, which the next better one replaces."""
        given = self._params
        known = self._options.model_class or given.get("model.class") or given.get("model._target_", "")
        settings = {
            "class": known,
            "tokenizer": given.get("data.tokenizer", ""),
            "max_length": given.get("data.max_length", ""),
        }
        self._files.model(checkpoint, settings, self._standing.packages, self._mlflow.__version__)

    def _send_names(self) -> None:
        """Which names MLflow does not take, as an artifact."""
        renamed = self._standing.renamed
        if len(renamed) > self._renamed and self._options.log_artifacts:
            self._client.log_dict(self._run_id, {new: old for old, new in renamed.items()}, "etm/names.json")
        self._renamed = len(renamed)

    def _send_status(self) -> None:
        standing, end = self._standing, self._end
        if end is not None:
            self._send_end(end)
        elif not standing.ended and standing.status != "running":
            self._client.update_run(self._run_id, status="RUNNING")
            self._tags = {"etm.status": "running", "etm.reason": ""}
            self._send_tags()
            standing.status = "running"

    def _send_end(self, end: Ended) -> None:
        """How the run ended, and its values at its best checkpoint as metrics ``best/…``."""
        time = _ms(end.time)
        best = [
            self._mlflow.entities.Metric(names.escape(f"best/{name}"), float(value), time, 0)
            for name, value in end.summary.items()
            if _is_number(value)
        ]
        for metrics in names.chunks(best, names.MOST_METRICS, _size_of_metric):
            self._client.log_batch(self._run_id, metrics=metrics, synchronous=True)
        self._tags, self._name = {"etm.status": end.status, "etm.reason": end.reason}, ""
        self._send_tags()
        self._client.set_terminated(self._run_id, STATUS.get(end.status, "FAILED"), time)
        if self._told.get(PARENT):
            self._client.set_terminated(self._told[PARENT], "FINISHED", time)
        self._standing.status = end.status


def _at(step: int | None) -> str:
    return "" if step is None else f"/{step}"


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _long(step: int) -> int:
    return max(-_BIG, min(_BIG, step))


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def _size_of_metric(metric: Any) -> int:
    return names.bytes_of(metric.key)
