"""What will be tried: the swept overrides of a command line as a space of parameters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Value = str | int | float
Point = dict[str, Value]
"""A place in a space: a value for each parameter, by name."""


@dataclass(frozen=True)
class Choice:
    """One of several values, each as one types it.

    Attributes:
        name: as typed, with a ``+`` where the config does not have the key.
        values: the choices, in the order in which they were typed.
    """

    name: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"one of {', '.join(self.values)}"


@dataclass(frozen=True)
class Range:
    """Numbers at even distances, the last one included."""

    name: str
    numbers: tuple[int, ...] | tuple[float, ...]

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(map(str, self.numbers))

    @property
    def integer(self) -> bool:
        return all(isinstance(number, int) for number in self.numbers)

    @property
    def step(self) -> int | float:
        """The distance between two neighbours; 1 if there is one number only."""
        return abs(self.numbers[1] - self.numbers[0]) if len(self.numbers) > 1 else 1

    def __str__(self) -> str:
        if len(self.numbers) < 2:
            return f"one of {', '.join(self.values)}"
        return f"{self.values[0]} to {self.values[-1]} in steps of {self.step}"


@dataclass(frozen=True)
class Interval:
    """Any number from `low` to `high`, both included; on a logarithmic scale with `log`."""

    name: str
    low: float
    high: float
    log: bool = False
    integer: bool = False

    values = None

    def __str__(self) -> str:
        kind = "whole number" if self.integer else "number"
        return f"{kind} from {self.low} to {self.high}{', log scale' if self.log else ''}"


Parameter = Choice | Range | Interval


@dataclass(frozen=True)
class Space:
    """What one command tries.

    Attributes:
        parameters: what varies, in the order in which it was typed.
        template: every override in its order: its name, and its value, or None where it varies.
    """

    parameters: tuple[Parameter, ...]
    template: tuple[tuple[str, str | None], ...] = ()

    @property
    def fixed(self) -> tuple[str, ...]:
        """The overrides that all trials share."""
        return tuple(name + value for name, value in self.template if value is not None)

    @property
    def size(self) -> int | None:
        """How many points there are; None if they cannot be counted."""
        if any(parameter.values is None for parameter in self.parameters):
            return None
        return math.prod(len(parameter.values or ()) for parameter in self.parameters)

    def overrides(self, point: Mapping[str, Value]) -> list[str]:
        """All overrides of a trial, in the order in which they were typed.

        >>> Space((Choice("lr", ("1e-5",)),), (("lr", None), ("seed", "=1"))).overrides({"lr": "1e-5"})
        ['lr=1e-5', 'seed=1']
        """
        return [
            f"{name}={point[name]}" if value is None else f"{name}{value}" for name, value in self.template
        ]

    def grid(self) -> Iterator[Point]:
        """Every point, the last parameter varying fastest, as Hydra has them.

        Raises:
            ValueError: if a parameter is an interval.

        >>> [list(p.values()) for p in Space((Choice("a", ("1", "2")), Choice("b", ("x", "y")))).grid()]
        [['1', 'x'], ['1', 'y'], ['2', 'x'], ['2', 'y']]
        """
        for parameter in self.parameters:
            if parameter.values is None:
                raise ValueError(
                    f"`{parameter.name}` is an interval, which a grid cannot count: "
                    f"give it as {parameter.name}=choice(…) or range(…), or choose search.sampler=tpe"
                )
        names = [parameter.name for parameter in self.parameters]
        values: Sequence[Value]
        for values in itertools.product(*map(_points, self.parameters)):
            yield dict(zip(names, values, strict=True))

    def describe(self) -> dict[str, str]:
        """What varies and how, by name.

        >>> Space((Interval("lr", 1e-5, 1e-2, log=True), Choice("m", ("a", "b")))).describe()
        {'lr': 'number from 1e-05 to 0.01, log scale', 'm': 'one of a, b'}
        """
        return {parameter.name: str(parameter) for parameter in self.parameters}


def _points(parameter: Parameter) -> Sequence[Value]:
    return parameter.numbers if isinstance(parameter, Range) else parameter.values or ()


def space(overrides: Iterable[Any]) -> Space:
    """The space of a command line.

    Args:
        overrides: Hydra's parsed overrides (`hydra.core.override_parser.types.Override`); of two for one
            name the later counts, at the place of the first.

    Raises:
        ValueError: naming the override that cannot be searched over, and the cure.
    """
    parameters: dict[str, Parameter] = {}
    template: dict[str, str | None] = {}
    for override in overrides:
        name = override.get_key_element()
        parameters.pop(name, None)
        if override.is_sweep_override():
            parameters[name] = _parameter(name, override)
            template[name] = None
        else:
            _, equals, value = str(override.input_line).partition("=")
            template[name] = equals + value
    return Space(tuple(parameters[name] for name in template if name in parameters), tuple(template.items()))


def _parameter(name: str, override: Any) -> Parameter:
    typed = override.input_line
    if override.is_interval_sweep():
        return _interval(name, override.value(), typed)
    if override.is_range_sweep():
        numbers = tuple(override.sweep_iterator())
        if not numbers:
            raise ValueError(f"`{typed}` has no values: the end of a range is not part of it")
        if getattr(override.value(), "shuffle", False) or "log" in override.value().tags:
            return Choice(name, tuple(map(str, numbers)))
        return Range(name, numbers)
    values = tuple(override.sweep_string_iterator())
    if not values:
        raise ValueError(f"`{typed}` has no values: no choice of {name} fits the pattern")
    return Choice(name, values)


def _interval(name: str, value: Any, typed: str) -> Interval:
    low, high, log = value.start, value.end, "log" in value.tags
    unknown = sorted(value.tags - {"log", "int", "float"})
    if unknown:
        raise ValueError(f"`{typed}` has the tag {unknown[0]!r}, which means nothing here: log or int may be")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"`{typed}` must go from a number to a higher one: {name}=interval(1e-5,1e-2)")
    if log and low <= 0:
        raise ValueError(f"`{typed}` must begin above 0 on a log scale but begins at {low}")
    integer = "int" in value.tags or (
        "float" not in value.tags and isinstance(low, int) and isinstance(high, int)
    )
    if integer and not (float(low).is_integer() and float(high).is_integer()):
        raise ValueError(f"`{typed}` must have whole ends to be whole numbers")
    return Interval(
        name, int(low) if integer else float(low), int(high) if integer else float(high), log, integer
    )
