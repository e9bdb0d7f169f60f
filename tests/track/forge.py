"""Scripts as processes of their own, which need not import Lightning anew."""

from __future__ import annotations

import signal as signals
import subprocess
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import warm

ROOT = Path(__file__).parents[2]
PRELUDE = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
import torch.profiler
from lightning.pytorch.loggers import CSVLogger
from etm_lightning import ETMLogger, Run
from tests.track.lines import Line, loader, trainer
"""


class Script:
    """A script that runs in folder `place`; its store is the folder ``store`` there."""

    def __init__(self, process: subprocess.Popen[str], place: Path) -> None:
        self._process, self.place = process, place

    def wait_for(self, name: str) -> None:
        """Wait until the script has made the file `name`."""
        deadline = time.monotonic() + 30
        while not (self.place / name).exists():
            assert time.monotonic() < deadline, (self.place / "err").read_text()
            time.sleep(0.005)

    def kill(self, signal: int) -> None:
        if signal == signals.SIGKILL:
            warm.kill(self._process)
        else:
            self._process.send_signal(signal)

    def end(self) -> int:
        """Wait for the end: the exit code, or minus the signal."""
        return self._process.wait(100)


class Forge:
    """Starts scripts."""

    def start(self, place: Path, script: str, **environment: str) -> Script:
        with (place / "out").open("w") as out, (place / "err").open("w") as err:
            process = subprocess.Popen(
                [warm.python(), "-c", PRELUDE + textwrap.dedent(script)],
                cwd=place,
                env=warm.bare() | {"PYTHONPATH": str(ROOT), "ETM_STORE": str(place / "store")} | environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
            )
        return Script(process, place)

    def run(self, place: Path, script: str, **environment: str) -> int:
        return self.start(place, script, **environment).end()


@contextmanager
def forge() -> Iterator[Forge]:
    """For the time of the tests that start scripts."""
    yield Forge()
