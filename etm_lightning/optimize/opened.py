"""A study as one of Optuna's, for its plots and importances: from `study.log`, or from what happened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from etm_lightning.optimize.folder import StudyFolder
from etm_lightning.optimize.history import Trial
from etm_lightning.optimize.optuna_file import OptunaFile
from etm_lightning.optimize.study import needs_optuna

_WIDE = 30.0
"""The ratio between the greatest and the least value from which on a scale is logarithmic."""


def opened(folder: StudyFolder) -> Any:
    """The study, to look at.

    Raises:
        ImportError: without Optuna.
    """
    optuna = needs_optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if folder.optuna_file.exists():
        backend = optuna.storages.journal.JournalFileBackend(str(folder.optuna_file))
        storage = optuna.storages.JournalStorage(OptunaFile(folder.optuna_file, backend))
        return optuna.load_study(study_name="study", storage=storage)
    study = optuna.create_study(directions=folder.about().goal.directions)
    over = [trial for _, trial in sorted(folder.history().trials.items()) if trial.over]
    kinds = {name: _distribution(optuna, name, over) for name in folder.about().space}
    for trial in over:
        study.add_trial(_frozen(optuna, trial, kinds))
    return study


def _distribution(optuna: Any, name: str, trials: Sequence[Trial]) -> Any:
    """A scale if all values are numbers, else the choices."""
    texts = list(dict.fromkeys(str(trial.params[name]) for trial in trials if name in trial.params))
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)):
        return optuna.distributions.CategoricalDistribution(texts or [""])
    low, high = min(numbers), max(numbers)
    return optuna.distributions.FloatDistribution(low, high, log=low > 0 and high / low >= _WIDE)


def _frozen(optuna: Any, trial: Trial, kinds: dict[str, Any]) -> Any:
    states = optuna.trial.TrialState
    state = {"finished": states.COMPLETE, "failed": states.FAIL}.get(trial.state, states.PRUNED)
    known = {name: kind for name, kind in kinds.items() if name in trial.params}
    params = {
        name: str(trial.params[name]) if hasattr(kind, "choices") else float(trial.params[name])
        for name, kind in known.items()
    }
    if not trial.values and state == states.COMPLETE:
        state = states.FAIL
    values = list(trial.values) if state == states.COMPLETE else None
    return optuna.trial.create_trial(state=state, values=values, params=params, distributions=known)
