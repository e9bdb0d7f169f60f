"""Optuna's samplers and pruners by the names that people type."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Mapping
from typing import Any

from etm_lightning.design.config import nearest

SAMPLERS = {
    "grid": "",
    "random": "RandomSampler",
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "qmc": "QMCSampler",
    "nsgaii": "NSGAIISampler",
}
PRUNERS = {
    "none": "NopPruner",
    "median": "MedianPruner",
    "asha": "SuccessiveHalvingPruner",
    "hyperband": "HyperbandPruner",
    "patience": "PatientPruner",
    "wilcoxon": "WilcoxonPruner",
}
_GIVEN: dict[str, dict[str, Any]] = {
    "patience": {"wrapped_pruner": None, "patience": 3},
    "asha": {"min_resource": 1, "reduction_factor": 3},
    "cmaes": {"warn_independent_sampling": False},
    "gp": {"warn_independent_sampling": False},
    "qmc": {"warn_independent_sampling": False, "warn_asynchronous_seeding": False, "scramble": True},
}
"""What we choose where Optuna has no default, or one that does not suit a handful of epochs."""
_CONDITIONAL: dict[str, dict[str, Any]] = {
    "tpe": {"multivariate": True, "group": True},
}
"""What a space needs of which some points lack parameters that others have."""


def name_of(choice: Any, names: Mapping[str, str], setting: str) -> str:
    """The name of a choice; "" where it names a class by `_target_`.

    Raises:
        ValueError: if the name is none of `names`.
    """
    if isinstance(choice, Mapping):
        if choice.get("_target_"):
            return ""
        choice = choice.get("name")
    if choice not in names:
        cure = nearest(str(choice), names) or f"; it can be {', '.join(names)}, or {{_target_: a class}}"
        raise ValueError(f"`search.{setting}` is {choice!r}, which is none{cure}")
    return str(choice)


def sampler(choice: Any, seed: int | None, known: int, conditional: bool = False) -> Any:
    """Optuna's sampler of a name, or of ``{name: …}`` or ``{_target_: …}`` with its arguments.

    Args:
        choice: as in `search.sampler`.
        seed: of its random numbers; None for no two alike.
        known: how many trials the study has: one that goes on must not draw the same numbers again.
        conditional: whether some points lack a parameter that others have.

    Raises:
        ValueError: naming what is wrong with the choice.
    """
    name = name_of(choice, SAMPLERS, "sampler")
    if name in ("grid", "random"):
        name = "random"
    # the sequence of quasi-random numbers is one, and the study remembers how far it is
    drawn = {} if not name else {"seed": seed if seed is None or name == "qmc" else seed + known}
    given = {**_GIVEN.get(name, {}), **drawn, **(_CONDITIONAL.get(name, {}) if conditional else {})}
    return _make(choice, "optuna.samplers", SAMPLERS.get(name, ""), given, "sampler")


def pruner(choice: Any) -> Any:
    """Optuna's pruner of a name, or of ``{name: …}`` or ``{_target_: …}`` with its arguments.

    Raises:
        ValueError: naming what is wrong with the choice.
    """
    name = name_of(choice, PRUNERS, "pruner")
    return _make(choice, "optuna.pruners", PRUNERS.get(name, ""), _GIVEN.get(name, {}), "pruner")


def _make(choice: Any, module: str, kind: str, given: Mapping[str, Any], setting: str) -> Any:
    options = dict(choice) if isinstance(choice, Mapping) else {}
    target = options.pop("_target_", "") or f"{module}.{kind}"
    options.pop("name", None)
    try:
        place, _, name = target.rpartition(".")
        make = getattr(importlib.import_module(place), name)
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=".*is (an )?experimental"
            )  # as Optuna calls some for years
            return make(**{**given, **options})
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        missing = f" pip install {error.name}" if isinstance(error, ModuleNotFoundError) else ""
        raise ValueError(f"`search.{setting}`: {target} cannot be made: {error}.{missing}") from error
