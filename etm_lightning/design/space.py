"""What will be tried: the swept overrides of a command line as a space of parameters."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Value = str | int | float
Point = dict[str, Value]
"""A place in a space: a value for each parameter, by name; without those whose condition does not hold."""
When = tuple[tuple[str, tuple[str, ...]], ...]
"""A condition: names, each with the values of which it must have one."""


@dataclass(frozen=True)
class Choice:
    """One of several values, each as one types it.

    Attributes:
        name: as typed, with a ``+`` where the config does not have the key.
        values: the choices, in the order in which they are tried.
        when: where it varies at all.
        shuffled: whether the order is by chance.
    """

    name: str
    values: tuple[str, ...]
    when: When = ()
    shuffled: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def __str__(self) -> str:
        known = sorted(self.values) if self.shuffled else self.values
        return f"one of {', '.join(known)}{', in random order' if self.shuffled else ''}"


@dataclass(frozen=True)
class Range:
    """Numbers at even distances, the last one included."""

    name: str
    numbers: tuple[int, ...] | tuple[float, ...]
    when: When = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

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
    when: When = ()

    values = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def __str__(self) -> str:
        kind = "whole number" if self.integer else "number"
        return f"{kind} from {self.low} to {self.high}{', log scale' if self.log else ''}"


@dataclass(frozen=True)
class Tied:
    """Parameters that go together: the first value of each, then the second of each, and so on."""

    parts: tuple[Choice | Range, ...]
    when: When = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.parts)

    @property
    def name(self) -> str:
        return " + ".join(self.names)

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(", ".join(row) for row in zip(*(part.values for part in self.parts), strict=True))

    def __str__(self) -> str:
        return f"one of {'; '.join(self.values)}"


Parameter = Choice | Range | Interval | Tied


def same(one: object, other: object) -> bool:
    """Whether two values are one, however they were typed.

    >>> same("1e-5", 0.00001), same("true", True), same("sgd", "adam")
    (True, True, False)
    """
    return plain(str(one)) == plain(str(other))


def plain(text: str) -> str:
    """Numbers of one value as one text: 1e-5 and 1e-05; true and True too."""
    try:
        return repr(float(text))
    except ValueError:
        return text.lower() if text.lower() in ("true", "false", "null") else text


@dataclass(frozen=True)
class Space:
    """What one command tries.

    Attributes:
        parameters: what varies, in the order in which it was typed, a condition after what it looks at. Of
            several with one name the first whose condition holds counts.
        template: every override in its order: its name, and its value, or None where it varies.
    """

    parameters: tuple[Parameter, ...]
    template: tuple[tuple[str, str | None], ...] = ()

    @property
    def fixed(self) -> tuple[str, ...]:
        """The overrides that all trials share."""
        return tuple(name + value for name, value in self.template if value is not None)

    @property
    def conditional(self) -> bool:
        """Whether some points lack a parameter that others have."""
        return any(parameter.when for parameter in self.parameters)

    @property
    def size(self) -> int | None:
        """How many points there are; None if they cannot be counted."""
        if any(parameter.values is None for parameter in self.parameters):
            return None
        if self.conditional:
            return sum(1 for _ in self.grid())
        return math.prod(len(parameter.values or ()) for parameter in self.parameters)

    @property
    def labels(self) -> dict[str, Parameter]:
        """The parameters by names of which no two are alike.

        >>> when = (("model", ("small",)),)
        >>> list(Space((Choice("lr", ("1",), when), Choice("lr", ("2",)))).labels)
        ['lr [model=small]', 'lr']
        """
        several = Counter(parameter.name for parameter in self.parameters)
        return {
            f"{parameter.name} [{said(parameter.when)}]"
            if parameter.when and several[parameter.name] > 1
            else parameter.name: parameter
            for parameter in self.parameters
        }

    def overrides(self, point: Mapping[str, Value]) -> list[str]:
        """All overrides of a trial, in the order in which they were typed.

        >>> Space((Choice("lr", ("1e-5",)),), (("lr", None), ("seed", "=1"))).overrides({"lr": "1e-5"})
        ['lr=1e-5', 'seed=1']
        """
        return [
            f"{name}={point[name]}" if name in point else f"{name}{value}"
            for name, value in self.template
            if name in point or value is not None
        ]

    def draw(self, pick: Callable[[str, Parameter], Value]) -> Point:
        """The point that picking a value of every parameter comes to, by its label and itself."""
        point: Point = {}
        for label, parameter in self.labels.items():
            if _varies(parameter, point):
                point.update(at(parameter, pick(label, parameter)))
        return point

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
        return _grid(self.parameters, {})

    def examples(self, most: int) -> list[Point]:
        """Points that have each value of a parameter, an interval's lowest; at most so many and one."""
        first = self.draw(lambda _, parameter: values(parameter)[0])
        found = [first]
        for label, parameter in self.labels.items():
            for value in values(parameter)[0 if parameter.when else 1 :]:
                wanted = self._wanted(parameter)
                point = self.draw(
                    lambda other, one, value=value, label=label, wanted=wanted: (  # type: ignore[misc]
                        value if other == label else _near(one, wanted)
                    )
                )
                if point not in found:
                    found.append(point)
        return found[: most + 1]

    def _wanted(self, parameter: Parameter) -> dict[str, str]:
        """Values of other parameters under which this one varies."""
        wanted = {name: values[0] for name, values in parameter.when}
        for other in self.parameters:
            if other is not parameter and any(bare(name) in wanted for name in other.names):
                wanted = {**self._wanted(other), **wanted}
        return wanted

    def describe(self) -> dict[str, str]:
        """What varies and how, by name.

        >>> Space((Interval("lr", 1e-5, 1e-2, log=True), Choice("m", ("a", "b")))).describe()
        {'lr': 'number from 1e-05 to 0.01, log scale', 'm': 'one of a, b'}
        """
        found: dict[str, str] = {}
        for parameter in self.parameters:
            for name, text in _texts(parameter):
                condition = f", when {said(parameter.when)}" if parameter.when else ""
                otherwise = "otherwise " if name in found and not condition else ""
                found[name] = "; ".join(
                    [*([found[name]] if name in found else []), otherwise + text + condition]
                )
        return found


