"""Numbers out of what `fast_log` was given, with an error that names the metric where there is none."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import partial
from numbers import Real
from typing import Any, Literal

from etm_lightning.native import lines as native

Kind = Literal["tensors", "floats", "mixed"]
Reader = Callable[[Any], list[float] | None]


def numbers(values: Sequence[Any], names: Sequence[str], kind: Kind) -> list[float]:
    """The numbers that values in this process's memory are.

    Args:
        values: tensors and Python's or numpy's numbers.
        names: what to call them in an error.
        kind: whether all are tensors, or all floats.

    Raises:
        ValueError: if one is not one real number.

    >>> numbers([1, True], ["a", "b"], "mixed")
    [1.0, 1.0]
    """
    if kind == "floats":
        return list(values)
    try:
        if kind == "tensors":
            found = list(map(type(values[0]).item, values))
        else:
            found = [value.item() if hasattr(value, "item") else float(value) for value in values]
        return found if set(map(type, found)) <= {float} else [float(number) for number in found]
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return [_number(value, name) for name, value in zip(names, values, strict=True)]


def kind_of(kinds: Sequence[type[Any]], tensor: type[Any]) -> Kind:
    """What values of these types are together."""
    if all(kind is float for kind in kinds):
        return "floats"
    return "tensors" if all(_plain_tensor(kind, tensor) for kind in kinds) else "mixed"


def reader(names: Sequence[str], kinds: Sequence[type[Any]], tensor: type[Any]) -> Reader | None:
    """What takes the numbers out of a dict with just these names, in this order, and just these types.

    It returns None for any other, and raises on a value that is not one real number. None if it would be
    wrong for one of the types.
    """
    if not all(issubclass(kind, Real) or _plain_tensor(kind, tensor) for kind in kinds):
        return None
    if native.numbers is None:
        return partial(read, list(names), list(kinds), kind_of(kinds, tensor))
    # where DLPack says that a tensor lies, its sign may be wrong; to ask for `is_neg` first takes as long
    ways = tuple(
        None if kind is float else tensor.item if issubclass(kind, tensor) else float for kind in kinds
    )
    return partial(native.numbers, tuple(names), tuple(kinds), ways)


def read(names: list[str], kinds: list[type[Any]], kind: Kind, values: Any) -> list[float] | None:
    """The numbers of a dict with just these names, in this order, and just these types; None of any other.

    >>> read(["a"], [float], "floats", {"a": 0.5}), read(["a"], [float], "floats", {"a": 1})
    ([0.5], None)
    """
    if type(values) is not dict or [*values] != names:
        return None
    given = [*values.values()]
    return numbers(given, names, kind) if [*map(type, given)] == kinds else None


def add(sums: array[float], numbers: Sequence[float], weight: float) -> None:
    """Add to each sum its number, times the weight.

    >>> sums = array("d", [1.0, 2.0])
    >>> add(sums, [0.5, 0.25], 4)
    >>> sums.tolist()
    [3.0, 3.0]
    """
    for n, number in enumerate(numbers):
        sums[n] += weight * number


def check_kinds(kinds: Sequence[type[Any]], names: Sequence[str], allowed: tuple[type[Any], ...]) -> None:
    """Raise on what is no value.

    Raises:
        ValueError: if a value's type is none of those allowed.
    """
    for kind, name in zip(kinds, names, strict=True):
        if not issubclass(kind, allowed):
            raise ValueError(
                f"`values[{name!r}]` must be a number, a tensor with one element or a `torchmetrics.Metric`"
                f" but got a {kind.__name__}"
            )


def shape_error(name: str, value: Any) -> ValueError:
    """That a tensor has not one element."""
    return ValueError(
        f"`values[{name!r}]` must have one element but has the shape {tuple(value.shape)};"
        " log its mean, or one value for each element"
    )


def _plain_tensor(kind: type[Any], tensor: type[Any]) -> bool:
    """Whether it is a type of tensors that give their number as all do."""
    return issubclass(kind, tensor) and kind.item is tensor.item


def _number(value: Any, name: str) -> float:
    if hasattr(value, "numel") and value.numel() != 1:
        raise shape_error(name, value)
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"`values[{name!r}]` must be one real number but got {value!r}") from error
