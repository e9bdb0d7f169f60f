"""Starts a tracker in a process of its own, watches it, and kills it with all that it started."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psutil
from tracking_peers import PEERS

HERE = Path(__file__).parent
PATIENCE = 90
"""Seconds that a process may take in all."""


class PeerError(Exception):
    """A tracker is not installed, raised or hung."""


def adopt_orphans() -> None:
    """What a tracker leaves behind becomes ours, so that its CPU counts and nothing outlives its turn."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


class Alone:
    """A process of `tracking_alone.py`."""

    def __init__(self, command: list[str], place: Path, errors: IO[str]) -> None:
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("ETM_", "WANDB_", "XDG_"))
        }
        self._errors = errors
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=place,
            env={
                **kept,
                "HOME": str(place),
                "TMPDIR": str(place),
                "PYTHONPATH": str(HERE.parent),
                "OMP_NUM_THREADS": "1",
            },
        )
        self._late = False
        self._alarm = threading.Timer(PATIENCE, self._give_up)
        self._alarm.start()

    def _give_up(self) -> None:
        self._late = True
        self._process.kill()

    def hear(self) -> dict[str, Any]:
        """The next facts that it tells."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            self._errors.seek(0)
            told = self._errors.read().strip().splitlines()
            raise PeerError(told[-1] if told and not self._late else f"took more than {PATIENCE} s")
        return dict(json.loads(line))

    def go_on(self) -> None:
        assert self._process.stdin
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def die(self) -> bytes:
        """SIGKILL it and all that it started; what it told that was not heard."""
        assert self._process.stdout
        bury()
        return self._process.stdout.read()

    def wait(self) -> None:
        self._process.wait()

    def cpu_of_others(self) -> float:
        """CPU seconds of all processes but the logging one, those that ended included."""
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        total = spent.ru_utime + spent.ru_stime
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.children_user + times.children_system
                total += 0 if process.pid == self._process.pid else times.user + times.system
        return total

    def close(self) -> None:
        self._alarm.cancel()
        assert self._process.stdin
        assert self._process.stdout
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self.die()
        self._process.stdout.close()
        self._process.wait()


def bury() -> None:
    """Kill and reap a tracker with all that it started, which are all processes below this one."""
    deadline = time.monotonic() + 5
    while (left := psutil.Process().children(recursive=True)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=1)


@contextlib.contextmanager
def alone(peers: Path, name: str, folder: Path, order: str, **given: Any) -> Iterator[Alone]:
    own = peers / name / "bin" / "python"
    python = str(own) if own.exists() else sys.executable
    place = folder / "home"
    place.mkdir(exist_ok=True)
    command = [
        python,
        "-W",
        "ignore",
        str(HERE / "tracking_alone.py"),
        order,
        name,
        str(folder),
        json.dumps(given),
    ]
    with tempfile.TemporaryFile("w+") as errors:
        one = Alone(command, place, errors)
        try:
            yield one
        finally:
            one.close()


def size_of(folder: Path, *, without: tuple[str, ...] = ()) -> int:
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(without)
    )


def calls(peers: Path, name: str, **given: Any) -> dict[str, Any]:
    """Quantiles of a call in µs, CPU µs and bytes of a scalar, seconds to import and to the first row;
    the ns of each call between two loops (see `quiet`)."""
    with _folder() as folder, alone(peers, name, folder, "calls", **given) as one:
        facts = one.hear()
        # what a database has not taken in yet is small when it will have
        size, cpu = size_of(folder, without=("-wal", "-shm")), one.cpu_of_others()
        one.go_on()
        facts |= one.hear()
        scalars = facts["calls"] * given.get("width", 10)
        spent = facts.pop("cpu") + one.cpu_of_others() - cpu
        if not given.get("threads"):
            facts["cpu"] = spent / scalars * 1e6
        facts["bytes"] = (size_of(folder) - size) / scalars
        return facts


def durable(peers: Path, name: str, *, readings: int = 1, **given: Any) -> dict[str, Any]:
    """Values a second that a new process finds after SIGKILL at the last call's return, and reads; the share
    of those accepted that it finds, and the ns of a call between two loops (see `quiet`)."""
    with _folder() as folder:
        with alone(peers, name, folder, "durable", **given) as one:
            facts = one.hear()
            one.wait()
        found = _count(peers, name, folder, readings)
        kept = max(0, found["values"] - 10)  # the first row came before the clock
        return {
            "rate": kept / facts["seconds"],
            "read": found["values"] / found["seconds"],
            "share": kept / (10 * facts["calls"]),
            "blocks": facts["blocks"],
        }


def killed(peers: Path, name: str, seconds: float) -> dict[str, float]:
    """How many values were accepted, and how many are found after SIGKILL."""
    with _folder() as folder:
        with alone(peers, name, folder, "until_killed") as one:
            one.hear()
            one.go_on()
            time.sleep(seconds)
            accepted = 10 * (1 + one.die().count(b"."))
        return {"accepted": accepted, "found": _count(peers, name, folder)["values"]}


def version(peers: Path, name: str) -> str:
    """
    Raises:
        PeerError: if it is not installed.
    """
    with _folder() as folder, alone(peers, name, folder, "version") as one:
        return str(one.hear()["version"])


def _count(peers: Path, name: str, folder: Path, readings: int = 1) -> dict[str, float]:
    with alone(peers, name, folder, "count", times=readings) as one:
        return one.hear()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        yield Path(name)


def install(peers: Path, names: list[str]) -> None:
    """Make an environment for each of these peers that does not go with what this project pins."""
    for name in names:
        peer = PEERS[name]
        if peer.pinned:
            place = peers / name
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
            pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            subprocess.run([*pip, f"{peer.package}=={peer.pinned}"], check=True)
            print(f"{peer.title} {peer.pinned}", flush=True)
