"""Delivers a run to TensorBoard's event files, in a folder that bears the run's name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

try:
    from tensorboard.compat.proto import summary_pb2
except ImportError as error:
    raise ImportError("the sink `tensorboard` needs it: pip install 'etm-lightning[tensorboard]'") from error

from etm_lightning.params import flatten
from etm_lightning.records import Alert, Ended, Json, Media, Params, Record, Scalars, Started, Text
from etm_lightning.tail import Tail
from etm_lightning.track.sinks import hparams, markdown, summaries
from etm_lightning.track.sinks.eventfile import EventFiles
from etm_lightning.track.sinks.sink import Sink, StartOverError, Target
from etm_lightning.track.sinks.tags import EVAL_BATCH, Tags

log = logging.getLogger(__name__)

FOLDER = ".tensorboard"


def open(target: Target) -> Sink:
    """A sink that writes event files below the folder `tensorboard --logdir` is to be given.

    Args:
        target: of its options, ``dir`` is that folder, from the one that the store lies in; by default
            ``.tensorboard`` in the store.
    """
    return TensorBoard(target, logdir(target) / target.folder.path.parent.name / target.folder.path.name)


def logdir(target: Target) -> Path:
    """What `tensorboard --logdir` is to be given."""
    store = target.folder.path.absolute().parent.parent
    given = target.options.get("dir")
    return store.parent / Path(str(given)).expanduser() if given else store / FOLDER


def undone(target: Target) -> float:
    """Up to when ends do not count, because the run went on after the one that was delivered before."""
    last = target.superseded.get("ended") or target.superseded.get("undone", 0.0)
    records = (record for _, _, record in Tail(target.folder.journal).poll()) if last else ()
    went_on = any(isinstance(record, Started | Ended) and record.time > last for record in records)
    return float(last) if went_on else 0.0


class TensorBoard:
    """One run's event files.

    Attributes:
        missing: how many media could not be shown, because the file is gone or is not what it is called.
    """

    def __init__(self, target: Target, folder: Path) -> None:
        state = target.state
        self._run, self._created = target.folder.path, target.identity.created
        self._files = EventFiles(folder, state, self._created)
        self._tags = Tags(state)
        self._epoch: int | None = state.get("epoch")
        self._step = int(state.get("step", 0))
        self._settings: dict[str, Json] | None = state.get("settings", {})  # None when they are written
        self._status, self._ended = str(state.get("status", "")), float(state.get("ended", 0.0))
        self._undone = float(state["undone"]) if state else undone(target)
        self._end: Ended | None = None
        self.missing = int(state.get("missing", 0))
        self._takes: Mapping[type, Callable[[Any], None]] = {
            Scalars: self._take_scalars,
            Text: self._take_text,
            Media: self._take_media,
            Alert: self._take_alert,
            Params: self._take_params,
            Started: self._take_started,
            Ended: self._take_ended,
        }

    def write(self, records: Sequence[Record]) -> None:
        """Take what TensorBoard has a place for."""
        for record in records:
            take = self._takes.get(type(record))
            if take is not None:
                take(record)

    def flush(self) -> Mapping[str, Json]:
        """Hand all to the operating system, which survives this process."""
        if self._end is not None:
            self._write_end(self._end)
        return {
            **self._files.flush(),
            **self._tags.state(),
            "epoch": self._epoch,
            "step": self._step,
            "settings": self._settings,
            "status": self._status,
            "ended": self._ended,
            "undone": self._undone,
            "missing": self.missing,
        }

    def close(self) -> None:
        """Let go of the file."""
        self._files.close()

    # -- values ---------------------------------------------------------------------------------------------

    def _take_scalars(self, record: Scalars) -> None:
        values = record.items() if record.nonfinite else record.values
        tag, stage, axis = self._tags.tag, record.stage, record.axis
        if axis == "step":
            self._step = record.step
            self._note_epoch(record)
            self._scalars(record.time, record.step, {tag(name, stage, axis): values[name] for name in values})
        else:
            self._take_elsewhere(record, {tag(name, stage, axis): values[name] for name in values})
        if self._settings is not None and axis in ("step", EVAL_BATCH):
            self._write_settings(record.time)

    def _take_elsewhere(self, record: Scalars, values: Mapping[str, float]) -> None:
        """Values along an axis of their own; together where they lie at the same place."""
        together: dict[int, dict[str, float]] = {}
        for tag, value in values.items():
            together.setdefault(self._tags.place(tag, record.step, record.axis), {})[tag] = value
        for place, some in together.items():
            self._scalars(record.time, place, some)

    def _note_epoch(self, record: Scalars) -> None:
        """The epoch as a curve, as Lightning's loggers have it, but once for each epoch."""
        if record.epoch is not None and record.epoch != self._epoch:
            self._epoch = record.epoch
            tag = self._tags.tag("epoch", "", "step")
            self._scalars(record.time, record.step, {tag: record.epoch})

    def _scalars(self, time: float, step: int, values: Mapping[str, float]) -> None:
        made = [summary_pb2.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._files.append(time, step, summary=summary_pb2.Summary(value=made))

    # -- texts and media ------------------------------------------------------------------------------------

    def _take_text(self, record: Text) -> None:
        self._show(record, record.name, summaries.text(markdown.text(record.text)))

    def _take_alert(self, record: Alert) -> None:
        words = f"**{record.level}: {record.title}**\n\n{record.text}".rstrip()
        self._show(record, "alerts", summaries.text(words))

    def _take_media(self, record: Media) -> None:
        make = summaries.BY_TYPE.get(record.type)
        if make is None:
            log.debug("%s is a %s, which TensorBoard does not show", record.name, record.type)
            return
        try:
            shown = list(make((self._run / record.file).read_bytes()))
        except Exception as error:  # there is no end to how a file can be broken
            self.missing += 1
            log.warning(
                "%s %r cannot be shown: %s: %s", record.type, record.name, type(error).__name__, error
            )
            return
        index = record.info.get("index")  # of several that were logged at once
        name = f"{record.name}/{index}" if index else record.name
        for part in shown:
            self._show(record, name + part.part, part)

    def _show(self, record: Text | Media | Alert, name: str, shown: summaries.Shown) -> None:
        if shown.what == "graph":
            self._files.append(record.time, record.step or 0, **shown.value)
            return
        tag = self._tags.tag(name, shown.what, "")
        place = self._tags.place(tag, record.step, getattr(record, "axis", ""))
        value = summary_pb2.Summary.Value(tag=tag, **shown.value)
        self._files.append(record.time, place, summary=summary_pb2.Summary(value=[value]))

    # -- settings and the end -------------------------------------------------------------------------------

    def _take_params(self, record: Params) -> None:
        if self._settings is not None and record.about == "config":
            self._settings = {**self._settings, **flatten(record.params)}

    def _write_settings(self, time: float) -> None:
        """Once, at the first value: TensorBoard keeps the first that it reads."""
        if self._settings:
            self._files.append(time, 0, summary=hparams.session_start(self._settings, self._created))
        self._settings = None

    def _take_started(self, record: Started) -> None:
        """An attempt after an end: the end was none."""
        self._end = None
        if self._status:
            raise StartOverError(f"the run ended as {self._status}, and attempt {record.attempt} goes on")

    def _take_ended(self, record: Ended) -> None:
        if self._settings is not None:
            self._write_settings(record.time)
        values = {f"summary/{name}": value for name, value in record.summary.items() if _number(value)}
        if values:
            at = Scalars(time=record.time, step=self._step, axis="")
            self._take_elsewhere(at, {tag: float(value) for tag, value in values.items()})
        if record.time > self._undone:
            self._end = record

    def _write_end(self, end: Ended) -> None:
        self._end = None
        if self._status and self._status != end.status:
            raise StartOverError(f"the run ended as {self._status}, then as {end.status}")
        if not self._status:
            self._files.append(end.time, 0, summary=hparams.session_end(end.status, end.time))
            self._status = end.status
        self._ended = end.time


def _number(value: Json) -> bool:
    return value in ("nan", "inf", "-inf") or (isinstance(value, int | float) and not isinstance(value, bool))
