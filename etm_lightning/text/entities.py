"""Entities of BIO-tagged sentences, and their precision, recall and F1 in the CoNLL-2003 manner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics import Metric

Scheme = Literal["default", "strict"]
Entity = tuple[str, int, int]


def check_scheme(scheme: str) -> None:
    """Refuse a scheme that is neither `default` nor `strict`."""
    if scheme not in ("default", "strict"):
        raise ValueError(f"`scheme` must be 'default' (conlleval) or 'strict' (IOB2) but got {scheme!r}")


def split_tag(tag: str, scheme: Scheme = "default") -> tuple[str, str]:
    """Part a tag into its prefix and its entity type.

    Args:
        tag: a tag such as `B-PER`, `I-creative-work` or `O`; a bare `B` has the type `_`.
        scheme: the two schemes differ only on odd dashes: `B--x` is `-x` by default, `x` when strict.

    Returns:
        Prefix (one letter) and type.

    >>> split_tag("B-creative-work")
    ('B', 'creative-work')
    >>> split_tag("I")
    ('I', '_')
    """
    prefix, rest = tag[0], tag[1:]
    kind = rest.strip("-") if scheme == "strict" else rest.split("-", maxsplit=1)[-1]
    return prefix, kind or "_"


def entities(tags: Sequence[str], scheme: Scheme = "default") -> set[Entity]:
    """Find the entities of one sentence.

    Args:
        tags: one tag per word: `O`, `B-<type>`, `I-<type>`.
        scheme: `default` is lenient as the CoNLL script is: an `I-` after `O` or after another type opens an
            entity. `strict` (IOB2): only a `B-` does, and a stray `I-` is nothing.

    Returns:
        Triples (type, start, end): positions of words from 0, end exclusive.

    Raises:
        ValueError: for an unknown scheme.

    Source: conlleval.pl of the CoNLL-2000 shared task; IOB2 of Ratnaparkhi (1998).

    >>> sorted(entities(["B-PER", "I-PER", "O", "I-LOC"]))
    [('LOC', 3, 4), ('PER', 0, 2)]
    >>> entities(["B-PER", "I-PER", "O", "I-LOC"], scheme="strict")
    {('PER', 0, 2)}
    """
    check_scheme(scheme)
    parts = [split_tag(tag, scheme) for tag in tags] + [("O", "_")]
    starts = strict_start if scheme == "strict" else lenient_start
    found: set[Entity] = set()
    opened: int | None = None
    before = ("O", "_")
    for i, here in enumerate(parts):
        begins = starts(before, here)
        inside = here[0] in "IE" and here[1] == before[1] and before[0] in "BI"
        if opened is not None and (begins or not inside):
            found.add((before[1], opened, i))
            opened = None
        if begins:
            opened = i
        before = here
    return found


def strict_start(before: tuple[str, str], here: tuple[str, str]) -> bool:
    """Whether an entity opens at `here` in IOB2: at every `B-`, and nowhere else."""
    return here[0] == "B"


def lenient_start(before: tuple[str, str], here: tuple[str, str]) -> bool:
    """Whether an entity opens at `here` in the CoNLL manner; `E-` and `S-` are read as its script does."""
    if here[0] == "O":
        return False
    return here[0] in "BS" or before[0] in "OES" or before[1] != here[1]


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """Divide counts, 0 where nothing was counted (float64)."""
    return torch.where(whole > 0, part.double() / whole.clamp(min=1), 0.0)


class EntityScore(Metric):
    """Entity-level precision, recall and F1; states are counts, so ranks reduce exactly.

    Args:
        labels: tag names in the order of their ids.
        scheme: `default` (CoNLL script, seqeval's default) or `strict` (IOB2).
        ignore_index: target id of positions that are no word (sub-words, padding).

    Raises:
        ValueError: for an unknown scheme, or a label that is not `O`, `B…` or `I…`.

    >>> score = EntityScore(["O", "B-PER", "I-PER"])
    >>> score.update(torch.tensor([[1, 2, 0, 1]]), torch.tensor([[1, 2, 0, 0]]))
    >>> {name: round(value.item(), 3) for name, value in score.compute().items() if "_" not in name}
    {'precision': 0.5, 'recall': 1.0, 'f1': 0.667}
    """

    higher_is_better = True
    is_differentiable = False
    full_state_update = False
    correct: Tensor
    predicted: Tensor
    actual: Tensor

    def __init__(
        self, labels: Sequence[str], scheme: Scheme = "default", ignore_index: int = -100, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_scheme(scheme)
        for label in labels:
            if label[:1] not in tuple("OBI" if scheme == "strict" else "OBIES"):
                raise ValueError(f"`labels` must be tags `O`, `B-<type>`, `I-<type>` but got {label!r}")
        self.labels, self.scheme, self.ignore_index = list(labels), scheme, ignore_index
        self.types = sorted({split_tag(label, scheme)[1] for label in labels if label[0] != "O"})
        for name in ("correct", "predicted", "actual"):
            self.add_state(name, torch.zeros(len(self.types), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Count the entities of a batch.

        Args:
            preds: tag ids, integer, shape (batch, length), each in [0, len(labels)).
            target: tag ids or `ignore_index`, integer, shape (batch, length).

        Raises:
            ValueError: where the shapes differ.
        """
        if preds.shape != target.shape or preds.ndim != 2:
            shapes = f"{tuple(preds.shape)} and {tuple(target.shape)}"
            raise ValueError(f"`preds` and `target` must both be (batch, length) but got {shapes}")
        counts = torch.zeros(3, len(self.types), dtype=torch.long)
        place = {kind: i for i, kind in enumerate(self.types)}
        for said, truth in zip(preds.tolist(), target.tolist(), strict=True):
            words = [i for i, tag in enumerate(truth) if tag != self.ignore_index]
            guess = entities([self.labels[said[i]] for i in words], self.scheme)
            gold = entities([self.labels[truth[i]] for i in words], self.scheme)
            for row, some in enumerate((guess & gold, guess, gold)):
                for kind, _, _ in some:
                    counts[row, place[kind]] += 1
        correct, predicted, actual = counts.to(self.correct.device)
        self.correct += correct
        self.predicted += predicted
        self.actual += actual

    def compute(self) -> dict[str, Tensor]:
        """Give micro `precision`, `recall`, `f1`, and the same per type as `f1_PER`.

        Returns:
            Scalars in [0, 1]; 0 where nothing was predicted or nothing was there, as seqeval has it.
        """
        scores: dict[str, Tensor] = {}
        self._score("", self.correct.sum().cpu(), self.predicted.sum().cpu(), self.actual.sum().cpu(), scores)
        for i, kind in enumerate(self.types):
            counts = (self.correct[i].cpu(), self.predicted[i].cpu(), self.actual[i].cpu())
            self._score(f"_{kind}", *counts, scores)
        return scores

    @staticmethod
    def _score(
        ending: str, correct: Tensor, predicted: Tensor, actual: Tensor, scores: dict[str, Tensor]
    ) -> None:
        precision, recall = ratio(correct, predicted), ratio(correct, actual)
        total = precision + recall
        scores[f"precision{ending}"] = precision
        scores[f"recall{ending}"] = recall
        scores[f"f1{ending}"] = torch.where(total > 0, 2 * precision * recall / total.clamp(min=1e-300), 0.0)
