"""The last line of a process whose training did not end well: what to do now."""

from __future__ import annotations

import atexit
import os
import re
import sys
from pathlib import Path

from etm_lightning.layout import find_store
from etm_lightning.track.run import Run

_LONGEST = 200

_lines: dict[str, tuple[int, str]] = {}


def farewell(run: Run) -> None:
    """Print, when the interpreter exits, how a training ended that did not end well; where one types, now."""
    ended = run.outcome
    if run.muted or run.rank or not run.started or ended is None:
        return
    if ended.status in ("finished", "pruned"):
        _lines.pop(run.id, None)
        return
    line = last_line(run)
    known = _lines.get(run.id)
    _lines[run.id] = os.getpid(), line
    if hasattr(sys, "ps1") and known != _lines[run.id]:
        _print(line)


def last_line(run: Run) -> str:
    """Run, cause, last checkpoint and the command that goes on, in one line."""
    ended, folder = run.outcome, run.folder.path
    assert ended is not None
    reason = " ".join(ended.reason.split())
    parts = [f"run {_short(run.id)} {ended.status}: {reason[:_LONGEST]}"]
    if run.saved:
        path, step = Path(run.saved[0]), run.saved[1]
        near = path.relative_to(folder) if path.is_relative_to(folder) else path
        parts.append(f"last checkpoint {near} (step {step})")
    else:
        parts.append("no checkpoint")
    parts.append(f"go on: etm resume {_short(run.id)}{_store(run)}")
    return " · ".join(parts)


def _short(id: str) -> str:
    """The end of an id that we made; all of another one."""
    return id[-4:] if re.search(r"-[0-9a-f]{4}$", id) else id


def _store(run: Run) -> str:
    """The option that names the store, where the command would not find it by itself."""
    try:
        found = find_store()
    except OSError:
        found = None
    return "" if found == run.store else f" --store {run.store}"


def _print(line: str) -> None:
    if os.environ.get("ETM_QUIET", "0") in ("", "0"):
        print(line, file=sys.stderr, flush=True)


@atexit.register
def _print_all() -> None:
    if hasattr(sys, "ps1"):
        return
    for pid, line in _lines.values():
        if pid == os.getpid():
            _print(line)
