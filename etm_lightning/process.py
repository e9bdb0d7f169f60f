"""Which process this is, and whether the one that a header names still lives."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process, told apart from every other one on this and other hosts.

    `born` is its start in seconds after the boot (Linux) or after 1970 (elsewhere).
    """

    host: str
    boot: str
    pid: int
    born: float


@cache
def host() -> str:
    """Name of this machine."""
    return socket.gethostname() or "localhost"


@cache
def boot_id() -> str:
    """An id that changes when the machine boots."""
    linux = Path("/proc/sys/kernel/random/boot_id")
    if linux.exists():
        return linux.read_text().strip()
    if sys.platform == "darwin":
        import subprocess

        found = subprocess.run(
            ["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=False
        )
        if found.stdout.strip():
            return found.stdout.strip()
    import psutil  # takes a while, and Linux tells without it

    return str(int(psutil.boot_time()))


def born(pid: int) -> float | None:
    """When the process `pid` of this machine started; None if there is none (a zombie counts as none)."""
    stat = Path(f"/proc/{pid}/stat")
    if sys.platform == "linux":
        try:
            # the name in field 2 may be any bytes: the kernel cuts it after 15 of them
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # fields 3 (state) and 22 (start in clock ticks) of proc(5)
        return None if fields[0] in "ZX" else int(fields[19]) / os.sysconf("SC_CLK_TCK")
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return None


def this_process() -> Process:
    """The calling process."""
    return Process(host(), boot_id(), os.getpid(), born(os.getpid()) or 0.0)


def lives(process: Process) -> bool | None:
    """Whether `process` runs: None if it belongs to another host, where it cannot be seen."""
    if process.host != host():
        return None
    if process.boot != boot_id():
        return False
    start = born(process.pid)
    return start is not None and abs(start - process.born) < 1.0
