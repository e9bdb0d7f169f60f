"""What a study is to make large or small: one number, or several at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etm_lightning.optimize.history import History, Replicate, Trial

WORDS = {"min": "minimize", "max": "maximize", "minimize": "minimize", "maximize": "maximize"}


@dataclass(frozen=True)
class Goal:
    """Objectives by name, each with its direction, ``minimize`` or ``maximize``; the first one leads.

    One without a name is what the script returns.
    """

    names: tuple[str, ...] = ("",)
    directions: tuple[str, ...] = ("minimize",)

    @property
    def several(self) -> bool:
        return len(self.names) > 1

    @property
    def direction(self) -> str:
        """That of the first one."""
        return self.directions[0]

    @property
    def title(self) -> str:
        """The name of the first one, for a table."""
        return self.names[0] or "objective"

    def front(self, trials: Iterable[Trial]) -> list[Trial]:
        """The Pareto set: finished trials that no other one is at least as good as in all, and better in one.

        Source: K. Deb, Multi-Objective Optimization using Evolutionary Algorithms, 2001, section 2.4.
        """
        known = [trial for trial in trials if trial.state == "finished" and trial.values]
        front: dict[int, tuple[float, ...]] = {}
        # whoever beats a trial comes before it in this order, and if it is beaten itself, so does its better
        for trial in sorted(known, key=lambda trial: self._costs(trial.values)):
            costs = self._costs(trial.values)
            if not any(_dominates(other, costs) for other in front.values()):
                front[trial.number] = costs
        return [trial for trial in known if trial.number in front]

    def best(self, trials: Iterable[Trial]) -> Trial | None:
        """The one that leads: of one objective the best, of several the Pareto set's best in the first."""
        found = self.front(trials) if self.several else [one for one in trials if one.state == "finished"]
        fit = [trial for trial in found if trial.values]
        return min(fit, key=lambda trial: (self._costs(trial.values), trial.number), default=None)

    def winner(self, history: History) -> Trial | None:
        """The trial that won: what fresh seeds confirmed, else what the search found best."""
        if history.confirmed in history.trials:
            return history.trials[history.confirmed]
        return self.best(history.trials.values())

    def best_run(self, trial: Trial) -> Replicate | None:
        """The best run of a trial, of those on fresh seeds if there are any."""
        for runs in (trial.fresh, trial.searched):
            fit = [one for one in runs if one.state == "finished" and one.values]
            if fit:
                return min(fit, key=lambda one: (self._costs(one.values), one.index))
        return None

    def better(self, value: float, other: float) -> bool:
        """Whether a value of the first objective is better than another."""
        return value > other if self.direction == "maximize" else value < other

    def _costs(self, values: Sequence[float]) -> tuple[float, ...]:
        signs = [-1.0 if direction == "maximize" else 1.0 for direction in self.directions]
        return tuple(sign * value for sign, value in zip(signs, values, strict=False))


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def goal_of(objective: Any, direction: Any, monitor: str, mode: str) -> Goal:
    """The goal that the settings describe.

    Args:
        objective: `search.objective`: a name, several, or ``{name: direction}``; nothing for `monitor`.
        direction: `search.direction`, one for each; nothing for what `mode` says.
        monitor: the config's, which is the name of the only objective by default.
        mode: the config's, ``min`` or ``max``; "" for none.

    Raises:
        ValueError: naming the setting that does not fit.

    >>> goal_of({"val/f1": "max", "params": "min"}, None, "val/f1", "max")
    Goal(names=('val/f1', 'params'), directions=('maximize', 'minimize'))
    """
    if isinstance(objective, Mapping):
        if direction:
            raise ValueError("`search.direction` must be left out where `search.objective` gives directions")
        objective, direction = list(objective), list(objective.values())
    names = [monitor] if not objective else [objective] if isinstance(objective, str) else list(objective)
    if len(set(names)) < len(names):
        raise ValueError(f"`search.objective` must name each objective once but got {names}")
    given = [] if not direction else [direction] if isinstance(direction, str) else list(direction)
    if not given and len(names) == 1 and (names[0] == monitor or not mode):
        given = [mode or "minimize"]
    if len(given) != len(names):
        raise ValueError(
            f"`search.direction` must have one direction for each of {', '.join(names) or 'the objective'} "
            f"but got {given or 'none'}: search.objective={{{': minimize, '.join(names)}: minimize}}"
        )
    wrong = [one for one in given if str(one) not in WORDS]
    if wrong:
        raise ValueError(f"`search.direction` must be minimize or maximize but got {wrong[0]!r}")
    return Goal(tuple(map(str, names)), tuple(WORDS[str(one)] for one in given))
