"""Weights & Biases, as its users expect it: one W&B run for each run.

Each `scalars` record is a row of its own with the next number as W&B's step, which therefore never goes back;
the true axes are columns beside the values. Online, W&B's client has what was flushed, and uploads it every
15 seconds; what a kill cost is seen when the run is opened again, and sent once more. Offline, W&B keeps up
to 32 KiB in memory, so an offline run that was let go is not gone on with but written anew from the journal.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from etm_lightning.layout import RunFolder
from etm_lightning.records import (
    Artifact,
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
from etm_lightning.tail import Tail
from etm_lightning.track.shipping.configured import ABOUT
from etm_lightning.track.sinks import wandb_folders, wandb_media, wandb_names
from etm_lightning.track.sinks.sink import RefusedError, Sink, StartOverError, Target
from etm_lightning.track.sinks.wandb_client import Client, Origin, connect
from etm_lightning.track.sinks.wandb_login import mode_of, refuse_without_login

log = logging.getLogger(__name__)

OPTIONS = ("mode", "project", "entity", "job_type", "log_artifacts", "console")
_MOST_CONSOLE = 10 << 20


def open(target: Target) -> Sink:
    """Begin or go on with the W&B run of a run.

    Options: ``mode`` (online, offline, disabled), ``project``, ``entity``, ``job_type``, ``log_artifacts``
    (true by default), ``console`` (upload the files ``logs/*.log`` of the run, when it ends).

    Raises:
        ImportError: if W&B is not installed.
        RefusedError: if nobody is logged in.
        ValueError: if there is an option it does not know.
    """
    unknown = set(target.options) - set(OPTIONS)
    if unknown:
        raise ValueError(f"`{min(unknown)}` must be one of the options {', '.join(OPTIONS)}")
    try:
        import wandb  # noqa: F401
    except ImportError as error:
        raise ImportError(f"W&B is not installed, pip install 'etm-lightning[wandb]': {error}") from error
    mode = mode_of(target.options)
    if mode == "online":
        refuse_without_login()
    if target.state and (target.state.get("mode") != mode or mode == "offline"):
        raise StartOverError(f"what W&B has of it {target.state.get('mode')} cannot be gone on with {mode}")
    if mode == "disabled":
        return Disabled()
    return WandbSink(target, mode)


class Disabled:
    """What `WANDB_MODE=disabled` asks for: takes everything, does nothing. Enabled later, W&B gets it all."""

    def write(self, records: Sequence[Record]) -> None:
        pass

    def flush(self) -> Mapping[str, Json]:
        return {"mode": "disabled"}

    def close(self) -> None:
        pass


class WandbSink:
    """One W&B run.

    Args:
        target: the run, and what is known of it.
        mode: ``online`` or ``offline``.

    Attributes:
        skipped: how many files could not be shown, because they are gone or W&B could not take them.

    Raises:
        StartOverError: if W&B lost rows that it had been given.
    """

    def __init__(self, target: Target, mode: str) -> None:
        self._target, self._mode = target, mode
        self._copy = _copy(target)
        self._origin = Origin(_started(target.folder))
        state = target.state
        self._about = _about(target)
        if mode == "offline":
            wandb_folders.begin(target.folder.path, _id(target, self._copy))
        self._client = _client(target, mode, self._copy, self._origin, self._about)
        self._rows = int(state.get("rows", 0))
        self._attempt = int(state.get("attempt", 0))
        self._printed: dict[str, int] = dict(state.get("printed", {}))
        self.skipped = int(state.get("skipped", 0))
        self._summary: dict[str, Json] = {}
        self._told: dict[str, Json] = {}
        self._params: dict[str, dict[str, Json]] = {}
        self._configured: dict[str, Json] = {}
        self._ended: Ended | None = None
        self._until = target.identity.created
        if self._client.rows < self._rows:
            self._client.finish(1)
            raise StartOverError(f"W&B lost {self._rows - self._client.rows} rows that it was given")
        if mode == "offline":
            wandb_folders.mark(target.folder.path, self._client.folder, self._client.run.id)
        elif state:  # these came before
            self._params = {"": dict(self._client.run.config)}
            self._configured = dict(self._client.run.config)

    # -- the protocol ---------------------------------------------------------------------------------------

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            if isinstance(record, Scalars):
                self._take_scalars(record)
            elif isinstance(record, Started):
                self._take_started(record)
            elif isinstance(record, Params):
                self._take_params(record)
            elif isinstance(record, Text | Media):
                self._take_media(record)
            elif isinstance(record, Artifact):
                self._take_artifact(record)
            elif isinstance(record, Edit):
                self._take_edit(record)
            elif isinstance(record, Ended):
                self._take_ended(record)
        self._tell_summary()

    def flush(self) -> Mapping[str, Json]:
        return {
            "mode": self._mode,
            "id": self._client.run.id,
            "copy": self._copy,
            "rows": self._rows,
            "attempt": self._attempt,
            "printed": dict(self._printed),
            "skipped": self.skipped,
            "about": {**self._about},
        }

    def close(self) -> None:
        """End the W&B run: 0 for one that finished, 1 for one that did not, or not yet."""
        ended = self._ended
        if ended is not None and ended.status == "preempted":
            self._client.preempted()
        self._client.finish(0 if ended is not None and ended.status == "finished" else 1)

    # -- values ---------------------------------------------------------------------------------------------

    def _take_scalars(self, record: Scalars) -> None:
        values = record.items()
        if record.axis == "seconds":
            values = self._take_machine(record.time, values)
            if not values:
                return
        self._ended = None
        columns = wandb_names.columns(record)
        for name in values:
            self._client.axis(name, next(iter(columns)))
        self._row(record.time, columns | values)

    def _take_machine(self, time: float, values: Mapping[str, float]) -> dict[str, float]:
        """Show samples of the machine in W&B's own panel; what is left is drawn over seconds."""
        samples = {name: value for name, value in values.items() if name.startswith("system/")}
        if samples:
            self._client.machine(time, wandb_names.machine(samples, self._origin.cpus))
        return {name: value for name, value in values.items() if name not in samples}

    def _take_media(self, record: Text | Media) -> None:
        self._ended = None
        if self._rows < self._client.rows:
            self._row(record.time, {})
            return
        columns = wandb_names.columns(record)
        row: dict[str, Json] = {}
        try:
            if isinstance(record, Text):
                made = wandb_media.text(record)
            else:
                path = self._target.folder.path / record.file
                made = wandb_media.shown(record, path)
            if made is not None:
                row = self._client.shown(record.name, made, self._rows)
        except Exception as error:  # one picture is no reason to stop
            self._skip(f"{record.name!r}", error)
        if row:
            for name in row:
                self._client.axis(name, next(iter(columns)))
            self._row(record.time, columns | row, summed=False)

    def _row(self, time: float, values: Mapping[str, Json], *, summed: bool = True) -> None:
        """The next row, unless W&B has it already."""
        number, self._rows = self._rows, self._rows + 1
        clock = {"_timestamp": time, "_runtime": time - self._target.identity.created}
        if number >= self._client.rows:
            self._client.row(number, {**values, **clock})
        if summed:
            self._summary.update(values)
            self._summary.update(_step=number, _timestamp=time)
            self._until = time

    def _take_artifact(self, record: Artifact) -> None:
        self._ended = None
        if not self._target.options.get("log_artifacts", True):
            return
        path = self._target.folder.path / record.path
        try:
            made = wandb_media.artifact(record, path, self._client.run.id)
            self._client.artifact(made, record.aliases)
        except Exception as error:  # a checkpoint that was rotated away is no reason to stop
            self._skip(f"artifact {record.name!r}", error)

    def _skip(self, what: str, error: Exception) -> None:
        self.skipped += 1
        log.warning("W&B does not get %s: %s: %s", what, type(error).__name__, error)

    # -- about the run --------------------------------------------------------------------------------------

    def _take_started(self, record: Started) -> None:
        self._ended = None
        self._attempt = max(self._attempt, record.attempt)

    def _take_params(self, record: Params) -> None:
        if record.about == ABOUT:
            return
        self._params.setdefault("" if record.about == "config" else record.about, {}).update(record.params)
        wanted = wandb_names.config(self._params)
        changed = {
            name: value
            for name, value in wanted.items()
            if name not in self._configured or self._configured[name] != value
        }
        self._client.config(changed, self._configured.keys() - wanted.keys())
        self._configured = wanted

    def _take_edit(self, record: Edit) -> None:
        run, about, value = self._client.run, self._about, record.value
        if record.op == "rename":
            run.name = about["name"] = value
        elif record.op == "note":
            run.notes = about["notes"] = value
        elif record.op in ("tag", "untag"):
            others = [tag for tag in about["tags"] if tag != value]
            about["tags"] = [*others, value] if record.op == "tag" else others
            run.tags = wandb_names.tags(about["tags"])

    def _take_ended(self, record: Ended) -> None:
        self._ended, self._until = record, record.time
        self._summary.update({name: wandb_names.number(value) for name, value in record.summary.items()})
        self._summary["status"] = record.status
        if self._target.options.get("console"):
            self._print()

    def _tell_summary(self) -> None:
        """What the table of runs shows: the latest values, after the end those of the best checkpoint."""
        changed = {
            name: value
            for name, value in self._summary.items()
            if name not in self._told or self._told[name] != value
        }
        if changed:
            self._client.summary(changed)
            self._client.duration(self._until - self._target.identity.created)
            self._told.update(changed)

    def _print(self) -> None:
        """Upload what came to the run's log files since the last time."""
        for path in sorted(self._target.folder.logs.glob("*.log")):
            if path.name.startswith("shipper-"):
                continue
            with path.open("rb") as file:
                size = file.seek(0, 2)
                begin = file.seek(max(self._printed.get(path.name, 0), size - _MOST_CONSOLE))
                for line in file.read(size - begin).decode(errors="replace").splitlines(keepends=True):
                    self._client.console(line)
            self._printed[path.name] = size


def _about(target: Target) -> dict[str, Any]:
    """Name, tags and notes as they stood when the sink was let go."""
    identity = target.identity
    before: dict[str, Any] = {"name": identity.name, "tags": list(identity.tags), "notes": identity.notes}
    return before | dict(target.state.get("about", {}))


def _client(target: Target, mode: str, copy: int, origin: Origin, about: Mapping[str, Any]) -> Client:
    identity = target.identity
    facts = {"run_id": identity.id, "evaluates": identity.evaluates, "forked_from": identity.forked_from}
    facts |= {"question": identity.question, "method": identity.method}
    try:
        client = connect(
            target.folder.path,
            origin,
            mode=mode,
            id=_id(target, copy),
            name=about["name"] or identity.id,
            group=identity.group or None,
            tags=wandb_names.tags(about["tags"]),
            notes=about["notes"] or None,
            project=_option(target, "project") or identity.project,
            entity=_option(target, "entity"),
            job_type=target.options.get("job_type"),
            config={name: value for name, value in facts.items() if value},
            resume="allow" if mode == "online" else None,
        )
    except Exception as error:
        unknown_key = "returned error 401" in str(error)
        if unknown_key or type(error).__name__ in ("AuthenticationError", "UsageError"):  # do not try again
            raise RefusedError(f"W&B: {str(error).splitlines()[0]}") from error
        raise
    client.began(identity.created)
    client.environment(origin, identity.created)
    return client


def _id(target: Target, copy: int) -> str:
    return wandb_names.run_id(target.identity.id) + (f"-{copy + 1}" if copy else "")


def _option(target: Target, name: str) -> str | None:
    return target.options.get(name) or os.environ.get(f"WANDB_{name.upper()}") or None


def _copy(target: Target) -> int:
    """Which run at W&B this one is to be: W&B cannot take rows back, so those of the first may not count."""
    before = target.state or target.superseded
    copy = int(before.get("copy", 0))
    more = target.folder.attempts() > int(before.get("attempt", 0))
    if not target.state and before.get("mode") == "online" and more:
        copy += 1
    uploaded = wandb_folders.clear(target.folder.path)
    while _id(target, copy) in uploaded:
        copy += 1
    return copy


def _started(folder: RunFolder) -> Started | None:
    """How the run began."""
    records = (record for _, _, record in Tail(folder.journal).poll())
    return next((record for record in records if isinstance(record, Started)), None)
