"""Rows of `fast_log` to the loggers of a Trainer: at once, or when a device has sent their numbers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from etm_lightning.track.logger import ETMLogger

MOST_COPIES = 64


class Place(NamedTuple):
    """Where a row belongs."""

    stage: str
    axis: str
    step: int
    epoch: int | None


class Row(NamedTuple):
    """Values measured together; those of `far` are in a device's vector still."""

    place: Place
    values: dict[str, float]
    far: list[str]
    vector: Any
    logger: bool
    prog_bar: bool


class Copy(Protocol):
    """Numbers on their way from a device."""

    def done(self) -> bool:
        """Whether they have come."""

    def numbers(self) -> list[float]:
        """The numbers; waits for them."""


def write(
    trainer: Any,
    values: dict[str, float],
    stage: str,
    axis: str,
    step: int,
    epoch: int | None,
    *,
    ours_only: bool = False,
) -> None:
    """Give a row to the loggers, with the step and the epoch that Lightning would give it."""
    if "step" in values and axis == "step":  # whoever logs a step means that one
        values = dict(values)
        step, epoch = int(values.pop("step")), None
    for logger in trainer.loggers:
        if isinstance(logger, ETMLogger):
            logger.log_row(values, stage, axis, step, epoch)
        elif not ours_only:
            known = {} if epoch is None else {"epoch": epoch}
            logger.log_metrics(metrics=known | values, step=step)
            logger.save()


class Lag:
    """Rows whose numbers are on a device: one copy for those of one step, written when it has arrived.

    Args:
        start: begins to copy a vector.
        write: takes rows that are whole.
    """

    def __init__(self, start: Callable[[list[Any]], Copy], write: Callable[[Row], None]) -> None:
        self._start, self._write = start, write
        self._waiting: list[Row] = []
        self._under_way: deque[tuple[list[Row], Copy]] = deque()

    def __len__(self) -> int:
        """How many rows are not written yet."""
        return len(self._waiting) + sum(len(rows) for rows, _ in self._under_way)

    def put(self, row: Row) -> None:
        """Take a row; those of another place are complete now, and are sent for."""
        self.poll(row.place)
        self._waiting.append(row)

    def poll(self, place: Place) -> None:
        """Send for what is not of `place`, and write what has come."""
        if self._waiting and self._waiting[0].place != place:
            self._send()
        while self._under_way and (len(self._under_way) > MOST_COPIES or self._under_way[0][1].done()):
            self._receive()

    def wait(self) -> None:
        """Write all; waits for the device."""
        self._send()
        while self._under_way:
            self._receive()

    def drop(self) -> int:
        """Forget all rows: how many there were."""
        count = len(self)
        self._waiting.clear()
        self._under_way.clear()
        return count

    def _send(self) -> None:
        if self._waiting:
            copy = self._start([row.vector for row in self._waiting])
            self._under_way.append((self._waiting, copy))
            self._waiting = []

    def _receive(self) -> None:
        rows, copy = self._under_way[0]
        numbers = iter(copy.numbers())
        self._under_way.popleft()
        for row in rows:
            self._write(row._replace(values=row.values | dict(zip(row.far, numbers, strict=False))))
