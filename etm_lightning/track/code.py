"""The code that runs, as git knows it: commit, branch, remote, and what differs from the commit."""

from __future__ import annotations

import hashlib
import math
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etm_lightning.track.redact import redact

SECONDS = 5.0
"""How long one question to git may take: a repository that is slower is described by what came in time."""
LARGEST = 1 << 20
"""How many bytes of a diff are kept; its hash covers all of it."""

# whatever the user's own settings: no colours, no programs of theirs, the same bytes for the same changes
_SETTINGS = (
    "core.fsmonitor=false",
    "core.quotePath=true",
    "diff.relative=false",
    "diff.suppressBlankEmpty=false",
    "diff.interHunkContext=0",
    "diff.indentHeuristic=true",
)
_DIFF = (
    "diff",
    "HEAD",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-renames",
    "--full-index",
    "--unified=3",
    "--diff-algorithm=myers",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--submodule=short",
    "-O/dev/null",
)
_QUIET = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_PAGER": "cat",
}


@dataclass(frozen=True)
class Code:
    """What git says at one moment.

    Attributes:
        facts: commit, branch (empty if detached), remote, dirty (None if git did not tell in time), diff
            (SHA-256 of the diff of tracked files, empty without one); empty outside a repository.
        diff: the diff of tracked files, without secrets, cut after 1 MiB; empty if nothing differs.
    """

    facts: dict[str, Any]
    diff: str = ""


def code() -> Code:
    """The state of the repository that this process works in, or else of the one that its script lies in."""
    for folder in _folders():
        known = _answer(folder, "rev-parse", "HEAD", "--abbrev-ref", "HEAD").splitlines()
        if len(known) == 2:
            commit, branch = known
            branch = "" if branch == "HEAD" else branch
            found, diff = _diff(folder)
            facts = {"commit": commit, "branch": branch, "remote": _remote(folder, branch), **found}
            return Code(facts, diff)
    return Code({})


def address(remote: str) -> str:
    """A remote without user and password.

    >>> address("https://ada:lovelace@example.org/runs.git"), address("git@example.org:runs.git")
    ('https://example.org/runs.git', 'git@example.org:runs.git')
    """
    remote = remote.partition("?")[0] if "://" in remote else remote
    return redact(re.sub(r"^([\w+.-]+://)(?:(git@)|[^/]*@)", r"\1\2", remote))


def _folders() -> Iterator[Path]:
    with suppress(OSError):  # the working directory was removed under us
        yield Path.cwd()
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script and not os.path.abspath(script).startswith(sys.prefix):
        yield Path(script).absolute().parent


def _remote(folder: Path, branch: str) -> str:
    """Where the branch is pulled from, else `origin`, else the only one there is."""
    listed = _answer(folder, "config", "-z", "--get-regexp", r"^(remote\..*\.url|branch\..*\.remote)$")
    known = dict(line.split("\n", 1) for line in listed.split("\0") if "\n" in line)
    urls = {name[len("remote.") : -len(".url")]: url for name, url in known.items() if name.endswith(".url")}
    name = known.get(f"branch.{branch}.remote", "origin")
    return address(urls.get(name) or next(iter(urls.values()), ""))


def _diff(folder: Path) -> tuple[dict[str, Any], str]:
    """Whether tracked files differ from the commit, the hash of how they do, and how."""
    digest, kept, size = hashlib.sha256(), b"", 0
    git = Git(folder, _DIFF)
    for part in git:
        digest.update(part)
        kept += part[: max(0, LARGEST - len(kept))]
        size += len(part)
    whole = git.code == 0
    dirty = True if size else False if whole else None
    facts = {"dirty": dirty, "diff": digest.hexdigest() if whole and size else ""}
    return facts, _shown(kept, size, whole) if size else ""


def _shown(kept: bytes, size: int, whole: bool) -> str:
    text = kept.decode("utf-8", "backslashreplace")
    if size > len(kept):
        text = text[: text.rfind("\n") + 1]
    text = redact(text)
    if size > len(kept) or not whole:
        total = f"of {size:,} bytes" if whole else f"because git took longer than {SECONDS:.0f} s"
        text += f"… <cut after {len(text):,} characters {total}>\n"
    return text


def _answer(folder: Path, *arguments: str) -> str:
    """What git prints; "" if it fails, takes too long or is not there."""
    git = Git(folder, arguments)
    printed = b"".join(git).decode("utf-8", "backslashreplace")
    return printed.strip() if git.code == 0 else ""


class Git:
    """One question to git: iterating gives what it prints, as it comes.

    It takes no locks and asks nobody anything. What takes longer than `SECONDS` is ended, with all that git
    started. The parts that came until then were given.

    Attributes:
        code: git's exit code once all was read; None if it could not be asked or took too long.
    """

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        self.code: int | None = None
        self._folder = folder
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        self._command = ["git", *settings, *arguments]

    def __iter__(self) -> Iterator[bytes]:
        deadline = time.monotonic() + SECONDS
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=self._folder,
                env=_environment(),
                start_new_session=True,
            )
        except (OSError, ValueError):  # no git, or a folder that cannot be entered
            return
        assert process.stdout
        with process.stdout as pipe, selectors.DefaultSelector() as ready:
            ready.register(pipe, selectors.EVENT_READ)
            while ready.select(max(0.0, deadline - time.monotonic())):
                part = os.read(pipe.fileno(), 1 << 16)
                if not part:
                    break
                yield part
            else:
                deadline = -math.inf
        self.code = _end(process, deadline)


def _end(process: subprocess.Popen[bytes], deadline: float) -> int | None:
    """The exit code of a process; one that goes on after the deadline is killed with all that it started."""
    left = deadline - time.monotonic()
    with suppress(subprocess.TimeoutExpired):
        if left > 0:
            return process.wait(left)
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):  # a dead network disk holds even what is killed
        process.wait(0.5)
    return None


def _environment() -> dict[str, str]:
    """Ours, less what would change how git shows a diff."""
    changing = ("GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS", "GIT_TRACE", "GIT_TRACE2")
    return {name: value for name, value in os.environ.items() if name not in changing} | _QUIET
