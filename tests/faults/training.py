"""A training as a process, which says what the journal accepted, and things to do to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from etm_lightning.layout import RunFolder
from etm_lightning.store.run import StoredRun
from tests.contracts import memory

ROOT = Path(__file__).parents[2]
SCRIPT = """
import os, sys, time
from etm_lightning import Run
store, steps, pause, sinks = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), eval(sys.argv[4])
accepted = os.open(store + "/accepted", os.O_WRONLY | os.O_CREAT)
options = {"sinks": sinks, "shipper": bool(sinks), "finish_timeout": 2.0, "params": {"lr": 0.1}}
with Run("faults", save_dir=store, id="r1", **options) as run:
    for step in range(steps):
        began = time.perf_counter()
        run.log({"train/loss": 1.0 / (step + 1)}, step=step)
        held = time.perf_counter() - began
        os.pwrite(accepted, b"%d %.6f" % (step + 1, held), 32 * step)
        time.sleep(pause)
"""


@dataclass
class Training:
    """One training process and the store it writes to."""

    process: subprocess.Popen[bytes]
    store: Path

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.store / "faults" / "r1")

    @property
    def run(self) -> StoredRun:
        return StoredRun(self.folder)

    def accepted(self) -> int:
        """How many log calls returned."""
        path = self.store / "accepted"
        return -(-path.stat().st_size // 32) if path.exists() else 0

    def said(self) -> str:
        """What it wrote to stderr."""
        return (self.store / "stderr").read_text()

    def slowest(self) -> float:
        """Seconds that the slowest log call took."""
        return max(self.held())

    def held(self) -> list[float]:
        """Seconds that each log call took."""
        content = (self.store / "accepted").read_bytes()
        rows = (content[i : i + 32].rstrip(b"\0") for i in range(0, len(content), 32))
        return [float(row.split()[1]) for row in rows]

    def shipper(self) -> psutil.Process | None:
        """Its companion, while there is one."""
        for process in psutil.process_iter(["cmdline", "status"]):
            words = process.info["cmdline"] or []
            if str(self.folder.path) in words and process.info["status"] != psutil.STATUS_ZOMBIE:
                return process
        return None

    def wait_for_shipper(self, other_than: int = 0) -> psutil.Process:
        def found() -> bool:
            one = self.shipper()
            return one is not None and one.pid != other_than

        wait_until(found)
        one = self.shipper()
        assert one is not None
        return one

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.process.pid, number)
        self.process.wait()

    def wait_for_peace(self) -> None:
        """Wait until the shipper has left."""
        wait_until(lambda: self.shipper() is None, 30.0)

    def delivered(self) -> list[tuple[int, float]]:
        return memory.kept(self.folder).get("train/loss", [])


def wait_until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def start(
    store: Path,
    *,
    steps: int = 10**6,
    pause: float = 0.002,
    sinks: Mapping[str, Mapping[str, str]] | None = None,
    within: Sequence[str] = (),
    alone: bool = False,
    before: str = "",
    **options: str,
) -> Training:
    """Start a training that logs until it is killed, or has done `steps`.

    Args:
        store: where to.
        steps: how many calls.
        pause: seconds after each.
        sinks: by name, with their options; by default the one of the tests.
        within: a command that runs it, such as strace.
        alone: no sink and no shipper.
        before: what the script does first.
        options: of the tests' own sink.
    """
    store.mkdir(exist_ok=True)
    if sinks is None:
        sinks = {} if alone else {"memory": {"sink": memory.SPEC, **options}}
    script = textwrap.dedent(before) + SCRIPT
    with (store / "stderr").open("a") as output:
        process = subprocess.Popen(
            [*within, sys.executable, "-c", script, str(store), str(steps), str(pause), repr(sinks)],
            cwd=ROOT,
            stderr=output,
        )
    training = Training(process, store)
    wait_until(lambda: training.accepted() > 0 or process.poll() is not None)
    return training


def curve(steps: int) -> list[tuple[int, float]]:
    return [(step, 1.0 / (step + 1)) for step in range(steps)]
