"""Where a run comes from: the command, the code, the machine."""

from __future__ import annotations

import getpass
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from etm_lightning.process import host
from etm_lightning.track.plain import HIDDEN, plain, secret

PACKAGES = (
    "etm-lightning",
    "torch",
    "lightning",
    "pytorch-lightning",
    "transformers",
    "torchmetrics",
    "numpy",
)


def provenance() -> dict[str, Any]:
    """Command, folder, git commit, packages and machine of this process, without secrets in the arguments."""
    found: dict[str, Any] = plain(
        {
            "command": command(sys.argv),
            "cwd": _cwd(),
            "git": git(),
            "python": platform.python_version(),
            "packages": packages(),
            "platform": platform.platform(),
            "host": host(),
            "user": _user(),
            "cpus": os.cpu_count(),
        }
    )
    return found


def command(arguments: Sequence[str]) -> list[str]:
    """A process's arguments as they were typed, `python` first; values of secret options hidden.

    >>> command(["train.py", "lr=1", "hf_token=x", "--api-key", "y"])
    ['python', 'train.py', 'lr=1', 'hf_token=<hidden>', '--api-key', '<hidden>']
    """
    shown = ["python"]
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if shown[-1].startswith("-") and secret(shown[-1]):
            shown.append(HIDDEN)
        else:
            shown.append(f"{name}={HIDDEN}" if equals and secret(name) else argument)
    return shown


def packages() -> dict[str, str]:
    """Versions of the packages that decide most about a result, where installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git() -> dict[str, Any]:
    """Commit, branch and whether files differ from it; empty outside a repository or without git."""
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return {}
    return {
        "commit": commit,
        "branch": _git("rev-parse", "--abbrev-ref", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, errors="replace", timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed under us
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may have no name for the user
        return str(os.getuid())
