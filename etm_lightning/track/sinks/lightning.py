"""Any Logger of Lightning as a sink: it lives in a worker process, which alone imports Lightning."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

import msgspec

from etm_lightning.records import Json, Record, Unknown, encode
from etm_lightning.track.sinks.sink import RefusedError, StartOverError, Target
from etm_lightning.track.sinks.worker import HEAD, MODULE, Answer, Order, package

START_SECONDS = 180.0
"""How long the worker may take to import Lightning and the logger, and to make the logger."""
ANSWER_SECONDS = 120.0
CLOSE_SECONDS = 10.0


def open(target: Target) -> LightningSink:
    """Open the sink.

    Raises:
        RefusedError: if an option is missing or unknown, or the logger's package is not installed.
        StartOverError: if the logger cannot go on where it was, as a CSVLogger cannot.
    """
    options = dict(target.options)
    logger = options.pop("logger", None)
    seconds = float(options.pop("timeout", None) or ANSWER_SECONDS)
    python = str(options.pop("python", None) or "")
    if options:
        raise RefusedError(
            f"`{next(iter(options))}` is not an option of the sink lightning, which has "
            "logger, timeout, python"
        )
    if not isinstance(logger, Mapping) or not (logger.get("_target_") or logger.get("class_path")):
        raise RefusedError(
            "`logger` must name a Logger and its arguments, such as {'_target_': "
            f"'lightning.pytorch.loggers.CSVLogger', 'save_dir': 'logs'}}, but got {logger!r}"
        )
    worker = Worker(python, seconds)
    try:
        order = Order("open", dict(logger), dict(target.state), target.generation)
        return LightningSink(worker, worker.ask(package(order), START_SECONDS))
    except BaseException:
        worker.kill()
        raise


class LightningSink:
    """One run in one Logger of Lightning."""

    def __init__(self, worker: Worker, opened: Answer) -> None:
        self._worker, self._state = worker, opened.state

    def write(self, records: Sequence[Record]) -> None:
        known = (encode(record) for record in records if not isinstance(record, Unknown))
        self._worker.ask(package(Order("write"), b"[" + b",".join(known) + b"]"))

    def flush(self) -> Mapping[str, Json]:
        self._state = self._worker.ask(package(Order("flush"))).state
        return self._state

    def close(self) -> None:
        self._worker.close()


class Worker:
    """The process that has the Logger.

    Args:
        python: an interpreter that has etm_lightning and the Logger; "" for this one, with its paths.
        seconds: how long it may take over an order.
    """

    def __init__(self, python: str, seconds: float) -> None:
        self._seconds = seconds
        paths = {} if python else {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}
        self._process = subprocess.Popen(
            [python or sys.executable, "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env={**os.environ, **paths, "OMP_NUM_THREADS": "1"},
        )
        assert self._process.stdin
        assert self._process.stdout
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)

    def ask(self, order: bytes, seconds: float = 0.0) -> Answer:
        """Give an order and wait for the answer.

        Raises:
            TimeoutError: if there is none in time.
            ConnectionError: if the worker is gone.
            RefusedError: if the worker says that somebody has to do something first.
            StartOverError: if the logger cannot go on where it was.
            RuntimeError: if the logger raised.
        """
        try:
            answer = self._answer(order, time.monotonic() + (seconds or self._seconds))
        except TimeoutError:  # it would not hear of its end either
            self.kill()
            raise
        match answer.kind:
            case "refused":
                raise RefusedError(answer.text)
            case "over":
                raise StartOverError(answer.text)
            case "failed":
                raise RuntimeError(answer.text)
        return answer

    def close(self) -> None:
        """Let the worker end; one that does not is killed."""
        assert self._process.stdin
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # then it is killed
            self._process.wait(CLOSE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the worker at once."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _answer(self, order: bytes, until: float) -> Answer:
        self._send(memoryview(order), until)
        size = HEAD.unpack(self._receive(HEAD.size, until))[0]
        return msgspec.json.decode(self._receive(size, until), type=Answer)

    def _send(self, rest: memoryview, until: float) -> None:
        while rest:
            self._wait_for([], [self._to], until)
            try:
                rest = rest[os.write(self._to, rest) :]
            except BlockingIOError:
                continue

    def _receive(self, size: int, until: float) -> bytes:
        found = b""
        while len(found) < size:
            self._wait_for([self._from], [], until)
            part = os.read(self._from, size - len(found))
            if not part:
                raise ConnectionError(f"the worker of the logger is gone: exit code {self._process.wait(5)}")
            found += part
        return found

    def _wait_for(self, readable: list[int], writable: list[int], until: float) -> None:
        left = max(0.0, until - time.monotonic())
        if not any(select.select(readable, writable, [], left)):
            raise TimeoutError("the worker of the logger does not answer")
