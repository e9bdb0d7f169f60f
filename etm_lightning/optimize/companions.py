"""Companions for the runs of a study: trials have none of their own, the controller starts them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from etm_lightning.attempts import find_writers
from etm_lightning.layout import RunFolder
from etm_lightning.process import Process
from etm_lightning.track.shipping.companion import Companion, wanted
from etm_lightning.track.shipping.configured import configured

EVERY = 1.0


class Companions:
    """One for each run at work, which delivers to its sinks meanwhile and samples what its process uses.

    The companion of a trial on another machine only delivers. One that a killed controller left goes on, and
    gets no second one beside it.
    """

    def __init__(self) -> None:
        self._at_work: dict[Path, Companion] = {}
        self._leaving: list[Companion] = []
        self._lines: list[str] = []
        self._next = 0.0

    def look(self, runs: Iterable[RunFolder]) -> None:
        """Look after those of the runs at work, about once a second."""
        now = time.monotonic()
        if now < self._next or not wanted():
            return
        self._next = now + EVERY
        for run in runs:
            one = self._at_work.get(run.path) or self._begin(run)
            if one is not None:
                one.tick(ended=one.left)
        for one in [one for one in self._leaving if one.pid is None]:
            self._leaving.remove(one)
            self._lines += one.finish()

    def ended(self, run: RunFolder) -> None:
        """The process of a run has ended: what its sinks lack is delivered."""
        one = self._at_work.pop(run.path, None)
        if one is None and wanted() and (sinks := list(configured(run))):
            one = Companion(run, run.attempts(), sinks, told=False)
        if one is not None:
            one.ask_to_finish()
            self._leaving.append(one)

    def finish(self) -> list[str]:
        """Wait for all of them, each for a bounded time; a line for each sink that is still behind."""
        for one in [*self._at_work.values(), *self._leaving]:
            self._lines += one.finish()
        self._at_work, self._leaving, lines, self._lines = {}, [], self._lines, []
        return lines

    def _begin(self, run: RunFolder) -> Companion | None:
        """One for a run whose process writes; None before that, and where there is one already."""
        attempt = run.attempts()
        writers = [one for one in find_writers(run.journal) if one.header.attempt == attempt]
        training = next((one for one in writers if one.header.role == "train" and not one.header.rank), None)
        if training is None or training.alive() is False:  # an attempt before the one that begins now
            return None
        if any(one.header.role == "shipper" and one.alive() for one in writers):
            return None
        header = training.header
        process = Process(header.host, header.boot, header.pid, header.born) if training.alive() else None
        self._at_work[run.path] = Companion(
            *(run, attempt, list(configured(run))),
            process=process,
            delivers_only=process is None,
            told=False,
        )
        return self._at_work[run.path]
