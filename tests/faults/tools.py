"""What makes the system fail: which of it there is here, and how it is used."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest


@functools.cache
def works(*command: str) -> bool:
    """Whether a command is there and may do what it does."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0


_TRACED = ("strace", "-D", "-o", "/dev/null", "-e", "inject=getppid:error=EPERM", "true")
needs_strace = pytest.mark.skipif(not works(*_TRACED), reason="no strace here, or it may not trace")
needs_mounts = pytest.mark.skipif(
    not works("unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"), reason="no mounts of one's own here"
)


def strace(output: Path | str = "/dev/null", *arguments: str) -> Sequence[str]:
    """A command that runs another one under strace, as a child of ours and with all its threads."""
    return ["strace", "-D", "-f", "-o", str(output), *arguments]


def inject(fault: str) -> Sequence[str]:
    """The same, where calls to the system fail: ``write:error=EIO:when=3``, say."""
    calls = fault.partition(":")[0]
    fast = [] if ":signal=" in fault else ["--seccomp-bpf"]  # which never sends a signal
    return strace("/dev/null", *fast, "-e", f"trace={calls}", "-e", f"inject={fault}")


def on_a_disk_of(options: str, place: Path) -> Sequence[str]:
    """A command that runs another one where `place` is a small disk of its own, which only that one sees."""
    place.mkdir(exist_ok=True)
    mount = f'mount -t tmpfs -o {options} tmpfs "{place}" && exec "$@"'
    return ["unshare", "-m", "sh", "-c", mount, "sh"]
