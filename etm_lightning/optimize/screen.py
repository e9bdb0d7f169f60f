"""What a study shows: a live table on a terminal, one line per trial elsewhere, nothing if asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from etm_lightning.execute.quiet import quiet
from etm_lightning.optimize.folder import StudyFolder
from etm_lightning.optimize.history import History, Trial
from etm_lightning.share.tables import clean, number, span

_REFRESH = 0.5
_SHOWN = 12


def words(trial: Trial) -> str:
    """The point of a trial, as one types it.

    >>> from pathlib import Path
    >>> words(Trial(0, {"lr": 0.00012345678, "+model.width": "8"}, Path()))
    'lr=0.0001235 model.width=8'
    """
    shown = {name.lstrip("+"): value for name, value in trial.params.items()}
    return " ".join(
        f"{name}={f'{value:.4g}' if isinstance(value, float) else value}" for name, value in shown.items()
    )


class Screen:
    """Tells of a study as it goes on.

    Args:
        folder: of the study.
        total: how many trials there are to be.
        monitor: the name of the objective.
        direction: ``minimize`` or ``maximize``.
    """

    def __init__(self, folder: StudyFolder, total: int, monitor: str, direction: str) -> None:
        self._folder, self._total, self._direction = folder, total, direction
        self._name = monitor or "objective"
        self._live: Any = None
        self._drawn = 0.0
        self._lasted: list[float] = []
        self._began = time.monotonic()

    def begin(self, lines: Sequence[str]) -> None:
        """Say what is to be tried."""
        self.say(*lines)
        if not quiet() and sys.stdout.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(), auto_refresh=False, transient=True)
            self._live.start()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, *lines: str) -> None:
        """Lines on standard output."""
        for line in lines:
            if quiet():
                continue
            if self._live is not None:
                from rich.text import Text

                self._live.console.print(Text(clean(line)))
            else:
                print(clean(line), flush=True)

    def warn(self, *lines: str) -> None:
        """Lines on standard error."""
        for line in lines:
            print(clean(line), file=sys.stderr, flush=True)

    def began(self, trial: Trial) -> None:
        if trial.attempts > 1:
            self.say(f"trial {trial.number} goes on: attempt {trial.attempts}")

    def ended(self, trial: Trial, history: History) -> None:
        self._lasted.append(trial.seconds)
        over = history.count("finished", "pruned", "infeasible", "failed")
        parts = [f"trial {trial.number} ({over} of {self._total})", words(trial)]
        if trial.value is not None:
            parts.append(f"{self._name} {number(trial.value)}")
        parts += [] if trial.state == "finished" else [trial.state]
        parts.append(f"{trial.seconds:.1f} s")
        best = history.best(self._direction)
        if best is not None and self._total > 1:
            parts.append(
                f"best {number(best.value)}" + (f" (trial {best.number})" if best is not trial else "")
            )
        self.say(" · ".join(part for part in parts if part))
        if trial.state in ("failed", "infeasible"):
            log = self._folder.trial(trial.number) / f"{max(trial.attempts, 1)}.log"
            self.warn(f"trial {trial.number} {trial.state}: {trial.reason} · log {log}")

    def again(self, trial: Trial, how: str) -> None:
        self.warn(f"trial {trial.number}: its process ended with {how}; it is started again")

    def left(self, trial: Trial) -> None:
        self.say(f"trial {trial.number} was stopped; it goes on with the study")

    def stopping(self, running: int, now: bool) -> None:
        what = "ending" if now else "waiting for"
        again = "" if now else "; Ctrl-C again ends them now"
        self.warn(f"stopping: {what} {running} running trial{'s' * (running != 1)}{again}")

    def tick(self, history: History, running: Sequence[tuple[Trial, Sequence[float]]]) -> None:
        """Draw the table anew, if there is one and it is time.

        Args:
            history: of the study.
            running: the trials at work, each with what it has reached so far.
        """
        now = time.monotonic()
        if self._live is None or now - self._drawn < _REFRESH:
            return
        self._drawn = now
        self._live.update(self._table(history, running), refresh=True)

    def _table(self, history: History, running: Sequence[tuple[Trial, Sequence[float]]]) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        over = history.count("finished", "pruned", "infeasible", "failed")
        best = history.best(self._direction)
        table = Table(box=None, pad_edge=False)
        for name in ("trial", "setting", "time", "now"):
            table.add_column(name, no_wrap=True)
        for trial, values in running[:_SHOWN]:
            now = f"{self._name} {number(values[-1])} ({len(values)})" if values else ""
            table.add_row(*(clean(cell) for cell in (trial.number, words(trial), span(trial.seconds), now)))
        parts = [
            f"{over}/{self._total}",
            *(f"{n} {s}" for s in ("pruned", "failed") if (n := history.count(s))),
        ]
        if best is not None:
            parts.append(f"best {self._name} {number(best.value)}: {words(best)}")
        if self._lasted and running:
            each = sum(self._lasted) / len(self._lasted)
            parts.append(f"about {span(each * (self._total - over) / len(running))} left")
        below = Table.grid(padding=(0, 1))
        below.add_row(ProgressBar(self._total, over, width=30), Text(clean(" · ".join(parts))))
        return Group(table, below)
