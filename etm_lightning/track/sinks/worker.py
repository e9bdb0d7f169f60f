"""The process in which a Logger of Lightning lives while it is fed from the journal.

Orders come over its standard input, answers go over its standard output: eight bytes with the length, then
JSON. It ends when its input does.
"""

from __future__ import annotations

import importlib
import inspect
import os
import struct
import sys
import traceback
from collections.abc import Mapping
from typing import Any, BinaryIO, Literal

import msgspec

from etm_lightning.params import flatten
from etm_lightning.records import Ended, Json, Known, Params, Scalars
from etm_lightning.track.redact import redact
from etm_lightning.track.shipping.configured import ABOUT
from etm_lightning.track.sinks.sink import RefusedError, StartOverError

MODULE = "etm_lightning.track.sinks.worker"
HEAD = struct.Struct(">Q")
SUCCEEDED = ("finished", "pruned")


class Order(msgspec.Struct, frozen=True):
    """What the worker is to do; records to write follow it, in the same frame, after a newline."""

    what: Literal["open", "write", "flush"]
    logger: dict[str, Json] = {}
    state: dict[str, Json] = {}
    generation: int = 0


class Answer(msgspec.Struct, frozen=True):
    """What became of an order; `text` says why it failed."""

    kind: Literal["done", "refused", "over", "failed"] = "done"
    text: str = ""
    state: dict[str, Json] = {}


def package(message: Order | Answer, records: bytes = b"") -> bytes:
    """One frame."""
    body = msgspec.json.encode(message) + (b"\n" + records if records else b"")
    return HEAD.pack(len(body)) + body


class Guest:
    """A Logger of Lightning, fed with records.

    Args:
        logger: the Logger.
        state: what is remembered from the last time.
    """

    def __init__(self, logger: Any, state: Mapping[str, Json]) -> None:
        self._logger = logger
        self._params: dict[str, Json] = dict(state.get("params", {}))
        self._ended = ""

    def write(self, records: list[Known]) -> None:
        """Log what a Logger knows of: settings, and values as Lightning gives them, with the epoch."""
        for record in records:
            if isinstance(record, Scalars) and record.axis != "seconds":
                epoch = {} if record.epoch is None else {"epoch": record.epoch}
                self._logger.log_metrics({**record.items(), **epoch}, step=record.step)
                self._ended = ""
            elif isinstance(record, Params) and record.about != ABOUT:
                self._log_params(record)
            elif isinstance(record, Ended):
                self._ended = "success" if record.status in SUCCEEDED else "failed"

    def flush(self) -> dict[str, Json]:
        """Let the Logger save, and end if the run has; what it is to be opened with again."""
        self._logger.save()
        if self._ended:
            self._logger.finalize(self._ended)
            self._ended = ""
        version = self._logger.version
        known = version if isinstance(version, str | int | None) else str(version)
        return {"version": known, "params": self._params}

    def _log_params(self, record: Params) -> None:
        given = record.params if record.about == "config" else {record.about: record.params}
        flat = flatten(given)
        new = {name: value for name, value in flat.items() if name not in self._params}
        if new:
            self._logger.log_hyperparams(new)
            self._params |= new
        changed = {name: value for name, value in flat.items() if value != self._params[name]}
        if changed:
            try:
                self._logger.log_hyperparams(changed)
            except Exception as error:  # MLflow's never change: not worth the metrics that come after
                print(redact(f"{', '.join(changed)} cannot change here: {error}"), file=sys.stderr)
            self._params |= changed


def make(spec: Mapping[str, Any], **more: Any) -> Any:
    """The object that ``{"_target_": class, arguments}`` or ``{"class_path": …, "init_args": …}`` describes.

    >>> make({"_target_": "datetime.timedelta", "hours": 1})
    datetime.timedelta(seconds=3600)
    """
    arguments = dict(spec)
    path = arguments.pop("_target_", None) or arguments.pop("class_path")
    arguments = {**arguments.pop("init_args", {}), **arguments, **more}
    found = {
        name: make(value)
        if isinstance(value, Mapping) and {"_target_", "class_path"} & value.keys()
        else value
        for name, value in arguments.items()
    }
    return _class(path)(**found)


def open_logger(order: Order) -> Guest:
    """The Logger, which goes on where it was if it can.

    Raises:
        RefusedError: if it cannot be imported.
        StartOverError: if it was open before and would delete what it wrote.
    """
    spec = order.logger
    kind = _class(str(spec.get("_target_") or spec.get("class_path")))
    if order.state and any(parent.__name__ == "CSVLogger" for parent in kind.__mro__):
        raise StartOverError("a CSVLogger deletes the file that is there, and so writes all of it anew")
    return Guest(make(spec, **_place(kind, order)), order.state)


def _place(kind: Any, order: Order) -> dict[str, Any]:
    """Arguments that tell a Logger to go on with what it made before, or in a new generation not to."""
    taken = inspect.signature(kind).parameters
    given = {**order.logger, **order.logger.get("init_args", {})}
    version = order.state.get("version")
    if version is not None:
        return next(({name: version} for name in ("run_id", "version") if name in taken), {})
    csv = any(parent.__name__ == "CSVLogger" for parent in kind.__mro__)
    if order.generation and not csv and given.get("version") and "version" in taken:
        return {"version": f"{given['version']}-{order.generation}"}
    return {}


def _class(path: str) -> Any:
    place, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(place), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise RefusedError(
            f"`logger` must name a class that can be imported but got {path!r}: {error}"
        ) from error


def serve(orders: BinaryIO, answers: BinaryIO) -> None:
    """Follow orders until there are no more."""
    guest: Guest | None = None
    while head := orders.read(HEAD.size):
        body, _, records = orders.read(HEAD.unpack(head)[0]).partition(b"\n")
        order = msgspec.json.decode(body, type=Order)
        try:
            if order.what == "open":
                guest = open_logger(order)
                answer = Answer(state=order.state)
            else:
                assert guest is not None
                answer = _follow(guest, order, records)
        except RefusedError as error:
            answer = Answer("refused", str(error))
        except StartOverError as error:
            answer = Answer("over", str(error))
        except Exception as error:  # whatever a stranger's Logger raises
            print(redact(traceback.format_exc()), file=sys.stderr)
            answer = Answer("failed", f"{type(error).__name__}: {error}")
        answers.write(package(answer))
        answers.flush()


def _follow(guest: Guest, order: Order, records: bytes) -> Answer:
    if order.what == "flush":
        return Answer(state=guest.flush())
    guest.write(msgspec.json.decode(records, type=list[Known]))
    return Answer()


def main() -> None:
    """What ``python -m etm_lightning.track.sinks.worker`` does."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a Logger prints is not an answer
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
