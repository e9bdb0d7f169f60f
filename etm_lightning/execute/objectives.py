"""The numbers of a run that a search goes by, where it names them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from etm_lightning.execute.build import InputError
from etm_lightning.layout import RunFolder
from etm_lightning.store.run import StoredRun

BESIDES = ("params", "seconds")
"""Objectives that no metric has to record: the number of parameters, and how long the fit took."""


def asked(objective: Any) -> list[str]:
    """The names in `search.objective`.

    >>> asked("val/f1"), asked({"val/f1": "max", "params": "min"}), asked(None)
    (['val/f1'], ['val/f1', 'params'], [])
    """
    if not objective:
        return []
    return [objective] if isinstance(objective, str) else [str(name) for name in objective]


def objectives(
    names: Sequence[str], folder: RunFolder, found: Mapping[str, float], parameters: int, seconds: float
) -> dict[str, float]:
    """The values of a run by name: metrics as they are at the best checkpoint.

    Args:
        names: which.
        folder: of the run.
        found: values that are known already; they come first.
        parameters: of the model.
        seconds: that the fit took.

    Raises:
        InputError: if one of the names is none, with those that are.
    """
    run = StoredRun(folder)
    kept = {name: value for name, value in run.headline.items() if run.metrics[name].stage != "test"}
    known = {**kept, "params": float(parameters), "seconds": seconds, **found}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else ""
            raise InputError(
                f"`search.objective` names {name!r}, which this run has not{hint} "
                f"It has {', '.join(sorted(known))}"
            )
    return {name: known[name] for name in names}
