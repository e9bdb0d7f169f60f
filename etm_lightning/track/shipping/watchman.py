"""The companion's eye on a training: reads what is recorded and writes alerts, each once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from itertools import islice

import msgspec

from etm_lightning.attempts import find_writers
from etm_lightning.layout import RunFolder
from etm_lightning.reading import START, Cursor
from etm_lightning.records import Alert, Ended, Record, Scalars
from etm_lightning.tail import SupersededError, Tail
from etm_lightning.track.shipping.alerts import Limits, Rules, Stall
from etm_lightning.track.shipping.cursors import Lease, Progress, load, progress_file, store

log = logging.getLogger(__name__)

SINK = "alerts"
MOST = 20_000
STORE_EVERY = 5.0


class Watchman:
    """Applies the rules to a run, record by record, and tells what they find.

    It begins with the first record each time, so that it knows what is usual, but tells nothing of records
    that were looked at before: ``cursors/alerts.json`` says up to where. Of several companions of a run, on
    several nodes, one does it.

    Args:
        folder: the run's folder.
        append: writes an alert into a journal.
        limits: when to alert.
        clock: seconds, for silence.
    """

    def __init__(
        self,
        folder: RunFolder,
        append: Callable[[Alert], None],
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._append, self._limits, self._clock = folder, append, limits, clock
        self._lease = Lease(folder, SINK)
        self._path = progress_file(folder, SINK)
        self._places: dict[str, Cursor] = {}
        self._told = alerts_of_companions(folder)
        self._stored = clock()
        self._changed = False
        self._begin()

    def _begin(self) -> None:
        self._seen = load(self._path).writers | self._places
        self._tail = Tail(self._folder.journal)
        self._rules, self._stall = Rules(self._limits), Stall(self._limits.stall)
        self._step: int | None = None
        self._heard, self._ended = self._clock(), False

    def look(self) -> None:
        """Read what is new, and tell what is wrong."""
        if self._limits == NOTHING or not self._lease.take():
            return
        try:
            read = 0
            for writer, cursor, record in islice(self._tail.poll(), MOST):
                self._take(writer, cursor, record)
                read += 1
        except SupersededError:  # a later attempt began before records that were looked at
            self._begin()
            return
        if read < MOST:
            self._listen()
        if self._changed and self._clock() - self._stored >= STORE_EVERY:
            self._store()

    def tell(self, alert: Alert) -> bool:
        """Write an alert, unless a companion of this run has; whether it was written."""
        if any(_same(alert, other) for other in self._told):
            return False
        self._told.append(alert)
        self._append(alert)
        return True

    def told_since(self, name: str, since: float) -> bool:
        """Whether an alert of this name was written after `since` (Unix seconds)."""
        return any(alert.name == name and alert.time >= since for alert in self._told)

    def close(self) -> None:
        """Keep the place and let others look."""
        if self._changed:
            self._store()
        self._lease.release()

    def _take(self, writer: str, cursor: Cursor, record: Record) -> None:
        known = self._seen.get(writer, START)
        new = (cursor.segment, cursor.n) > (known.segment, known.n)
        if writer.partition("-")[2].startswith("train-"):
            self._stall.heard(record)
            self._ended = isinstance(record, Ended)
            if new:
                self._heard = self._clock()
            if isinstance(record, Scalars) and record.axis == "step":
                self._step = record.step
        for alert in self._rules.take(record):
            if new:
                self.tell(alert)
        if new:
            self._places[writer] = cursor
            self._changed = True

    def _listen(self) -> None:
        """Tell if the training has been silent for too long."""
        if not self._ended:
            alert = self._stall.silent(self._clock() - self._heard, self._step, time.time())
            if alert is not None:
                self.tell(alert)

    def _store(self) -> None:
        writers = self._seen | self._places
        store(self._path, msgspec.structs.replace(load(self._path) or Progress(), writers=writers))
        self._stored, self._changed = self._clock(), False


def alerts_of_companions(folder: RunFolder) -> list[Alert]:
    """What companions of the run have told so far."""
    found = [writer for writer in find_writers(folder.journal) if writer.header.role == "shipper"]
    return [item for writer in found for _, item in writer.read() if isinstance(item, Alert)]


def _same(one: Alert, other: Alert) -> bool:
    """Whether two alerts tell the same: of the same step, or of the same moment where there is no step."""
    if (one.name, one.title, one.step) != (other.name, other.title, other.step):
        return False
    return one.step is not None or one.time == other.time


NOTHING = Limits(**dict.fromkeys(Limits.__dataclass_fields__, 0))
