"""Scripts as processes of their own, without each importing Lightning anew.

A server imports Lightning once and forks for each script. The script is the child's whole life: what it
raises reaches the top of the interpreter, which then exits as it does for any script.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVER = """
import gc, json, os, signal, sys, torch.profiler, warnings
warnings.simplefilter("ignore")
from lightning.pytorch.loggers import CSVLogger
from etm_lightning import ETMLogger, Run
from tests.track.lines import Line, loader, trainer
import etm_lightning.track.on_lightning

gc.freeze()  # the children need not look at what was imported
for request in sys.stdin:
    place, script, environment = json.loads(request)
    pid = os.fork()
    if not pid:
        os.environ.update(environment)
        os.chdir(place)
        for stream, name in ((0, os.devnull), (1, "out"), (2, "err")):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), stream)
        break
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
else:
    os._exit(0)
exec(compile(script, "script.py", "exec"), globals())
"""


class Script:
    """A script that runs in folder `place`; its store is the folder ``store`` there."""

    def __init__(self, server: subprocess.Popen[str], place: Path, pid: int) -> None:
        self._server, self.place, self.pid = server, place, pid

    def wait_for(self, name: str) -> None:
        """Wait until the script has made the file `name`."""
        deadline = time.monotonic() + 30
        while not (self.place / name).exists():
            assert time.monotonic() < deadline, (self.place / "err").read_text()
            time.sleep(0.005)

    def kill(self, signal: int) -> None:
        os.kill(self.pid, signal)

    def end(self) -> int:
        """Wait for the end: the exit code, or minus the signal."""
        assert self._server.stdout
        return int(self._server.stdout.readline())


class Forge:
    """Starts one script after the other."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def start(self, place: Path, script: str, **environment: str) -> Script:
        assert self._server.stdin
        assert self._server.stdout
        request = [str(place), textwrap.dedent(script), {"ETM_STORE": str(place / "store"), **environment}]
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return Script(self._server, place, int(self._server.stdout.readline()))

    def run(self, place: Path, script: str, **environment: str) -> int:
        return self.start(place, script, **environment).end()


@contextmanager
def forge() -> Iterator[Forge]:
    """A server for the time of the tests that need one."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        yield Forge(server)
    finally:
        server.kill()
        server.communicate()
