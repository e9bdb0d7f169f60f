"""Bringing runs to a sink now, whether it was configured or not, however long ago they ended."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from etm_lightning.store.run import StoredRun
from etm_lightning.track.shipping.configured import configured
from etm_lightning.track.shipping.cursors import Lease, load, progress_file
from etm_lightning.track.shipping.delivery import Delivery, lag
from etm_lightning.track.shipping.watchman import SINK as WATCHMAN
from etm_lightning.track.sinks.sink import specifications

PAUSES = (0.0, 0.5, 2.0, 8.0)
"""Seconds before each try to reach a sink that fails."""


@dataclass(frozen=True)
class Synced:
    """How a run stands with a sink.

    Attributes:
        run: the run's id.
        sink: the sink's name.
        delivered: how many records it took just now.
        behind: how many it has not got.
        error: why not; empty if it has all.
        deliverer: the process that delivers to it now, as ``pid on host``; empty if none does.
    """

    run: str
    sink: str
    delivered: int = 0
    behind: int = 0
    error: str = ""
    deliverer: str = ""


def sync(run: StoredRun, to: Sequence[str] = ()) -> list[Synced]:
    """Deliver what sinks of a run have not got yet; may be broken off and called again at any time.

    Args:
        run: the run.
        to: names or kinds of sinks; by default those that the run was configured with.

    Raises:
        ValueError: if there is no sink of that name.
    """
    known = configured(run.folder)
    for name in to:
        if name not in known:
            specifications([name])  # refuses what is no kind of sink
    return [_sync(run, name, known.get(name, {"sink": name})) for name in to or known]


def status(run: StoredRun, to: Iterable[str] = ()) -> list[Synced]:
    """How a run stands with its sinks, those it was configured with and those it was brought to."""
    files = {path.stem for path in run.folder.cursors.glob("*.json")}
    names = list(to) or sorted({*configured(run.folder), *files} - {WATCHMAN})
    return [_status(run, name) for name in names]


def _status(run: StoredRun, name: str, delivered: int = 0, error: str = "") -> Synced:
    holder = Lease(run.folder, name).holder()
    return Synced(
        run=run.id,
        sink=name,
        delivered=delivered,
        behind=lag(run.folder, name),
        error=error or load(progress_file(run.folder, name)).error,
        deliverer=f"{holder.pid} on {holder.host}" if holder else "",
    )


def _sync(run: StoredRun, name: str, options: dict[str, Any]) -> Synced:
    delivery = Delivery(run.folder, name, options)
    for pause in PAUSES:
        time.sleep(pause)
        delivery.hurry()
        while delivery.advance():
            continue
        if delivery.refused or not delivery.waiting:
            break
    error = delivery.error
    delivery.close()
    return _status(run, name, delivery.delivered, error)
