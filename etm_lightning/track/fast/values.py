"""Numbers out of what `fast_log` was given, with an error that names the metric where there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Kind = Literal["tensors", "floats", "mixed"]


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
            found = [value.item() for value in values]
        else:
            found = [value.item() if hasattr(value, "item") else float(value) for value in values]
        return found if set(map(type, found)) <= {float} else [float(number) for number in found]
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return [_number(value, name) for name, value in zip(names, values, strict=True)]


def kind_of(kinds: Sequence[type[Any]], tensor: type[Any]) -> Kind:
    """What values of these types are together."""
    if all(kind is float for kind in kinds):
        return "floats"
    return "tensors" if all(issubclass(kind, tensor) for kind in kinds) else "mixed"


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


def _number(value: Any, name: str) -> float:
    if hasattr(value, "numel") and value.numel() != 1:
        raise shape_error(name, value)
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"`values[{name!r}]` must be one real number but got {value!r}") from error
