"""What became of a run: read from its `ended` records, and from whether its process still lives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from etm_lightning.process import Process, lives
from etm_lightning.reading import Damage
from etm_lightning.records import Ended, Header, Record

SILENT_AFTER = 3600.0
"""Seconds without a write after which a process that cannot be seen from here counts as gone."""


@dataclass(frozen=True)
class State:
    """How a run stands. Times in Unix seconds; `duration` is what its attempts took together, in seconds.

    `status` is one of `etm_lightning.records.STATUSES`, or a word of a later version.
    """

    status: str
    reason: str = ""
    traceback: str = ""
    exit_code: int | None = None
    signal: int | None = None
    started: float | None = None
    ended: float | None = None
    duration: float = 0.0
    attempts: int = 0


class Trace:
    """What one writer's records say about its life."""

    def __init__(self, header: Header, order: int = 0) -> None:
        self.header = header
        self.orders = range(order, order)  # the numbers of its facts among those of the run
        self.first = self.last = header.time
        self.ended: Ended | None = None
        self.asked = False  # to go, by the scheduler

    def take(self, order: int, item: Record | Damage) -> None:
        """Look at the writer's next record; one that follows `ended` reopens the run."""
        if isinstance(item, Ended):
            self.ended = item
            self.asked = item.status == "preempted"
        elif not isinstance(item, Damage | Header):
            self.ended = None
        self.orders = range(self.orders.start, order + 1)
        time = getattr(item, "time", 0.0)
        self.first = min(self.first or time, time or self.first)
        self.last = max(self.last, time)

    def take_measured(self, orders: range, times: tuple[float, float], *, ends: bool) -> None:
        """Look at measurements of the writer at once.

        Args:
            orders: the numbers of all facts of the writer.
            times: the earliest time that is not 0, or else 0, and the latest.
            ends: whether one of them follows the last `ended`.
        """
        if ends:
            self.ended = None
        self.orders = orders
        first, last = times
        self.first = min(self.first or first, first or self.first)
        self.last = max(self.last, last)

    def seen(self) -> bool | None:
        """Whether the process runs; None on a host that cannot be seen."""
        header = self.header
        return lives(Process(header.host, header.boot, header.pid, header.born))

    def alive(self, touched: float, now: float) -> bool:
        """Whether the process lives. On a host that cannot be seen: whether it wrote within the last hour."""
        seen = self.seen()
        return now - touched < SILENT_AFTER if seen is None else seen


def state(traces: Iterable[Trace], *, touched: float, now: float) -> State:
    """How the run stands whose writers left `traces`.

    The word is with the first rank's training process of the newest attempt: its last `ended`, unless records
    follow it; without one the run is running while the process lives, and crashed when it is gone, or
    preempted if its last `ended` said that the scheduler had asked it to go. What
    another process noted about the death (the shipper, another rank) gives the reason.

    Args:
        traces: one per writer.
        touched: when the newest file of the journal was modified.
        now: Unix seconds.
    """
    training = [trace for trace in traces if trace.header.attempt and trace.header.role == "train"]
    if not training:
        waiting = now - touched < SILENT_AFTER
        return State("running" if waiting else "crashed", reason="nothing was recorded")
    newest = max(trace.header.attempt for trace in training)
    leading = _leading(training, newest)
    running = leading.ended is None and leading.alive(touched, now)
    end = now if running else leading.last
    verdict = leading.ended or _witness(list(traces), newest)
    gone = "preempted" if leading.asked else "crashed"
    status = leading.ended.status if leading.ended else "running" if running else gone
    known = None if running else verdict
    header = leading.header
    return State(
        status=status,  # a word of a later version is shown as it is
        reason=known.reason if known else "" if running else f"process {header.pid} on {header.host} is gone",
        traceback=known.traceback if known else "",
        exit_code=known.exit_code if known else None,
        signal=known.signal if known else None,
        started=min(trace.first for trace in training),
        ended=None if running else end,
        duration=_duration(training, leading, end),
        attempts=newest,
    )


def _leading(training: list[Trace], attempt: int) -> Trace:
    """The attempt's training process of lowest rank; of several the latest."""
    of_attempt = [trace for trace in training if trace.header.attempt == attempt]
    return min(of_attempt, key=lambda trace: (trace.header.rank, -trace.first))


def _witness(traces: list[Trace], attempt: int) -> Ended | None:
    """What another process of the attempt noted about its end."""
    noted = [t.ended for t in traces if t.ended and t.header.attempt == attempt]
    return max(noted, key=lambda ended: ended.time, default=None)


def _duration(training: list[Trace], leading: Trace, end: float) -> float:
    """Seconds in which at least one process trained or tested."""
    total, until = 0.0, 0.0
    for trace in sorted(training, key=lambda trace: trace.first):
        last = end if trace is leading else trace.last
        total += max(0.0, last - max(trace.first, until))
        until = max(until, last)
    return total
