"""How an attempt ended, told from the exception that ended it."""

from __future__ import annotations

import signal
import traceback
from dataclasses import dataclass

from etm_lightning.records import Status
from etm_lightning.track.plain import sound
from etm_lightning.track.redact import redact

_LONGEST = 64 << 10


@dataclass(frozen=True)
class Outcome:
    """The fields of an `Ended` record that an exception decides."""

    status: Status
    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    traceback: str = ""


def outcome_of(error: BaseException | None) -> Outcome:
    """The outcome of an attempt that `error` ended, or that ran to its end.

    Ctrl-C is `interrupted`, Lightning's SIGTERMException `preempted`, `sys.exit` by its code, anything else
    `failed` with the traceback. Secrets in messages are hidden.

    >>> outcome_of(SystemExit(3))
    Outcome(status='failed', reason='sys.exit(3)', exit_code=3, signal=None, traceback='')
    """
    if error is None:
        return Outcome("finished", exit_code=0)
    if isinstance(error, KeyboardInterrupt):
        return Outcome("interrupted", "Ctrl-C", 1, signal.SIGINT)
    if type(error).__name__ == "SIGTERMException":
        return Outcome("preempted", "SIGTERM", signal=signal.SIGTERM)
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        return Outcome("failed" if code else "interrupted", redact(sound(f"sys.exit({error.code!r})")), code)
    text = redact(sound("".join(traceback.format_exception(error))))
    return Outcome("failed", _reason(error), 1, None, text[-_LONGEST:])


def _reason(error: BaseException) -> str:
    """The error in one line: the first of its message, or the last where that holds another traceback."""
    try:
        lines = redact(sound(error)).strip().splitlines()
    except Exception as unprintable:  # the `__str__` of a stranger's class may do anything
        lines = [f"<its message cannot be shown: {type(unprintable).__name__}>"]
    if any(line.startswith("Traceback (most recent call last)") for line in lines):
        return lines[-1]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
