"""Which point comes next: a plain grid, or a study of Optuna's, imported here and in `samplers` only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from etm_lightning.design.space import Choice, Interval, Parameter, Point, Range, Space, Value, at, bare
from etm_lightning.optimize import samplers
from etm_lightning.optimize.given import enqueued
from etm_lightning.optimize.optuna_file import OptunaFile, mend

_APART = 1_000_000
"""What sets the random numbers of trials that are taken up again apart from those of the sampler."""


class Brain(Protocol):
    """What decides on trials; numbers count from 0 in the order in which they were asked for."""

    def open(self) -> dict[int, Point]:
        """What was asked for and not told the end of, by number."""

    def ask(self) -> tuple[int, Point] | None:
        """The next trial; None if nothing is left to try."""

    def report(self, number: int, step: int, value: float) -> bool:
        """Take an intermediate value of a trial; whether it is better ended."""

    def tell(self, number: int, state: str, values: Sequence[float]) -> None:
        """A trial is over, with a value for each objective, or none."""


class Grid:
    """Every point of a space in turn; needs no Optuna.

    Args:
        space: what to try.
        asked: the points that were asked for before, by number.
    """

    def __init__(self, space: Space, asked: Mapping[int, Point], over: Iterable[int]) -> None:
        self._asked, self._over = dict(asked), set(over)
        self._left = left(space, asked.values())

    def open(self) -> dict[int, Point]:
        return {number: point for number, point in self._asked.items() if number not in self._over}

    def ask(self) -> tuple[int, Point] | None:
        point = next(self._left, None)
        if point is None:
            return None
        number = max(self._asked, default=-1) + 1
        self._asked[number] = point
        return number, point

    def report(self, number: int, step: int, value: float) -> bool:
        return False

    def tell(self, number: int, state: str, values: Sequence[float]) -> None:
        self._over.add(number)


def left(space: Space, asked: Iterable[Point]) -> Iterator[Point]:
    """The points of the grid that were not asked for yet; one that is there twice is tried twice."""
    done = Counter(_key(point) for point in asked)
    for point in space.grid():
        key = _key(point)
        if done[key]:
            done[key] -= 1
        else:
            yield point


def _key(point: Point) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, str(value)) for name, value in point.items()))


class Study:
    """A study of Optuna's in a journal file, which `optuna-dashboard` opens.

    Args:
        file: the journal file.
        space: what to try.
        sampler: as in `search.sampler`.
        pruner: as in `search.pruner`.
        directions: ``minimize`` or ``maximize``, for each objective.
        seed: of the sampler.
        enqueue: points to try first.

    Attributes:
        grid: whether the points are those of the grid, in turn.

    Raises:
        ImportError: without Optuna.
        ValueError: if the sampler, the pruner or a point to try first is none.
    """

    def __init__(
        self,
        file: Path,
        space: Space,
        *,
        sampler: Any = "tpe",
        pruner: Any = "none",
        directions: Sequence[str] = ("minimize",),
        seed: int | None = 0,
        enqueue: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        optuna = needs_optuna()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # only the controller of the study writes: a lock that is there was left by one that was killed
        file.with_name(f"{file.name}.lock").unlink(missing_ok=True)
        mend(file)
        backend = optuna.storages.journal.JournalFileBackend(str(file))
        storage = optuna.storages.JournalStorage(OptunaFile(file, backend))
        pruning = samplers.pruner(pruner)
        options = {"study_name": "study", "storage": storage, "pruner": pruning}
        self._states = optuna.trial.TrialState
        self._trial = optuna.trial.Trial
        first = optuna.create_study(**options, directions=directions, load_if_exists=True)
        known = len(first.get_trials(deepcopy=False))
        # a trial that is taken up again must not move the sampler, and must not draw what that one draws
        apart = None if seed is None else seed + known + _APART
        self._again = optuna.load_study(**options, sampler=optuna.samplers.RandomSampler(apart))
        self._study = optuna.load_study(
            **options, sampler=samplers.sampler(sampler, seed, known, space.conditional)
        )
        self._space = space
        self.grid = samplers.name_of(sampler, samplers.SAMPLERS, "sampler") == "grid"
        self._distributions = {
            label: _distribution(optuna, parameter) for label, parameter in space.labels.items()
        }
        self._trials: dict[int, Any] = {}
        self._several = len(directions) > 1
        if not known:
            for point in enqueue:
                self._study.enqueue_trial(self._checked(point))

    def open(self) -> dict[int, Point]:
        running = self._study.get_trials(deepcopy=False, states=(self._states.RUNNING,))
        found = {}
        for frozen in running:
            trial = self._trials.setdefault(frozen.number, self._trial(self._again, frozen._trial_id))
            found[frozen.number] = self._drawn(trial)
        return found

    def ask(self) -> tuple[int, Point] | None:
        if self.grid and not self._study.get_trials(deepcopy=False, states=(self._states.WAITING,)):
            asked = [self._point(trial.params) for trial in self._study.get_trials(deepcopy=False)]
            point = next(left(self._space, asked), None)
            if point is None:
                return None
            self._study.enqueue_trial(self._checked(point))
        trial = self._study.ask()
        self._trials[trial.number] = trial
        return trial.number, self._drawn(trial)

    def enqueue(self, point: Mapping[str, Any]) -> None:
        """Have a point tried next.

        Raises:
            ValueError: if it is none of the space.
        """
        self._study.enqueue_trial(self._checked(point))

    def report(self, number: int, step: int, value: float) -> bool:
        trial = self._trials[number]
        if self._several:  # Optuna prunes on one objective only
            return False
        if step in trial._cached_frozen_trial.intermediate_values:
            return False
        trial.report(value, step)
        return bool(trial.should_prune())

    def tell(self, number: int, state: str, values: Sequence[float]) -> None:
        states = self._states
        if state == "infeasible" and number in self._trials:
            self._trials[number].set_constraint("memory", 1.0)
        if state == "finished" and values and all(map(math.isfinite, values)):
            self._study.tell(number, list(values), skip_if_finished=True)
        else:
            end = states.PRUNED if state in ("pruned", "infeasible") else states.FAIL
            self._study.tell(number, state=end, skip_if_finished=True)
        self._trials.pop(number, None)

    def _drawn(self, trial: Any) -> Point:
        """The point of a trial, whose values Optuna chooses one by one, as far as their conditions hold."""
        return self._space.draw(
            lambda label, parameter: _value(parameter, _suggest(trial, label, self._distributions[label]))
        )

    def _point(self, params: Mapping[str, Any]) -> Point:
        """The point in the words of the space."""
        found: Point = {}
        for label, parameter in self._space.labels.items():
            if label in params:
                found |= at(parameter, _value(parameter, params[label]))
        return found

    def _checked(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """A point that was given by hand, as Optuna has it."""
        given = {bare(str(name)): value for name, value in point.items()}
        varying = {bare(name) for parameter in self._space.parameters for name in parameter.names}
        for name in point:
            if bare(str(name)) not in varying:
                raise ValueError(
                    f"`search.enqueue` sets {name!r}, which does not vary; "
                    f"what varies: {', '.join(sorted(varying))}"
                )
        return enqueued(self._space, given)


def needs_optuna() -> Any:
    """Optuna.

    Raises:
        ImportError: if it is not there, naming the extra that brings it.
    """
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ImportError(
            f"a search with another sampler than grid, or with a pruner, needs {error.name}: "
            "pip install 'etm-lightning[search]'"
        ) from error
    return optuna


def _distribution(optuna: Any, parameter: Parameter) -> Any:
    kinds = optuna.distributions
    if isinstance(parameter, Interval):
        kind = kinds.IntDistribution if parameter.integer else kinds.FloatDistribution
        return kind(parameter.low, parameter.high, log=parameter.log)
    if isinstance(parameter, Range) and len(parameter.numbers) > 1:
        kind = kinds.IntDistribution if parameter.integer else kinds.FloatDistribution
        return kind(min(parameter.numbers), max(parameter.numbers), step=parameter.step)
    shuffled = isinstance(parameter, Choice) and parameter.shuffled  # in another order each time
    return kinds.CategoricalDistribution(
        list(dict.fromkeys(sorted(parameter.values) if shuffled else parameter.values))
    )


def _suggest(trial: Any, name: str, kind: Any) -> Any:
    """The value of a trial; where a killed controller had not come to it, a random one."""
    if hasattr(kind, "choices"):
        return trial.suggest_categorical(name, kind.choices)
    suggest = trial.suggest_int if type(kind).__name__ == "IntDistribution" else trial.suggest_float
    step = {} if kind.step is None or kind.log else {"step": kind.step}
    return suggest(name, kind.low, kind.high, log=kind.log, **step)


def _value(parameter: Parameter, value: Any) -> Value:
    if isinstance(parameter, Range):
        return min(parameter.numbers, key=lambda number: abs(number - float(value)))
    return value if isinstance(value, str) else int(value) if _whole(parameter) else float(value)


def _whole(parameter: Parameter) -> bool:
    return isinstance(parameter, Interval) and parameter.integer
