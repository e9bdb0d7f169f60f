"""What a study shows: a live table on a terminal, one line per trial elsewhere, nothing if asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from etm_lightning.execute.quiet import quiet
from etm_lightning.optimize.folder import StudyFolder
from etm_lightning.optimize.goal import Goal
from etm_lightning.optimize.history import History, Replicate, Trial
from etm_lightning.share.table import clean
from etm_lightning.share.tables import number, span

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


def title(trial: Trial, run: Replicate) -> str:
    """One run of a trial, by name."""
    return f"trial {trial.number} {run.name}".rstrip()


class Screen:
    """Tells of a study as it goes on.

    Args:
        folder: of the study.
        total: how many trials there are to be.
        goal: what is to become large or small.
    """

    def __init__(self, folder: StudyFolder, total: int, goal: Goal) -> None:
        self._folder, self._total, self._goal, self._direction = folder, total, goal, goal.direction
        self._name = goal.title
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

    def began(self, trial: Trial, run: Replicate) -> None:
        if run.attempts > 1:
            self.say(f"{title(trial, run)} goes on: attempt {run.attempts}")

    def ran(self, trial: Trial, run: Replicate) -> None:
        """One of several runs of a trial has ended."""
        parts = [
            title(trial, run),
            self._values(run.values),
            *([] if run.state == "finished" else [run.state]),
        ]
        self.say(" · ".join(part for part in (*parts, f"{run.seconds:.1f} s") if part))
        if run.state in ("failed", "infeasible"):
            log = self._folder.place(trial.number, run.name) / f"{max(run.attempts, 1)}.log"
            self.warn(f"{title(trial, run)} {run.state}: {run.reason} · log {log}")

    def confirming(self, trials: Sequence[Trial], runs: int) -> None:
        """The search is over, and its best trials run once more."""
        names = " and ".join(f"trial {trial.number} ({words(trial)})" for trial in trials)
        self.say(f"confirming on fresh seeds: {names} · {runs} run{'s' * (runs != 1)}")

    def _values(self, values: Sequence[float], sd: float | None = None, n: int = 1) -> str:
        names = [name or self._name for name in self._goal.names]
        parts = [f"{name} {number(value)}" for name, value in zip(names, values, strict=False)]
        if parts and n > 1:
            parts[0] += f" ± {sd:.2g} (n={n})" if sd is not None else f" (n={n})"
        return " · ".join(parts)

    def ended(self, trial: Trial, history: History) -> None:
        self._lasted.append(trial.seconds)
        over = history.count("finished", "pruned", "infeasible", "failed")
        parts = [f"trial {trial.number} ({over} of {self._total})", words(trial)]
        parts.append(self._values(trial.values, trial.sd, trial.n))
        parts += [] if trial.state == "finished" else [trial.state]
        parts += [trial.reason] if trial.state == "pruned" and trial.reason else []
        parts.append(f"{trial.seconds:.1f} s")
        best = None if self._goal.several else history.best(self._direction)
        if best is not None and self._total > 1:
            parts.append(
                f"best {number(best.value)}" + (f" (trial {best.number})" if best is not trial else "")
            )
        self.say(" · ".join(part for part in parts if part))
        if trial.state in ("failed", "infeasible"):
            alone = all(not run.name for run in trial.searched)  # of several each told of its own end
            log = self._folder.trial(trial.number) / f"{max(trial.attempts, 1)}.log"
            told = f"trial {trial.number} {trial.state}: {trial.reason}"
            self.warn(f"{told} · log {log}" if alone else told)

    def again(self, trial: Trial, run: Replicate, how: str) -> None:
        self.warn(f"{title(trial, run)}: its process ended with {how}; it is started again")

    def left(self, trial: Trial) -> None:
        self.say(f"trial {trial.number} was stopped; it goes on with the study")

    def stopping(self, running: int, now: bool) -> None:
        what = "ending" if now else "waiting for"
        again = "" if now else "; Ctrl-C again ends them now"
        self.warn(f"stopping: {what} {running} running trial{'s' * (running != 1)}{again}")

    def tick(self, history: History, running: Sequence[tuple[Trial, Replicate, Sequence[float]]]) -> None:
        """Draw the table anew, if there is one and it is time.

        Args:
            history: of the study.
            running: the runs at work, each with its trial and what it has reached so far.
        """
        now = time.monotonic()
        if self._live is None or now - self._drawn < _REFRESH:
            return
        self._drawn = now
        self._live.update(self._table(history, running), refresh=True)

    def _table(self, history: History, running: Sequence[tuple[Trial, Replicate, Sequence[float]]]) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        over = history.count("finished", "pruned", "infeasible", "failed")
        best = history.best(self._direction)
        table = Table(box=None, pad_edge=False)
        for name in ("trial", "setting", "time", "now"):
            table.add_column(name, no_wrap=True)
        for trial, run, values in running[:_SHOWN]:
            now = f"{self._name} {number(values[-1])} ({len(values)})" if values else ""
            name = f"{trial.number} {run.name}".rstrip()
            table.add_row(*(clean(cell) for cell in (name, words(trial), span(run.seconds), now)))
        parts = [
            f"{over}/{self._total}",
            *(f"{n} {s}" for s in ("pruned", "failed") if (n := history.count(s))),
        ]
        if best is not None:
            parts.append(f"best {self._name} {number(best.value)}: {words(best)}")
        if self._lasted and running:
            each = sum(self._lasted) / len(self._lasted)
            at_once = len({trial.number for trial, _, _ in running})
            parts.append(f"about {span(each * (self._total - over) / at_once)} left")
        below = Table.grid(padding=(0, 1))
        below.add_row(ProgressBar(self._total, over, width=30), Text(clean(" · ".join(parts))))
        return Group(table, below)
