"""The training's side of its shipper: starts it, starts it again when it dies, asks it to finish."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from etm_lightning.attempts import find_writers
from etm_lightning.layout import RunFolder
from etm_lightning.process import Process, this_process
from etm_lightning.reading import START, Cursor
from etm_lightning.records import Alert
from etm_lightning.track.shipping.alerts import NAMES
from etm_lightning.track.shipping.cursors import load, progress_file
from etm_lightning.track.shipping.delivery import lag

log = logging.getLogger(__name__)

RESTARTS = 3
START_AFTER = {True: 1.0, False: 5.0}
"""Seconds after the start of a run: with sinks, and without, where there is only the machine to watch."""
LOCAL_TIMEOUT = 0.5
TITLES = {"tensorboard": "TensorBoard", "wandb": "W&B", "mlflow": "MLflow", "webhook": "the webhook"}
_LOOK_EVERY = 5.0


def wanted() -> bool:
    """Whether ``ETM_SHIPPER`` lets trainings have one."""
    return os.environ.get("ETM_SHIPPER", "1") != "0"


def finish_timeout() -> float:
    """Seconds to wait for the sinks at the end, by default: more where what is left behind is killed."""
    inside = os.getpid() == 1 or Path("/.dockerenv").exists() or "KUBERNETES_SERVICE_HOST" in os.environ
    return 60.0 if inside or "SLURM_JOB_ID" in os.environ else 5.0


def _spawn(command: list[str], output: IO[bytes], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own that gets SIGTERM only once it is ready for it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=environment,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Companion:
    """One run's shipper, as its training sees it.

    Args:
        folder: the run's folder.
        attempt: the attempt that is accompanied.
        sinks: names of the sinks.
        timeout: seconds to wait for them at the end; by default `finish_timeout()`.
        rank: on a node above the first the rank of this process: then only its hardware is sampled.
        environment: more variables for the shipper's process, secrets too.
        process: the training's, if it is not this one.
        delivers_only: whether the training runs on another machine: then `process` is who asks for delivery.
        told: whether alerts, and why a sink does not get on, are told here.
    """

    def __init__(
        self,
        folder: RunFolder,
        attempt: int,
        sinks: Sequence[str],
        timeout: float | None = None,
        rank: int = 0,
        environment: Mapping[str, str] | None = None,
        process: Process | None = None,
        delivers_only: bool = False,
        told: bool = True,
    ) -> None:
        self._of, self._delivers_only, self._tells = process or this_process(), delivers_only, told
        self._folder, self._attempt, self._sinks, self._rank = folder, attempt, list(sinks), rank
        self._timeout = finish_timeout() if timeout is None else timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._due = time.monotonic() + START_AFTER[bool(sinks)]
        self._restarts = 0
        self._rest_delivered = False
        self._next_look = self._due + _LOOK_EVERY
        self._told: set[str] = set()
        self._environment = dict(environment or {})
        self._places: dict[str, Cursor] = {}

    @property
    def pid(self) -> int | None:
        """The shipper's process, while there is one."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def left(self) -> bool:
        """Whether it saw the end of the training and left."""
        return self._process is not None and self._process.poll() == 0

    def tick(self, *, ended: bool) -> bool:
        """Look after the shipper, about once a second.

        Args:
            ended: whether the run has ended for now.

        Returns:
            Whether there is anything left to look after.
        """
        now = time.monotonic()
        if self._tells and now >= self._next_look:
            self._next_look = now + _LOOK_EVERY
            self._look()
            self._show_alerts()
        if self.pid is not None:
            return True
        if ended:
            return self._deliver_rest()
        self._rest_delivered = False
        if self._process is not None:
            self._again(self._process.returncode)
        elif now >= self._due:
            self._start()
        return True

    def ask_to_finish(self) -> None:
        """Let the shipper deliver the rest and leave; one that did not run does so now."""
        if self.pid is not None:
            assert self._process is not None
            self._process.terminate()
        else:
            self._deliver_rest()

    def _deliver_rest(self) -> bool:
        """Start a shipper that delivers what is left and ends, once; whether it was started."""
        if self._rest_delivered or not any(lag(self._folder, sink, 1) for sink in self._sinks):
            return False
        self._rest_delivered = True
        self._start("--finish")
        return True

    def finish(self) -> list[str]:
        """Wait for the shipper after `ask_to_finish`, for a bounded time.

        Returns:
            For each sink that is still behind a line that says so.
        """
        if self._process is not None:
            try:
                self._process.wait(self._timeout if self._sinks else LOCAL_TIMEOUT)
            except subprocess.TimeoutExpired:
                log.debug("the shipper %d goes on by itself", self._process.pid)
        if self._tells:
            self._show_alerts()
        lines = []
        for sink in self._sinks:
            count = lag(self._folder, sink)
            if count:
                error = load(progress_file(self._folder, sink)).error
                why = f" ({error})" if error else ""
                again = f"etm sync {self._folder.path.name[-4:]} --to {sink}"
                title = TITLES.get(sink, sink)
                lines.append(f"{title} is {count:,} records behind{why}; `{again}` delivers them")
        return lines

    def _again(self, code: int) -> None:
        if code and self._restarts >= RESTARTS:
            return
        if code:
            self._restarts += 1
            log.warning("the shipper ended with %d and is started again", code)
        self._start()

    def _start(self, *more: str) -> None:
        whose = ["--pid", str(self._of.pid), "--born", repr(self._of.born)]
        arguments = ["--attempt", str(self._attempt), *whose, *more]
        if self._delivers_only:
            arguments.append("--delivers-only")
        name = f"shipper-{self._attempt}"
        if self._rank:
            arguments += ["--rank", str(self._rank)]
            name += f".{self._rank}"
        command = [sys.executable, "-P", "-m", "etm_lightning.track.shipping.shipper", str(self._folder.path)]
        paths = [path or os.getcwd() for path in sys.path]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            **self._environment,
            "ETM_SHIPPER": "0",
            "OMP_NUM_THREADS": "1",
        }
        try:
            self._folder.logs.mkdir(parents=True, exist_ok=True)
            with (self._folder.logs / f"{name}.log").open("ab") as output:
                self._process = _spawn(command + arguments, output, environment)
        except OSError as error:
            self._restarts += 1
            self._due = time.monotonic() + 10.0 if self._restarts <= RESTARTS else float("inf")
            log.warning("the shipper cannot be started, training goes on: %s", error)

    def _look(self) -> None:
        """Tell once why a sink does not get on."""
        for sink in self._sinks:
            error = load(progress_file(self._folder, sink)).error
            if error and sink not in self._told:
                self._told.add(sink)
                title = TITLES.get(sink, sink)
                log.warning("%s: %s. All is recorded locally and can be delivered later.", title, error)

    def _show_alerts(self) -> None:
        """What the shipper has seen from outside, a line each."""
        for writer in find_writers(self._folder.journal):
            if writer.header.role != "shipper" or writer.header.attempt != self._attempt:
                continue
            for cursor, item in writer.read(self._places.get(writer.name, START)):
                self._places[writer.name] = cursor
                if isinstance(item, Alert) and item.name in NAMES and item.level != "info":
                    step = "" if item.step is None else f" (step {item.step})"
                    log.warning("%s%s%s", item.title, step, f": {item.text}" if item.text else "")
