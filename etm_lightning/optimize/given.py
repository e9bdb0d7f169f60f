"""Points that were given by hand, `search.enqueue`, in the words of a space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from etm_lightning.design.space import (
    Choice,
    Interval,
    Parameter,
    Range,
    Space,
    Tied,
    Value,
    bare,
    plain,
    same,
    values,
)


def enqueued(space: Space, given: Mapping[str, Any]) -> dict[str, Value]:
    """The values of a point by the labels of the space.

    Args:
        space: what varies.
        given: values by name; what is left out the sampler chooses.

    Raises:
        ValueError: if a parameter cannot have its value.

    >>> enqueued(Space((Choice("lr", ("1e-5", "1e-3")),)), {"lr": 0.001})
    {'lr': '1e-3'}
    """
    found: dict[str, Value] = {}
    done: set[str] = set()
    for label, parameter in space.labels.items():
        names = {bare(name) for name in parameter.names}
        if names & set(given) and not names & done and _may_vary(parameter, given):
            found[label] = _given(parameter, given)
            done |= names
    return found


def _may_vary(parameter: Parameter, given: Mapping[str, Any]) -> bool:
    """Whether nothing that is given rules the parameter's condition out."""
    return all(
        name not in given or any(same(given[name], value) for value in allowed)
        for name, allowed in parameter.when
    )


def _given(parameter: Parameter, given: Mapping[str, Any]) -> Value:
    if isinstance(parameter, Tied):
        return _row(parameter, given)
    value = given[bare(parameter.name)]
    if isinstance(parameter, Choice):
        fits = {text: text for text in parameter.values} | {plain(text): text for text in parameter.values}
        if str(value) not in fits and plain(str(value)) not in fits:
            raise _refused(parameter, parameter.name, value)
        return fits.get(str(value)) or fits[plain(str(value))]
    numbers = parameter.numbers if isinstance(parameter, Range) else (parameter.low, parameter.high)
    if not isinstance(value, int | float) or not min(numbers) <= value <= max(numbers):
        raise _refused(parameter, parameter.name, value)
    if isinstance(parameter, Interval):
        return int(value) if parameter.integer else float(value)
    return min(numbers, key=lambda number: abs(number - float(value)))


def _row(parameter: Tied, given: Mapping[str, Any]) -> Value:
    """The row of values that go together, of which those that are given are these."""
    for row, text in enumerate(parameter.values):
        known = {bare(part.name): values(part)[row] for part in parameter.parts}
        if all(same(given[name], value) for name, value in known.items() if name in given):
            return text
    told = {name: given[name] for name in map(bare, parameter.names) if name in given}
    raise _refused(parameter, parameter.name, told)


def _refused(parameter: Parameter, name: str, value: Any) -> ValueError:
    return ValueError(f"`search.enqueue`: {name} is {parameter}, but {value!r} was given")
