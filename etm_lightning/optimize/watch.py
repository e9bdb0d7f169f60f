"""What a running trial says: its journal, read from where the controller stopped."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from etm_lightning.layout import RunFolder
from etm_lightning.optimize.goal import Goal
from etm_lightning.optimize.history import State
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


def objectives(result: dict[str, Any], goal: Goal) -> tuple[float, ...]:
    """The numbers that the goal names; none if nothing was returned.

    Raises:
        ValueError: if one of them was not returned.

    >>> objectives({"values": {"loss": 0.5, "f1": 0.9}}, Goal(("f1", "loss"), ("maximize", "minimize")))
    (0.9, 0.5)
    """
    if not goal.several:
        value = objective(result, goal.names[0])
        return () if value is None else (value,)
    values: dict[str, float] = result.get("values") or {}
    missing = [name for name in goal.names if name not in values]
    if missing:
        known = ", ".join(values) or "one number without a name" * ("value" in result) or "nothing"
        raise ValueError(f"`search.objective` names {', '.join(missing)} but the script returned {known}")
    return tuple(values[name] for name in goal.names)


def judged(
    result: dict[str, Any], goal: Goal, *, pruned: bool = False, needed: bool = False
) -> tuple[State, tuple[float, ...], str]:
    """What a result makes of its run: its state, its values, and why.

    Args:
        result: what the process of the run wrote down.
        goal: names the objectives.
        pruned: whether its run ended because it was asked to.
        needed: whether there has to be a number.

    >>> judged({"value": float("nan")}, Goal()), judged({"value": 0.5}, Goal(), pruned=True)
    (('failed', (), 'its objective is nan'), ('pruned', (0.5,), ''))
    """
    if "error" in result:
        text = next(iter(str(result["text"]).strip().splitlines()), "")
        return "infeasible" if result["memory"] else "failed", (), f"{result['error']}: {text}"
    try:
        values = objectives(result, goal)
    except ValueError as error:
        return "failed", (), str(error)
    odd = [value for value in values if not math.isfinite(value)]
    if odd:
        return "failed", (), f"its objective is {odd[0]}"
    if pruned:
        return "pruned", values, ""
    if not values and needed:
        return "failed", (), "it returned no number to go by"
    return "finished", values, ""
