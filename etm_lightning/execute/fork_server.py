"""A process that has imported the libraries of a study's trials, and forks one for each: it begins at once.

`python -m etm_lightning.execute.fork_server FD`. It never imports the user's own modules, so each trial runs
the script from its first line, in a process of its own; what a trial imported besides, of libraries, the next
one finds imported. The standard library's fork server would import the script in each child once more, and
cannot learn. Loaded before torch and Hydra, so this loads little.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.util
import json
import os
import runpy
import select
import signal
import site
import sys
import sysconfig
import threading
import types
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib.machinery import SourceFileLoader
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import recv_handle
from typing import Any, NoReturn

PACKAGE = __name__.partition(".")[0] if __name__ != "__main__" else "etm_lightning"


@cache
def library(package: str) -> bool:
    """Whether a top-level package comes with python or lies among the installed ones.

    >>> library("json"), library("of_the_user")
    (True, False)
    """
    if package == PACKAGE:
        return True
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError, AttributeError):
        return False
    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    places = tuple(f"{path}{os.sep}" for path in (*paths, site.getusersitepackages()))
    return spec is not None and (spec.origin or "").startswith(places)


def load(modules: Iterable[str]) -> None:
    """Import those that are of libraries; one that cannot be imported is left to who wants it."""
    for name in modules:
        if name not in sys.modules and library(name.partition(".")[0]):
            with suppress(Exception):
                importlib.import_module(name)


def unfit() -> str:
    """Why this process must not be forked any more; "" if it may."""
    if threading.active_count() > 1:
        return "a library began a thread when it was imported"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "a library took a GPU when it was imported"
    return ""


class Server:
    """Forks trials for the controller at the other end of `control`, and tells it how each ended.

    It ends when the controller does; its trials do not.
    """

    def __init__(self, control: Connection) -> None:
        self._control = control
        self._environ = dict(os.environ)
        self._heard, self._say = os.pipe()
        self._trials: dict[
            int, tuple[int, int]
        ] = {}  # number and pid, by the descriptor that tells of the end

    def serve(self) -> list[str]:
        """In a child, and only there, this returns: the command to run."""
        begin = json.loads(self._control.recv_bytes())
        if not sys.flags.safe_path:
            sys.path[0] = begin["path"]
        self._load(begin["modules"])
        while True:
            for ready in wait([self._control, self._heard, *self._trials]):
                if ready is self._control:
                    command = self._fork()
                    if command:
                        return command
                elif ready == self._heard:
                    self._load(os.read(self._heard, 1 << 20).decode().split())
                else:
                    self._bury(ready)  # type: ignore[arg-type]

    def _load(self, modules: Iterable[str]) -> None:
        load(modules)
        reason = unfit()
        if reason:
            self._tell(unfit=reason)
        gc.freeze()  # the trials' collector need not look at what all of them have

    def _fork(self) -> list[str] | None:
        try:
            request = json.loads(self._control.recv_bytes())
            log, _hold = recv_handle(self._control), recv_handle(self._control)
        except EOFError:
            os._exit(0)
        if self._deserted():  # it died during an import: nobody would know of a trial
            os._exit(0)
        pid = os.fork()
        if pid:
            os.close(log)
            os.close(_hold)
            self._trials[os.pidfd_open(pid)] = (request["number"], pid)
            self._tell(number=request["number"], pid=pid)
            return None
        os.setsid()
        os.dup2(log, 1)
        os.dup2(log, 2)
        for descriptor in (log, self._heard, *self._trials):
            os.close(descriptor)
        self._control.close()
        os.chdir(request["cwd"])
        # what libraries set for this process when they were imported is kept
        made = {name: text for name, text in os.environ.items() if self._environ.get(name) != text}
        asked = {name for name, text in request["env"].items() if self._environ.get(name) != text}
        os.environ.clear()
        os.environ.update(request["env"])
        os.environ.update({name: text for name, text in made.items() if name not in asked})
        if "numpy.random" in sys.modules:
            sys.modules["numpy.random"].seed()  # python's own generator sees to that itself
        if media := sys.modules.get("etm_lightning.track.media.worker"):
            media.WORKER.exits()
        command: list[str] = request["command"]
        return command

    def _deserted(self) -> bool:
        """Whether the controller is gone; what it said last may still be unread."""
        asked = select.poll()
        asked.register(self._control, 0)
        return bool(asked.poll(0))

    def _bury(self, descriptor: int) -> None:
        """A trial has ended: so do the ranks that it left behind, which would hold the devices."""
        number, pid = self._trials.pop(descriptor)
        os.close(descriptor)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        self._tell(number=number, code=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    def _tell(self, **words: Any) -> None:
        try:
            self._control.send_bytes(json.dumps(words).encode())
        except OSError:  # the controller is gone
            os._exit(0)

    def learn(self, known: Iterable[str]) -> None:
        """In a child: tell the server what was imported besides."""
        for name in set(sys.modules) - set(known):
            with suppress(OSError):  # the server is gone
                os.write(self._say, f"{name}\n".encode())


def run(command: list[str]) -> None:
    """Do what ``python`` does with these arguments: a script, or ``-m`` and a module."""
    sys.orig_argv = [sys.executable, *command]
    if command[0] == "-m":
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        return
    script = sys.argv[0] = command[0]
    sys.argv = command
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__file__, main.__loader__ = script, SourceFileLoader("__main__", script)
    main.__dict__["__builtins__"] = sys.modules["builtins"]
    with open(script, "rb") as file:
        code = compile(file.read(), script, "exec")
    exec(code, main.__dict__)


def live(command: list[str]) -> int | str | None:
    """`run`, and the process's exit code by that; -2, as `subprocess` has it, if Ctrl-C ends it."""
    try:
        run(command)
    except SystemExit as end:
        return end.code
    except BaseException as error:
        trace = error.__traceback__
        for _ in range(2):  # this frame and that of `run`
            trace = trace.tb_next if trace is not None else None
        error.__traceback__ = trace
        # by these, exit functions know
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, trace
        if sys.version_info >= (3, 12):
            sys.last_exc = error
        sys.excepthook(type(error), error, trace)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def leave(code: int | str | None) -> NoReturn:
    """End as an interpreter does, but for taking apart what was imported: that is slow."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(ValueError, OSError):
            stream.flush()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit((code or 0) & 255)


def main() -> NoReturn:
    """What the process does."""
    server = Server(Connection(int(sys.argv[1])))
    command = server.serve()
    known = set(sys.modules)
    code = live(command)
    server.learn(known)
    leave(code)


if __name__ == "__main__":
    main()
