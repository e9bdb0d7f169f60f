"""The value of a column, param or metric of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
