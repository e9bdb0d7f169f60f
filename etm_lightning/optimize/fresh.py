"""No setting is tried twice: a brain that passes over what was asked before, or was run before the study."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etm_lightning.design.space import Point, Space, plain
from etm_lightning.evaluate.objective import Objective, value
from etm_lightning.optimize.folder import Events
from etm_lightning.optimize.history import Asked, Told
from etm_lightning.optimize.study import Brain, Study
from etm_lightning.params import config_fingerprint
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store

PATIENCE = 20
"""How many repetitions in a row a sampler may propose; then a point that is left is chosen by chance."""
_COUNTED = 100_000


@dataclass(frozen=True)
class Known:
    """A run from before the study: its id, its folder, and the value it came to."""

    run: str
    folder: Path
    value: float


Find = Callable[[Point], Known | None]


class Fresh:
    """A brain whose points are all different.

    Args:
        brain: which proposes points.
        space: what varies.
        events: of the study; a run from before it is written there as the trial's result.
        find: the run from before that had a point's config, if any.
        total: how many trials there are to be.
        tell: is told, in words, of a trial that needs no run.
    """

    def __init__(
        self,
        brain: Brain,
        space: Space,
        events: Events,
        find: Find,
        total: int,
        tell: Callable[[str], None],
    ) -> None:
        self._brain, self._space, self._events = brain, space, events
        self._find, self._total, self._say = find, total, tell
        self._asked = {_key(trial.params) for trial in events.history.trials.values()}

    def open(self) -> dict[int, Point]:
        found = dict(self._brain.open())
        for number, point in list(found.items()):
            if number not in self._events.history.trials and self._repeats(point):
                self._brain.tell(number, "failed", ())
                del found[number]
        return found

    def ask(self) -> tuple[int, Point] | None:
        repeated = 0
        while len(self._events.history.trials) < self._total:
            asked = self._brain.ask()
            if asked is None:
                return None
            number, point = asked
            if self._repeats(point):
                self._brain.tell(number, "failed", ())
                repeated += 1
                if repeated >= PATIENCE and not self._offer():
                    return None
                continue
            self._asked.add(_key(point))
            known = self._find(point)
            if known is None:
                return asked
            self._take(number, point, known)
        return None

    def report(self, number: int, step: int, value: float) -> bool:
        return self._brain.report(number, step, value)

    def tell(self, number: int, state: str, values: Sequence[float]) -> None:
        self._brain.tell(number, state, values)

    def _repeats(self, point: Point) -> bool:
        # a grid has a point twice only if it was typed twice
        return isinstance(self._brain, Study) and not self._brain.grid and _key(point) in self._asked

    def _offer(self) -> bool:
        """Have a point tried that nobody asked for yet, where they can be counted."""
        if not isinstance(self._brain, Study) or (self._space.size or _COUNTED) >= _COUNTED:
            return False
        left = [point for point in self._space.grid() if _key(point) not in self._asked]
        if left:
            self._brain.enqueue(random.Random(len(left)).choice(left))
        return bool(left)

    def _take(self, number: int, point: Point, known: Known) -> None:
        """Give a trial the value of a run from before."""
        now = time.time()
        self._events.write(Asked(now, number, point, str(known.folder)))
        self._brain.tell(number, "finished", [known.value])
        self._events.write(Told(now, number, "finished", known.value, "was run before", known.run))
        self._say(f"trial {number} was run before: {known.run}")


def _key(point: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, plain(str(one))) for name, one in point.items()))


def none(point: Point) -> Known | None:
    """What finds nothing."""
    return None


def earlier(
    store: Store, project: str, objective: Objective, config: Callable[[Point], Mapping[str, object]]
) -> Find:
    """What finds the newest finished run of a project that had the same config as a point.

    Args:
        store: where runs are.
        project: theirs.
        objective: what their value is.
        config: of a point: the settings as they are recorded with a run.
    """
    known: dict[str, Known] = {}
    for run in _finished(store, project):
        score = value(run, objective)
        if score is not None and run.params:
            known.setdefault(config_fingerprint(run.params), Known(run.id, run.folder.path, score))

    def find(point: Point) -> Known | None:
        return known.get(config_fingerprint(config(point))) if known else None

    return find


def _finished(store: Store, project: str) -> Iterator[StoredRun]:
    return (run for run in store.runs(project=project) if run.status == "finished" and not run.evaluates)
