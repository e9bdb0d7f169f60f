"""How a study is asked to stop: by Ctrl-C, SIGTERM, or a file that another process leaves."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class Stopped(BaseException):
    """Somebody asked the study to stop; `signal` is the number of the signal that asked last."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal


class Stopping:
    """What was asked so far; true once anything was. Ctrl-C once lets the running trials finish.

    Attributes:
        signal: the number of the signal that asked last; a file counts as SIGINT, or as SIGTERM to stop now.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._asked, self._told = 0, 0

    def __bool__(self) -> bool:
        return self._asked > 0

    @property
    def now(self) -> bool:
        """Whether the running trials are to end too: asked twice, or by SIGTERM."""
        return self._asked > 1

    def news(self) -> bool:
        """Whether more was asked since this was called last."""
        before, self._told = self._told, self._asked
        return self._asked > before

    def look(self, file: Path) -> None:
        """Take the file into account, which another process may have left."""
        if file.exists():
            self._ask(signal.SIGTERM if file.read_text().strip() == "now" else signal.SIGINT)
            file.unlink(missing_ok=True)

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Listen to Ctrl-C and SIGTERM."""
        before = {number: signal.signal(number, self._heard) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, old in before.items():
                signal.signal(number, old)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self._ask(number)

    def _ask(self, number: int) -> None:
        self.signal = number
        self._asked = 2 if number == signal.SIGTERM else self._asked + 1
