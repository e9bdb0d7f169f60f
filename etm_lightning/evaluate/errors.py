"""Where a model errs: its mistakes by class, from the confusion matrix of its best checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from etm_lightning.records import Media
from etm_lightning.store.run import StoredRun


@dataclass(frozen=True)
class ClassErrors:
    """The mistakes in one class.

    Attributes:
        label: the class.
        n: rows, or words, that belong to it.
        wrong: how many of them were taken for something else.
        mostly: what most of these were taken for; "" if none was.
    """

    label: str
    n: int
    wrong: int
    mostly: str

    @property
    def share(self) -> float:
        """The wrong ones of all, from 0 to 1."""
        return self.wrong / self.n if self.n else 0.0


def class_errors(run: StoredRun) -> tuple[str, list[ClassErrors]]:
    """The mistakes of a run's best checkpoint by class, the worst class first.

    Args:
        run: the run. What it was tested on counts before what chose its checkpoint.

    Returns:
        The name of the matrix, such as ``test/confusion``, and the classes that occur in it; "" and none
        where no matrix was recorded, or its file is gone.
    """
    for media in _matrices(run):
        try:
            content = json.loads(run.file(media.file).read_bytes())
            labels = [str(label) for label in content["labels"]]
            return media.name, of_matrix(labels, content["counts"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return "", []


def of_matrix(labels: Sequence[str], counts: Sequence[Sequence[float]]) -> list[ClassErrors]:
    """The mistakes in a confusion matrix.

    Args:
        labels: names of the classes.
        counts: a row for each true class, a column for each that was predicted.

    >>> of_matrix(["a", "b"], [[8, 2], [0, 5]])[0]
    ClassErrors(label='a', n=10, wrong=2, mostly='b')
    """
    found = []
    for row, (label, line) in enumerate(zip(labels, counts, strict=True)):
        others = {labels[column]: int(count) for column, count in enumerate(line) if column != row}
        wrong = sum(others.values())
        mostly = max(others, key=lambda name: others[name]) if wrong else ""
        if n := wrong + int(line[row]):
            found.append(ClassErrors(label, n, wrong, mostly))
    return sorted(found, key=lambda one: (-one.share, -one.wrong, one.label))


def _matrices(run: StoredRun) -> list[Media]:
    """Those of the test, then those of the validation at the best checkpoint or before."""
    best = run.best_checkpoint
    found = [media for media in run.media if media.type == "confusion_matrix"]
    fit = [one for one in found if one.stage != "validate" or not best or (one.step or 0) <= best.step]
    latest = fit[::-1]
    return sorted(latest, key=lambda media: not media.name.startswith("test"))
