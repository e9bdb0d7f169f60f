"""Bringing a run's records to one sink, from where it stopped, again and again until it has them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from itertools import islice
from traceback import format_exception
from typing import Any

import msgspec

from etm_lightning.layout import RunFolder
from etm_lightning.reading import Cursor
from etm_lightning.records import Record
from etm_lightning.tail import SupersededError, Tail
from etm_lightning.track.redact import redact
from etm_lightning.track.shipping.cursors import Lease, Progress, load, progress_file, store
from etm_lightning.track.sinks.sink import Open, RefusedError, Sink, StartOverError, Target, opener

log = logging.getLogger(__name__)

BATCH = 2000
LONGEST_WAIT = 60.0


class TakenError(Exception):
    """Somebody else delivers to this sink for this run."""


class Delivery:
    """One run, one sink: reads what is new, writes it, and stores the place once the sink has it safely.

    A sink that fails is closed and opened again after a while, twice as long each time up to a minute, from
    the place that was stored. What a later attempt made void is taken back by beginning anew.

    Args:
        folder: the run's folder.
        name: name of the sink; by it the place is kept.
        options: the sink's settings, ``sink`` among them: its kind.
        make: opens the sink; by default as its kind says.
        clock: seconds, for waiting.
        lease: who may deliver.

    Attributes:
        error: why the sink does not get on; empty when it does.
        delivered: how many records the sink took here.
        refused: whether somebody has to do something before it gets on.
    """

    def __init__(
        self,
        folder: RunFolder,
        name: str,
        options: Mapping[str, Any],
        *,
        make: Open | None = None,
        clock: Callable[[], float] = time.monotonic,
        lease: Lease | None = None,
    ) -> None:
        self.folder, self.name, self._options = folder, name, dict(options)
        self._make, self._clock = make, clock
        self._lease = lease or Lease(folder, name)
        self._path = progress_file(folder, name)
        self._progress = Progress()
        self._tail: Tail | None = None
        self._sink: Sink | None = None
        self._failures, self._wait_until = 0, 0.0
        self.error, self.delivered, self.refused = "", 0, False

    def advance(self, *, once: bool = False) -> int:
        """Deliver what is new; never raises for a sink's sake.

        Args:
            once: at most one batch of it, so that the caller can rest before the next.

        Returns:
            How many records the sink has safely now that it had not before; 0 also while it waits to be
            tried again, and while somebody else delivers.
        """
        if self._clock() < self._wait_until:
            return 0
        before = self.delivered
        try:
            self._take_lease()
            while self._batch() == BATCH and not once:
                self._take_lease()
        except TakenError as taken:
            self._let_go()
            self.error = str(taken)
        except Exception as error:  # whatever a sink raises is its own affair
            self._failed(error)
        else:
            self._recovered()
        return self.delivered - before

    def close(self) -> None:
        """Let go of the sink and of the lease."""
        self._let_go()
        self._lease.release()

    @property
    def waiting(self) -> bool:
        """Whether the sink failed and waits to be tried again."""
        return self._clock() < self._wait_until

    def hurry(self) -> None:
        """Try again now instead of when the wait is over."""
        self._wait_until = 0.0

    def _take_lease(self) -> None:
        if not self._lease.take():
            holder = self._lease.holder()
            who = f"process {holder.pid} on {holder.host}" if holder else "another process"
            raise TakenError(f"{who} delivers to {self.name} now")

    def _batch(self) -> int:
        """Deliver up to `BATCH` records; those of one call are one `write`."""
        if self._tail is None:
            self._progress = load(self._path)
            self._tail = _tail(self.folder, self._progress)
        places: dict[str, Cursor] = {}
        records: list[Record] = []
        try:
            for writer, cursor, record in islice(self._tail.poll(), BATCH):
                places[writer] = cursor
                records.append(record)
            if records:
                self._hand_over(records, places)
        except (SupersededError, StartOverError) as reason:
            log.info("%s is delivered anew: %s", self.name, reason)
            self._start_over()
            return BATCH
        return len(records)

    def _hand_over(self, records: list[Record], places: Mapping[str, Cursor]) -> None:
        if self._sink is None:
            self._sink = self._open()
        # should we die or hear no answer, a later attempt that makes these void has to know of them
        reaching = {**self._progress.reaching, **places}
        self._keep(msgspec.structs.replace(self._progress, reaching=reaching))
        self._sink.write(records)
        state = dict(self._sink.flush())
        writers = {**self._progress.writers, **places}
        self._keep(
            msgspec.structs.replace(self._progress, writers=writers, reaching={}, state=state, error="")
        )
        self.delivered += len(records)

    def _keep(self, progress: Progress) -> None:
        if not self._lease.held():
            raise TakenError(f"the right to deliver to {self.name} was lost")
        store(self._path, progress)
        self._progress = progress

    def _open(self) -> Sink:
        make = self._make or opener(str(self._options["sink"]))
        target = Target(
            folder=self.folder,
            identity=self.folder.identity(),
            options={name: value for name, value in self._options.items() if name != "sink"},
            state=self._progress.state,
            generation=self._progress.generation,
            superseded=self._progress.superseded,
        )
        return make(target)

    def _start_over(self) -> None:
        """Begin a new generation, which gets everything that counts."""
        old = load(self._path)
        self._let_go()
        anew = Progress(generation=old.generation + 1, superseded=old.state or old.superseded)
        store(self._path, anew)

    def _failed(self, error: Exception) -> None:
        self._let_go()
        self._failures += 1
        self.refused = isinstance(error, RefusedError | ImportError)
        wait = LONGEST_WAIT if self.refused else min(2.0 ** (self._failures - 1), LONGEST_WAIT)
        self._wait_until = self._clock() + wait
        words = redact(str(error) if self.refused else f"{type(error).__name__}: {error}")
        if words != self.error:
            where = "" if self.refused else "\n" + redact("".join(format_exception(error)).rstrip())
            log.warning("%s: %s%s", self.name, words, where)
        self.error = words
        if self._lease.held():
            store(self._path, msgspec.structs.replace(load(self._path), error=words))

    def _recovered(self) -> None:
        if self.error:
            log.warning("%s gets on again", self.name)
            if self._progress.error:
                self._progress = msgspec.structs.replace(self._progress, error="")
                store(self._path, self._progress)
        self.error, self._failures, self.refused = "", 0, False

    def _let_go(self) -> None:
        sink, self._sink, self._tail = self._sink, None, None
        if sink is not None:
            try:
                sink.close()
            except Exception as error:  # it is not needed any more, and what it has is in the stored place
                words = redact(f"{type(error).__name__}: {error}")
                log.warning("%s could not be closed: %s", self.name, words)


def _tail(folder: RunFolder, progress: Progress) -> Tail:
    return Tail(folder.journal, progress.writers, reaching=progress.reaching)


def lag(folder: RunFolder, name: str, most: int = 100_000) -> int:
    """How many records a sink has not got yet, counted up to `most`."""
    progress = load(progress_file(folder, name))
    try:
        return sum(1 for _ in islice(_tail(folder, progress).poll(), most))
    except SupersededError:
        return sum(1 for _ in islice(Tail(folder.journal).poll(), most))
