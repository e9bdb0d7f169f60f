"""The value of a column, param or metric of a run."""

from __future__ import annotations

from typing import Any

from etm_lightning.params import flatten
from etm_lightning.store.run import StoredRun
from etm_lightning.store.search import Field


def field_of(run: StoredRun, field: Field) -> Any:
    """What a run has for a field that `Catalogue.fields` found; None if nothing."""
    if field.kind == "param":
        return flatten(run.params).get(field.name)
    if field.kind == "metric":
        return run.headline.get(field.name)
    if field.name == "alerts":
        return len(run.alerts)
    if field.name == "damage":
        return len(run.damage)
    return getattr(run, field.name)
