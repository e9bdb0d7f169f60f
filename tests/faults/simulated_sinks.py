"""Sinks in memory at the other end of a bad network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from etm_lightning.records import Record, Scalars
from etm_lightning.track.sinks.sink import Sink, Target
from tests.faults.simulated_disk import Killed

Point = tuple[float, str, int, float]
"""Time, name, step and value."""


def points_of(records: Sequence[Record]) -> list[Point]:
    return [
        (record.time, name, record.step, value)
        for record in records
        if isinstance(record, Scalars)
        for name, value in record.values.items()
    ]


class Server:
    """Keeps one of two equal points, as MLflow does; a generation is a run of its own.

    Attributes:
        trouble: what ails the way to it: ``refuses``, ``hangs``, ``loses replies``, or nothing.
        forgotten: what its deliverer has no memory of, because that was lost in a power cut.
    """

    def __init__(self, chance: Random, wait: Callable[[float], object]) -> None:
        self._chance, self._wait = chance, wait
        self.trouble = ""
        self.forgotten: set[Point] = set()
        self.kept: dict[int, dict[Point, None]] = {0: {}}

    def open(self, target: Target) -> Sink:
        self.reach()
        forget_later(self.kept, target, {})
        return Connection(self, target.generation)

    def points(self) -> list[Point]:
        return list(self.kept[max(self.kept)])

    def forget(self) -> None:
        """The deliverer's memory is lost."""
        for points in self.kept.values():
            self.forgotten.update(points)

    def reach(self) -> None:
        if self.trouble == "refuses":
            raise ConnectionRefusedError("connection refused")
        if self.trouble == "hangs":
            self._wait(30.0)
            raise TimeoutError("no answer in 30 s")

    def take(self, generation: int, points: list[Point]) -> None:
        self.reach()
        lost = self.trouble == "loses replies" and self._chance.random() < 0.7
        size = self._chance.randint(0, len(points)) if lost else len(points)
        self.kept[generation].update(dict.fromkeys(points[:size]))
        if lost:
            raise ConnectionResetError("the connection was lost before the reply came")


class Connection:
    """A client of the server."""

    def __init__(self, server: Server, generation: int) -> None:
        self._server, self._generation = server, generation

    def write(self, records: Sequence[Record]) -> None:
        self._server.take(self._generation, points_of(records))

    def flush(self) -> Mapping[str, Any]:
        return {"run": self._generation}

    def close(self) -> None:
        """Nothing is held."""


class Register:
    """Keeps whatever it is told, and cuts off at its state what came later, as a file does.

    Its deliverer is killed now and then after it has written and before the place is stored.
    """

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self.trouble = ""
        self.forgotten: set[Point] = set()
        self.kept: dict[int, list[Point]] = {0: []}

    def open(self, target: Target) -> Sink:
        forget_later(self.kept, target, [])
        del self.kept[target.generation][int(target.state.get("size", 0)) :]
        return Page(self.kept[target.generation], self._chance)

    def points(self) -> list[Point]:
        return self.kept[max(self.kept)]

    def forget(self) -> None:
        """The deliverer's memory is lost."""
        for points in self.kept.values():
            self.forgotten.update(points)


class Page:
    """One generation of a register, open."""

    def __init__(self, kept: list[Point], chance: Random) -> None:
        self._kept, self._chance = kept, chance

    def write(self, records: Sequence[Record]) -> None:
        self._kept += points_of(records)

    def flush(self) -> Mapping[str, Any]:
        if self._chance.random() < 0.1:
            raise Killed
        return {"size": len(self._kept)}

    def close(self) -> None:
        """Nothing is held."""


def forget_later(kept: dict[int, Any], target: Target, empty: Any) -> None:
    """A deliverer that knows less than we do begins again from what it knows."""
    for generation in [one for one in kept if one > target.generation]:
        del kept[generation]
    if not target.state or target.generation not in kept:
        kept[target.generation] = empty
