"""Rules that tell from a run's records alone that a person should look: each tells once, until it is over."""

from __future__ import annotations

import difflib
import math
import os
import re
import statistics
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

from etm_lightning.records import Alert, Checkpoint, Record, Saved, Scalars, Started
from etm_lightning.track.spikes import Spikes

VARIABLE, WEBHOOK = "ETM_ALERTS", "ETM_WEBHOOK"
NAMES = (
    *("nonfinite", "spike", "plateau", "stall", "throughput", "idle_gpu", "disk_free_gb"),
    "crashed",
)
"""What the alerts of these rules, and that of the companion about a death, have as `name`."""
_LOSS = re.compile(r"^(?!numerics/)(?!.*scale).*loss", re.IGNORECASE)
_GPU = re.compile(r"gpu(\d+)_percent$")
_MOST_LOSSES = 50


@dataclass(frozen=True)
class Limits:
    """When to alert; 0 turns a rule off.

    Attributes:
        nonfinite: a logged loss is NaN or infinite.
        spike: a training loss is, three times in a row, so many standard deviations above what is usual
            (`Spikes`).
        plateau: the value that chooses the best checkpoint has not improved in so many evaluations.
        stall: nothing was recorded for so many seconds and for ten times as long as ever before; six times as
            many seconds while little is known of what is usual.
        throughput: steps come at less than this share of the usual rate, for a minute.
        idle_gpu: for so many seconds no GPU that had work has any.
        disk_free_gb: fewer 10^9 bytes than this are free where the run lies.
    """

    nonfinite: float = 1
    spike: float = 6.0
    plateau: float = 0
    stall: float = 600.0
    throughput: float = 0.5
    idle_gpu: float = 600.0
    disk_free_gb: float = 2.0

    def text(self) -> str:
        """As `limits` reads it.

        >>> Limits(spike=8).text().split(",")[1]
        'spike=8'
        """
        return ",".join(f"{item.name}={getattr(self, item.name):g}" for item in fields(self))


def limits(given: bool | str | Mapping[str, float] | None = None) -> Limits:
    """The limits that a user asks for.

    Args:
        given: some by name, also as ``spike=8,stall=0``; False or ``0`` turns all off; None is what the
        variable
            ``ETM_ALERTS`` says.

    Raises:
        ValueError: for a name that is none, or a value that is no number from 0 on.

    >>> limits("stall=60").stall, limits(False).stall
    (60.0, 0)
    """
    if given is None:
        given = os.environ.get(VARIABLE, "")
    if isinstance(given, str):
        if given.strip() in ("", "0", "1"):
            given = given.strip() != "0"
        else:
            given = dict(part.split("=", 1) if "=" in part else (part, "") for part in given.split(","))  # type: ignore[misc]  # pairs
    known = [item.name for item in fields(Limits)]
    if isinstance(given, bool):
        return Limits() if given else Limits(**dict.fromkeys(known, 0))
    return Limits(**{name.strip(): _limit(name.strip(), value, known) for name, value in given.items()})


def _limit(name: str, value: Any, known: list[str]) -> float:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"`alerts` must have names out of {', '.join(known)} but got {name!r}{hint}")
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not (number >= 0 and math.isfinite(number)):
        raise ValueError(f"`alerts[{name!r}]` must be a number from 0 on but got {value!r}")
    return number


def webhook_address(given: str | None = None) -> str:
    """The address that alerts are sent to; it is a secret, so that errors do not show it.

    Args:
        given: by default what the variable ``ETM_WEBHOOK`` is.

    Raises:
        ValueError: if it is none.
    """
    address = given or os.environ.get(WEBHOOK)
    if not address:
        raise ValueError(f"there is no address to send alerts to: set {WEBHOOK}")
    if not address.startswith(("http://", "https://")) or not address.isprintable() or " " in address:
        raise ValueError("`webhook` must be an address that begins with https:// or http://")
    return address


class Rule(Protocol):
    """Follows records and says when something is wrong that was not before."""

    def take(self, record: Record) -> Iterator[Alert]:
        """Look at the next record."""


class NonFinite:
    """A loss that is NaN or infinite."""

    def __init__(self) -> None:
        self._wrong: set[str] = set()

    def take(self, record: Record) -> Iterator[Alert]:
        if not isinstance(record, Scalars) or not (record.nonfinite or self._wrong):
            return
        self._wrong -= record.values.keys()
        for name, text in record.nonfinite.items():
            if _LOSS.search(name) and name not in self._wrong:
                self._wrong.add(name)
                yield _alert("nonfinite", record, f"{name} is {text}", level="error")