def said(when: When) -> str:
    """A condition in words.

    >>> said((("model", ("small", "large")), ("n", ("2",))))
    'model=small|large and n=2'
    """
    return " and ".join(f"{name}={'|'.join(values)}" for name, values in when)


def bare(name: str) -> str:
    """A name without the ``+`` of a key that the config does not have."""
    return name.lstrip("+")


def values(parameter: Parameter) -> Sequence[Value]:
    """The values of a parameter; the lowest one of an interval."""
    if isinstance(parameter, Interval):
        return (parameter.low,)
    return parameter.numbers if isinstance(parameter, Range) else parameter.values


def at(parameter: Parameter, value: Value) -> Point:
    """What a value of a parameter sets."""
    if not isinstance(parameter, Tied):
        return {parameter.name: value}
    row = parameter.values.index(str(value))
    return {part.name: values(part)[row] for part in parameter.parts}


def _varies(parameter: Parameter, point: Mapping[str, Value]) -> bool:
    known = {bare(name): value for name, value in point.items()}
    return not any(name in point for name in parameter.names) and all(
        name in known and any(same(known[name], value) for value in allowed)
        for name, allowed in parameter.when
    )


def _grid(parameters: Sequence[Parameter], point: Point) -> Iterator[Point]:
    if not parameters:
        yield point
        return
    first, rest = parameters[0], parameters[1:]
    if not _varies(first, point):
        yield from _grid(rest, point)
        return
    for value in values(first):
        yield from _grid(rest, {**point, **at(first, value)})


def _near(parameter: Parameter, wanted: Mapping[str, str]) -> Value:
    """The value of a parameter that sets what is wanted, as far as one does."""
    for value in values(parameter):
        point = at(parameter, value)
        if all(same(point[name], wanted.get(bare(name), point[name])) for name in point):
            return value
    return values(parameter)[0]


def _texts(parameter: Parameter) -> Iterator[tuple[str, str]]:
    if not isinstance(parameter, Tied):
        yield parameter.name, str(parameter)
        return
    for part in parameter.parts:
        others = ", ".join(name for name in parameter.names if name != part.name)
        yield part.name, f"{part}, together with {others}"


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
            parameters[name] = parameter_of(name, override)
            template[name] = None
        else:
            _, equals, value = str(override.input_line).partition("=")
            template[name] = equals + value
    return Space(tuple(parameters[name] for name in template if name in parameters), tuple(template.items()))


def parameter_of(name: str, override: Any) -> Choice | Range | Interval:
    """What a swept override varies.

    Raises:
        ValueError: naming the override that cannot be searched over, and the cure.
    """
    typed = override.input_line
    if override.is_interval_sweep():
        return _interval(name, override.value(), typed)
    shuffled = bool(getattr(override.value(), "shuffle", False))
    if override.is_range_sweep():
        numbers = tuple(override.sweep_iterator())
        if not numbers:
            raise ValueError(f"`{typed}` has no values: the end of a range is not part of it")
        if shuffled or "log" in override.value().tags:
            return Choice(name, tuple(map(str, numbers)), shuffled=shuffled)
        return Range(name, numbers)
    values = tuple(override.sweep_string_iterator())
    if not values:
        raise ValueError(f"`{typed}` has no values: no choice of {name} fits the pattern")
    return Choice(name, values, shuffled=shuffled)


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
