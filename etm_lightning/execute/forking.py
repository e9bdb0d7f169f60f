"""The controller's end of the fork server: trials that begin with their libraries imported."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, Pipe
from multiprocessing.reduction import send_handle
from typing import Any

from etm_lightning.execute.launching import Errand
from etm_lightning.execute.local import LocalJob, in_words, left_behind
from etm_lightning.process import Process, boot_id, born, host, lives

SERVER = "etm_lightning.execute.fork_server"
PATIENCE = 120.0
"""Seconds that imports may take before a trial is started without."""
log = logging.getLogger(__name__)


def able() -> bool:
    """Whether this system has what a fork server needs."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


def targets(node: Any) -> Iterator[str]:
    """The modules of all that a config tells to build.

    >>> list(targets({"model": {"_target_": "torch.nn.Linear", "norm": [{"_target_": "mine.Norm"}]}}))
    ['torch.nn', 'mine']
    """
    if isinstance(node, dict):
        target = node.get("_target_")
        if isinstance(target, str):
            yield target.rpartition(".")[0]
        node = list(node.values())
    if isinstance(node, list):
        for one in node:
            yield from targets(one)


class ForkServer:
    """Starts trials by a process that has imported their libraries (`fork_server.py`).

    The process begins with the first trial. Once it cannot fork, or is gone, `start` says so, and what runs
    goes on.

    Args:
        modules: what to import, as far as it is of libraries.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = modules
        self._process: subprocess.Popen[bytes] | None = None
        self._control: Connection[Any, Any] | None = None
        self._fit = True
        self._asked = 0
        self._began: dict[int, int] = {}  # by the number of the request: a pid may come again
        self._codes: dict[int, int] = {}

    def start(self, errand: Errand, env: Mapping[str, str], lock: int) -> LocalJob | None:
        """Fork a trial; None if it is to be started in another way.

        Args:
            errand: what to start.
            env: its whole environment.
            lock: a descriptor that it keeps open as long as it lives.
        """
        if self._process is None:
            self._begin(errand.command[1:])
        if self._control is None or not self._fit:
            return None
        self._asked = number = self._asked + 1
        request = {"number": number, "command": errand.command[1:], "cwd": str(errand.cwd), "env": dict(env)}
        try:
            with errand.log.open("ab") as output:
                self._control.send_bytes(json.dumps(request).encode())
                for descriptor in (output.fileno(), lock):
                    send_handle(self._control, descriptor, None)
        except OSError as error:
            self._give_up(str(error))
            return None
        deadline = time.monotonic() + PATIENCE
        while number not in self._began and self._control is not None and time.monotonic() < deadline:
            self._listen(deadline - time.monotonic())
        if number not in self._began:  # it may have been forked: if it was, it holds the lock
            self._give_up(f"no answer within {PATIENCE:g} s")
            return left_behind(None, errand.place)
        pid = self._began.pop(number)
        known = Process(host(), boot_id(), pid, born(pid) or 0.0)
        return LocalJob(known, lambda: self._end(number, known))

    def close(self) -> None:
        """End the server; trials go on."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.wait()

    def _begin(self, script: Sequence[str]) -> None:
        control, its = Pipe()
        path = os.getcwd() if script[0] == "-m" else os.path.dirname(os.path.realpath(script[0]))
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", SERVER, str(its.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(its.fileno(),),
                # else torch asks CUDA whether there are GPUs, and what has asked cannot be forked
                env=os.environ | {"PYTORCH_NVML_BASED_CUDA_CHECK": "1"},
            )
        self._control = control
        control.send_bytes(json.dumps({"path": path, "modules": list(self._modules)}).encode())

    def _end(self, number: int, known: Process) -> str | None:
        self._listen(0.0)
        if number in self._codes:
            return in_words(self._codes[number])
        return "unseen" if self._control is None and not lives(known) else None

    def _listen(self, seconds: float) -> None:
        """Take in what the server has said, or says first within that time."""
        try:
            while self._control is not None and self._control.poll(seconds):
                told = json.loads(self._control.recv_bytes())
                if "code" in told:
                    self._codes[told["number"]] = told["code"]
                elif "pid" in told:
                    self._began[told["number"]] = told["pid"]
                else:
                    self._fit = False
                    log.debug("trials are not forked any more: %s", told["unfit"])
                seconds = 0.0
        except (EOFError, OSError) as error:
            self._give_up(str(error) or "it is gone")

    def _give_up(self, why: str) -> None:
        log.debug("the fork server is given up: %s", why)
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self.close()