class Jump:
    """A training loss that leaves its usual range for more than a moment."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._losses: dict[str, Spikes] = {}

    def take(self, record: Record) -> Iterator[Alert]:
        if not isinstance(record, Scalars) or record.stage != "train" or record.axis != "step":
            return
        for name, value in record.values.items():
            if "loss" not in name.lower() or not _LOSS.search(name):
                continue
            if name not in self._losses and len(self._losses) < _MOST_LOSSES:
                self._losses[name] = Spikes(self._factor, patience=3)
            if name in self._losses and self._losses[name].add(value):
                usual = f"three times in a row above {self._losses[name].limit():.4g}"
                yield _alert("spike", record, f"{name} jumped", f"to {value:.4g}, {usual}")


class Plateau:
    """The value that chooses the best checkpoint does not improve any more."""

    def __init__(self, evaluations: float) -> None:
        self._patience = evaluations
        self._monitor, self._mode = "", "min"
        self._best, self._count = math.nan, 0

    def take(self, record: Record) -> Iterator[Alert]:
        if isinstance(record, Checkpoint | Saved) and record.monitor and record.mode:
            if record.monitor != self._monitor:
                self._monitor, self._mode = record.monitor, record.mode
                self._best, self._count = math.nan if record.score is None else record.score, 0
        elif isinstance(record, Scalars) and self._monitor in record.values:
            value = record.values[self._monitor]
            better = value > self._best if self._mode == "max" else value < self._best
            if better or math.isnan(self._best):
                self._best, self._count = value, 0
                return
            self._count += 1
            if self._count == self._patience:
                text = f"for {self._count} evaluations; the best was {self._best:.4g}"
                yield _alert("plateau", record, f"{self._monitor} has not improved", text, level="info")


class Slowdown:
    """Steps that take much longer than they did: the median of 20 against that of the 100 before."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._forget()

    def _forget(self) -> None:
        self._usual: deque[float] = deque(maxlen=100)
        self._recent: deque[tuple[float, float]] = deque(maxlen=20)
        self._last: tuple[int, float] | None = None
        self._slow = False

    def take(self, record: Record) -> Iterator[Alert]:
        if isinstance(record, Started):
            self._forget()
        if not isinstance(record, Scalars) or record.stage != "train" or record.axis != "step":
            return
        last, here = self._last, (record.step, record.time)
        if last is not None and here[0] <= last[0]:
            return
        self._last = here
        if last is not None:
            yield from self._paced(record, here[1] - last[1], here[0] - last[0])

    def _paced(self, record: Scalars, seconds: float, steps: int) -> Iterator[Alert]:
        if len(self._recent) == self._recent.maxlen and not self._slow:
            self._usual.append(self._recent[0][0])
        self._recent.append((seconds / steps, seconds))
        if len(self._usual) < self._usual.maxlen / 2:  # type: ignore[operator]  # it has one
            return
        now, usual = statistics.median(pace for pace, _ in self._recent), statistics.median(self._usual)
        slow = now * self._share > usual and sum(seconds for _, seconds in self._recent) >= 60.0
        if slow and not self._slow:
            text = f"{now:.3g} s a step, usual is {usual:.3g}"
            yield _alert("throughput", record, "training slowed down", text)
        self._slow = slow or (self._slow and now > 1.25 * usual)


class IdleGpu:
    """GPUs that had work and have none for long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._forget()

    def _forget(self) -> None:
        self._used: dict[str, float] = {}
        """By GPU, when it last had work."""
        self._told = False

    def take(self, record: Record) -> Iterator[Alert]:
        if isinstance(record, Started):
            self._forget()
        if not isinstance(record, Scalars) or record.axis != "seconds":
            return
        for name, percent in record.values.items():
            found = _GPU.search(name)
            if found and (percent >= 20.0 or (percent >= 5.0 and found[1] in self._used)):
                self._used[found[1]] = record.time
        if not self._used:
            return
        idle = record.time - max(self._used.values())
        if idle >= self._seconds and not self._told:
            which = ", ".join(sorted(self._used))
            yield _alert("idle_gpu", record, "the GPU is idle", f"GPU {which} had no work for {_span(idle)}")
        self._told = idle >= self._seconds


class DiskFull:
    """The disk of the run is nearly full."""

    def __init__(self, gigabytes: float) -> None:
        self._least = gigabytes
        self._low = False

    def take(self, record: Record) -> Iterator[Alert]:
        if not isinstance(record, Scalars) or record.axis != "seconds":
            return
        for name, free in record.values.items():
            if name.endswith("disk_free_gb"):
                if free < self._least and not self._low:
                    yield _alert("disk_free_gb", record, "the disk is nearly full", f"{free:.2f} GB are free")
                self._low = free < self._least or (self._low and free < 2 * self._least)


class Rules:
    """All rules that have a limit, over the records of one run."""

    def __init__(self, limits: Limits) -> None:
        self._rules: list[Rule] = [NonFinite()] if limits.nonfinite else []
        for kind, limit in (
            (Jump, limits.spike),
            (Plateau, limits.plateau),
            (Slowdown, limits.throughput),
            (IdleGpu, limits.idle_gpu),
            (DiskFull, limits.disk_free_gb),
        ):
            if limit:
                self._rules.append(kind(limit))

    def take(self, record: Record) -> list[Alert]:
        """Look at the next record: what is to be told because of it."""
        return [alert for rule in self._rules for alert in rule.take(record)]


class Stall:
    """A training that lives and records nothing for much longer than it ever did.

    Args:
        seconds: silence that is never told.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last, self._longest, self._gaps = 0.0, 0.0, 0
        self.told = False

    def heard(self, record: Record) -> None:
        """The training recorded something."""
        if isinstance(record, Started):
            self._last, self._longest, self._gaps = record.time, 0.0, 0
        if self._last and record.time > self._last + 0.001:
            self._longest, self._gaps = max(self._longest, record.time - self._last), self._gaps + 1
        self._last, self.told = record.time, False

    def silent(self, seconds: float, step: int | None, now: float) -> Alert | None:
        """The training lives, and nothing was heard for so many seconds: an alert if that is too long."""
        usual = max(self._seconds, 10 * self._longest) if self._gaps >= 5 else 6 * self._seconds
        if not self._seconds or self.told or seconds < max(usual, 10 * self._longest):
            return None
        self.told = True
        longest = _span(self._longest)
        text = f"nothing was recorded for {_span(seconds)}; the longest pause before was {longest}"
        return Alert(time=now, title="the training stalls", text=text, name="stall", step=step)


def _alert(name: str, record: Scalars, title: str, text: str = "", level: str = "warning") -> Alert:
    step = record.step if record.axis == "step" else None
    return Alert(time=record.time, title=title, text=text, level=level, name=name, step=step)


def _span(seconds: float) -> str:
    """A time as people say it.

    >>> _span(5.2), _span(754), _span(9000)
    ('5 s', '13 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
