"""What a run comes to in one value per series: as its best checkpoint has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from etm_lightning.attempts import facts
from etm_lightning.naming import SeriesKey, labels
from etm_lightning.reading import Damage
from etm_lightning.records import Checkpoint, Record, Scalars

_Values = dict[tuple[str, str], dict[str, float]]
_LATER = ("test", "predict")
_MOST_MARKS = 16


class Headline:
    """Follows the records of a training that count, in their order.

    >>> found = Headline()
    >>> found.take(Scalars(time=0.0, step=1, stage="validate", values={"val/f1": 0.9}))
    >>> found.take(Checkpoint(time=0.0, id="a", step=1, monitor="val/f1", best=True))
    >>> found.take(Scalars(time=0.0, step=2, stage="validate", values={"val/f1": 0.8}))
    >>> found.values()
    {'val/f1': 0.9}

    Attributes:
        latest: the values of now, by stage and axis; a `Journal` may bring it up to date instead of `take`.
    """

    def __init__(self) -> None:
        self.latest: _Values = {}
        self._marks: dict[str, _Values] = {}
        self._best: _Values | None = None
        self._best_monitor = ""

    def take(self, record: Record) -> None:
        """Look at the next record."""
        if type(record) is Scalars:
            known = self.latest.setdefault((record.stage, record.axis), {})
            known.update(record.items() if record.nonfinite else record.values)
        elif type(record) is Checkpoint:
            self._take_checkpoint(record)

    def knows(self, checkpoint: str) -> bool:
        """Whether the mark of a checkpoint came."""
        return checkpoint in self._marks

    def values(self) -> dict[str, float]:
        """By name: as the best checkpoint has it, latest for test and predict, and if none is known."""
        chosen = self._chosen
        return {name: chosen[key] for name, key in self._named().items()}

    def stages(self) -> dict[str, str]:
        """The stage in which each of `values` was measured."""
        return {name: key.stage for name, key in self._named().items()}

    def _named(self) -> dict[str, SeriesKey]:
        """The series that have a value, by the names that all series together give them.

        Samples on the axis `seconds` have none: they are of the machine, not of the experiment.
        """
        known = [SeriesKey(name, *place, 0) for place, latest in self.latest.items() for name in latest]
        chosen = self._chosen
        return {name: key for name, key in labels(known).items() if key in chosen and key.axis != "seconds"}

    @property
    def _chosen(self) -> dict[SeriesKey, float]:
        best = self.latest if self._best is None else self._best
        return {
            SeriesKey(name, stage, axis, 0): value
            for (stage, axis), latest in self.latest.items()
            for name, value in (latest if stage in _LATER else best.get((stage, axis), {})).items()
        }

    def _take_checkpoint(self, record: Checkpoint) -> None:
        if record.id not in self._marks:
            self._marks[record.id] = {place: dict(values) for place, values in self.latest.items()}
            while len(self._marks) > _MOST_MARKS:
                del self._marks[next(iter(self._marks))]
        # a callback that watches nothing calls its last checkpoint the best: it yields to one that does
        if record.best and (record.monitor or not self._best_monitor):
            self._best, self._best_monitor = self._marks[record.id], record.monitor


def follow_headline(journal: Path) -> Headline:
    """The headline of a run as its journal stands."""
    found = Headline()
    for fact in facts(journal, superseded=True):
        if fact.header.role != "train" or fact.header.rank or isinstance(fact.item, Damage):
            continue
        # what was noted about a checkpoint after the attempt was cut there still tells of it
        if fact.counts or (isinstance(fact.item, Checkpoint) and found.knows(fact.item.id)):
            found.take(fact.item)
    return found


def as_json(values: Mapping[str, float]) -> dict[str, float | str]:
    """Values as JSON has them: NaN and infinities as texts."""
    return {name: value if value - value == 0 else str(value) for name, value in values.items()}
