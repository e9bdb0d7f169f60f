"""The runs that are running, looked at again and again."""

from __future__ import annotations

import math
import sys
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from etm_lightning.params import flatten
from etm_lightning.share.table import clean
from etm_lightning.share.tables import number, span
from etm_lightning.store.blocks import NO_EPOCH
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store

if TYPE_CHECKING:
    from rich.table import Table

    from etm_lightning.store.series import Series

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 20
_RECENT = 200  # points of which the course is shown
_SHOWN = 2  # metrics, unless more are asked for
_ROWS = 60
_COLORS = {"running": "cyan", "finished": "green", "pruned": "yellow"}


@dataclass(frozen=True)
class Course:
    """A metric as it stands: its last value, and its last values as a line of bars."""

    name: str
    value: float
    bars: str


@dataclass(frozen=True)
class View:
    """A run as the table shows it; `progress` from 0 to 1, `left` in seconds, `speed` in steps a second."""

    id: str
    project: str
    status: str
    duration: float
    step: int | None
    epoch: int | None
    progress: float | None
    left: float | None
    speed: float | None
    courses: tuple[Course, ...]
    alerts: int
    alert: str


def sparkline(values: Sequence[float], width: int = _WIDTH) -> str:
    """Values as bars, several of them as one where there are more than fit; NaN and infinities are ``!``.

    >>> sparkline([0.0, 1.0, 2.0, float("nan")])
    '▁▅█!'
    """
    count = min(width, len(values))
    ends = [len(values) * i // count for i in range(count + 1)] if count else []
    cells = [values[begin:end] for begin, end in pairwise(ends)]
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    return "".join(_bar(cell, low, high) for cell in cells)


def _bar(cell: Sequence[float], low: float, high: float) -> str:
    if not all(math.isfinite(value) for value in cell):
        return "!"
    share = (sum(cell) / len(cell) - low) / (high - low) if high > low else 0.0
    return _BARS[min(len(_BARS) - 1, math.floor(share * len(_BARS)))]


class Watching:
    """Looks at the runs of a store that are running, and those that ended since the first look.

    Args:
        store: the store.
        query: only runs that fit.
        metrics: the metrics to show; by default what chooses the best checkpoint, and a loss of the training.
    """

    def __init__(self, store: Store, query: str = "", metrics: Sequence[str] = ()) -> None:
        self._store, self._query, self._metrics = store, query, tuple(metrics)
        self._known: dict[str, StoredRun] = {}

    def look(self) -> list[View]:
        """The runs as they stand now, newest first."""
        for row in self._store.catalogue.rows(self._query, status="running"):
            if row.key not in self._known:
                self._known[row.key] = StoredRun(self._store.catalogue.folder(row.key))
        for key, run in list(self._known.items()):
            if run.folder.path.exists():
                run.refresh()
            else:
                del self._known[key]
        found = sorted(self._known.values(), key=lambda run: (run.created, run.id), reverse=True)
        return [self._view(run) for run in found]

    def _view(self, run: StoredRun) -> View:
        clock = _clock(run)
        last = clock.points()[-1] if clock else None
        progress = _progress(run, clock) if clock and last else None
        running = run.status == "running"
        left = run.duration * (1 - progress) / progress if running and progress else None
        alerts = run.alerts
        return View(
            id=run.id,
            project=run.project,
            status=run.status,
            duration=run.duration,
            step=last.step if last else None,
            epoch=last.epoch if last else None,
            progress=progress,
            left=left,
            speed=_speed(clock) if clock and running else None,
            courses=tuple(course for name in self._names(run) if (course := _course(run, name))),
            alerts=len(alerts),
            alert=alerts[-1].title if alerts else "",
        )

    def _names(self, run: StoredRun) -> list[str]:
        if self._metrics:
            return list(self._metrics)
        known = [name for name, metric in run.metrics.items() if metric.axis != "seconds"]
        best = run.best_checkpoint
        monitor = (best.monitor if best else "") or str(run.params.get("monitor") or "")
        losses = [name for name in known if "loss" in name and run.metrics[name].stage == "train"]
        first = [name for name in (monitor, *losses[:1]) if name in known]
        return list(dict.fromkeys([*first, *known]))[:_SHOWN]

    def show(self, every: float, *, once: bool = False) -> None:
        """Show them until Ctrl-C; once where the output is no terminal."""
        from rich.console import Console
        from rich.live import Live

        console = Console(file=sys.stdout)
        if once or not console.is_terminal:
            width = None if console.is_terminal else 200
            Console(file=sys.stdout, width=width).print(self._table(self.look()))
            return
        try:
            with Live(self._table(self.look()), console=console, auto_refresh=False, screen=False) as live:
                while True:
                    time.sleep(every)
                    live.update(self._table(self.look()), refresh=True)
        except KeyboardInterrupt:
            return

    def _table(self, views: Sequence[View]) -> Table:
        from rich.table import Table
        from rich.text import Text

        running = sum(view.status == "running" for view in views)
        moment = time.strftime("%H:%M:%S")
        table = Table(box=None, title=f"{running} running · {moment}", title_justify="left", pad_edge=False)
        for head in ("run", "status", "progress", "took", "left", "steps/s", "values", "alerts"):
            table.add_column(head, overflow="fold" if head in ("run", "values") else "ellipsis")
        for view in views[:_ROWS]:
            table.add_row(
                Text(clean(view.id)),
                Text(view.status, style=_COLORS.get(view.status, "red")),
                Text(_where(view)),
                Text(span(view.duration)),
                Text("" if view.left is None else span(view.left)),
                Text(number(view.speed)),
                _values(view),
                Text(clean(f"{view.alerts} {view.alert}") if view.alerts else "", style="yellow"),
            )
        if not views:
            table.caption = "nothing is running"
        return table


def _values(view: View) -> Any:
    from rich.text import Text

    lines = [f"{clean(one.name)} {number(one.value)} {one.bars}" for one in view.courses]
    return Text("\n".join(lines))


def _where(view: View) -> str:
    share = "" if view.progress is None else f"{view.progress:4.0%} "
    epoch = "" if view.epoch is None else f"epoch {view.epoch} "
    return f"{share}{epoch}" + ("" if view.step is None else f"step {view.step:,}")


def _clock(run: StoredRun) -> Series | None:
    """The series of the training that goes on furthest."""
    found = [one for one in run.all_series() if one.key.axis == "step" and one.key.stage in ("train", "")]
    found = found or [one for one in run.all_series() if one.key.axis == "step"]
    counted = [one for one in found if one.counts]
    return max(counted, key=lambda one: one.columns()["step"][-1], default=None)


def _progress(run: StoredRun, clock: Series) -> float | None:
    """The share of the run that is done, from the limits in its settings."""
    flat, columns = flatten(run.params), clock.columns()
    step, epoch = int(columns["step"][-1]), int(columns["epoch"][-1])
    steps = _limit(flat.get("trainer.max_steps", flat.get("max_steps")))
    epochs = _limit(flat.get("trainer.max_epochs", flat.get("max_epochs")))
    if steps:
        return min(1.0, step / steps)
    if epochs and epoch != NO_EPOCH:
        return min(1.0, (epoch + _within(clock, epoch)) / epochs)
    return None


def _limit(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _within(clock: Series, epoch: int) -> float:
    """The share of the running epoch, if the earlier ones tell how long one is."""
    columns = clock.columns()
    begun = columns["step"][bisect_left(columns["epoch"], epoch)]
    return min(1.0, (columns["step"][-1] - begun) * epoch / begun) if epoch and begun > 0 else 0.0


def _speed(clock: Series) -> float | None:
    """Steps a second over the last points."""
    columns = clock.columns()
    steps, times = columns["step"][-50:], columns["time"][-50:]
    if len(steps) < 2 or times[-1] <= times[0]:
        return None
    return float((steps[-1] - steps[0]) / (times[-1] - times[0]))


def _course(run: StoredRun, name: str) -> Course | None:
    series = run.find(name)
    values = [float(value) for value in series.columns()["value"][-_RECENT:]] if series else []
    return Course(name, values[-1], sparkline(values)) if values else None
