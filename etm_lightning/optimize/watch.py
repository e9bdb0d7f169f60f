"""What a running trial says: its journal, read from where the controller stopped."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from etm_lightning.layout import RunFolder
from etm_lightning.records import Ended, Scalars
from etm_lightning.tail import SupersededError, Tail
from etm_lightning.track.prune import PRUNE, RUN


class Watch:
    """Follows the run of a trial, once it has one.

    Args:
        place: the trial's folder.
        monitor: the metric to follow.

    Attributes:
        run: the folder of the run; None before it began, and where the script keeps no journal.
        values: the monitored value after each validation, in order.
        pruned: whether the run ended because it was asked to.
    """

    def __init__(self, place: Path, monitor: str) -> None:
        self._file, self._monitor = place / RUN, monitor
        self._tail: Tail | None = None
        self.run: RunFolder | None = None
        self.values: list[float] = []
        self.pruned = False

    def poll(self) -> None:
        """Read what is new."""
        if self.run is None:
            if not self._file.exists():
                return
            self.run = RunFolder(Path(self._file.read_text()))
        if self._tail is None:
            self._tail = Tail(self.run.journal)
        try:
            for _, _, record in self._tail.poll():
                if isinstance(record, Scalars) and record.axis == "step" and record.stage == "validate":
                    found = record.items().get(self._monitor)
                    self.values += [] if found is None else [found]
                elif isinstance(record, Ended):
                    self.pruned = record.status == "pruned"
        except SupersededError:  # a later attempt began before these values
            self._tail, self.values = None, []

    def prune(self) -> None:
        """Ask the run to end."""
        if self.run is not None:
            (self.run.path / PRUNE).touch()

    def forget_prune(self) -> None:
        """Take back what an earlier process of the trial was asked."""
        if self.run is not None:
            (self.run.path / PRUNE).unlink(missing_ok=True)


def result(place: Path) -> dict[str, Any] | None:
    """What the process of a trial wrote down at its end; None if it did not come to that."""
    try:
        found = json.loads((place / "result.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None


def objective(result: dict[str, Any], monitor: str) -> float | None:
    """The number that was returned, or of several the one called `monitor` or ``objective``.

    Raises:
        ValueError: if several were returned and none has such a name.

    >>> objective({"values": {"loss": 0.5, "f1": 0.9}}, "f1"), objective({}, "")
    (0.9, None)
    """
    values: dict[str, float] | None = result.get("values")
    if values is None:
        return result.get("value")
    for name in (monitor, "objective"):
        if name in values:
            return values[name]
    if len(values) == 1:
        return next(iter(values.values()))
    raise ValueError(
        f"`search.monitor` must name one of the returned values but they are {', '.join(values)}"
    )


def verdict(
    result: dict[str, Any], monitor: str, *, pruned: bool = False, needed: bool = False
) -> tuple[str, float | None, str]:
    """What a result makes of its trial: its state, its value, and why.

    Args:
        result: what the process of the trial wrote down.
        monitor: the name of the objective.
        pruned: whether its run ended because it was asked to.
        needed: whether there has to be a number.

    >>> verdict({"value": float("nan")}, ""), verdict({"value": 0.5}, "", pruned=True)
    (('failed', None, 'its objective is nan'), ('pruned', 0.5, ''))
    """
    if "error" in result:
        text = next(iter(str(result["text"]).strip().splitlines()), "")
        return "infeasible" if result["memory"] else "failed", None, f"{result['error']}: {text}"
    try:
        value = objective(result, monitor)
    except ValueError as error:
        return "failed", None, str(error)
    if value is not None and not math.isfinite(value):
        return "failed", None, f"its objective is {value}"
    if pruned:
        return "pruned", value, ""
    if value is None and needed:
        return "failed", None, "it returned no number to go by"
    return "finished", value, ""
