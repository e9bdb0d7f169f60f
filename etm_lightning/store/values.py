"""The value of a column, param or metric: of a run, and in the catalogue's tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from etm_lightning.store.words import is_nan

if TYPE_CHECKING:
    from etm_lightning.store.row import Row
    from etm_lightning.store.search import Field


def field_of(run: Row, field: Field) -> Any:
    """What a run has for a field that `Catalogue.fields` found; None if nothing."""
    if field.kind == "param":
        return run.params.get(field.name)
    if field.kind == "metric":
        return run.metric(field.name)
    return getattr(run, field.name)


def cell(value: Any, *, metric: bool = False) -> tuple[str, float | None, str | None]:
    """A value as the table of values has it: its sort, the number, and the text.

    >>> cell(0.5), cell("adamw"), cell(True), cell("nan", metric=True)
    (('n', 0.5, None), ('t', None, 'adamw'), ('b', 1.0, None), ('n', None, 'nan'))
    """
    if metric:
        number = float(value)
        if math.isfinite(number):
            return "n", number, None
        return "n", None if is_nan(number) else number, str(number)
    if isinstance(value, bool):
        return "b", float(value), None
    if isinstance(value, int | float):
        try:
            return "n", float(value), None
        except OverflowError:
            return "j", None, str(value)
    if value is None:
        return "z", None, None
    if isinstance(value, str):
        return "t", None, value.encode(errors="replace").decode()
    return "j", None, msgspec.json.encode(value).decode()


def short(value: Any) -> Any:
    """A value as tables hold it: of whole numbers, which damage may make longer, no more than 64 bits.

    >>> short(10**30) == 2**63 - 1, short(3), short("a")
    (True, 3, 'a')
    """
    return max(-(1 << 63), min(value, (1 << 63) - 1)) if isinstance(value, int) else value


def value_of(kind: str, number: float | None, text: str | None) -> Any:
    """The value that `cell` made this of."""
    if kind == "b":
        return bool(number)
    if kind == "n":
        return float("nan") if number is None else int(number) if number.is_integer() else number
    return msgspec.json.decode(text or "null") if kind == "j" else text
