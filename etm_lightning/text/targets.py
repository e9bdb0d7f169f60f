"""Labels as numbers: which names there are, which row has which, and what each class weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from etm_lightning.text.rows import Row, count_labels, label_names, nearest
from etm_lightning.text.tokens import Tokens

Kind = Literal["multiclass", "binary", "multilabel", "regression", "tagging"]
Alignment = Literal["first", "all"]
IGNORED = -100


def order_names(names: set[str]) -> list[str]:
    """Sort label names, whole numbers by value.

    >>> order_names({"10", "9"}), order_names({"b", "a"})
    (['9', '10'], ['a', 'b'])
    """
    if all(name.lstrip("-").isdecimal() for name in names):
        return sorted(names, key=int)
    return sorted(names)


def find_labels(rows: Sequence[Row], kind: Kind) -> list[str] | None:
    """Give the labels of training rows; for tagging `O`, then `B-` and `I-` of each type.

    Args:
        rows: training rows.
        kind: the task.

    Returns:
        Names in the order of their ids; None for regression.

    Raises:
        ValueError: where there are too few names for the task, or too many for a binary one.

    >>> find_labels([Row(("Ann",), ("B-PER",))], "tagging")
    ['O', 'B-PER', 'I-PER']
    """
    if kind == "regression":
        return None
    names = {name for row in rows for name in label_names(row.label)}
    if kind == "tagging":
        types = sorted({name[2:] for name in names if name != "O"})
        return ["O", *(f"{prefix}-{some}" for some in types for prefix in "BI")]
    labels = order_names(names)
    if len(labels) < 2 or (kind == "binary" and len(labels) != 2):
        wanted = "exactly two labels" if kind == "binary" else "at least two labels"
        shown = ", ".join(labels[:8]) + (" …" if len(labels) > 8 else "")
        raise ValueError(
            f"`data.task={kind}` needs {wanted} in the training rows but found {len(labels)}: {shown}"
        )
    return labels


def check_known(splits: Mapping[str, Sequence[Row]], labels: Sequence[str] | None) -> None:
    """Refuse rows whose label no training row has.

    Raises:
        ValueError: with the place of the first such row.
    """
    known = sorted(labels or [])
    for row in (row for rows in splits.values() for row in rows) if labels is not None else ():
        where = row.place or "a row"
        for name in label_names(row.label):
            if name not in known:
                raise ValueError(
                    f"`data.label` must be known from the training rows but {where} has {name!r}"
                    f"{nearest(name, known)}; known: {', '.join(known[:8])}"
                )


def row_targets(rows: Sequence[Row], labels: Sequence[str] | None, kind: Kind) -> Tensor:
    """Number the labels of rows.

    Returns:
        multiclass: int64 (rows,); binary, regression: float32 (rows,); multilabel: float32 (rows, labels).

    >>> row_targets([Row("t", "b"), Row("t", "a")], ["a", "b"], "multiclass").tolist()
    [1, 0]
    """
    if kind == "regression":
        return torch.tensor([row.label for row in rows], dtype=torch.float)
    place = {name: i for i, name in enumerate(labels or [])}
    if kind == "multilabel":
        target = torch.zeros(len(rows), len(place))
        for i, row in enumerate(rows):
            target[i, [place[name] for name in label_names(row.label)]] = 1.0
        return target
    ids = [place[label_names(row.label)[0]] for row in rows]
    return torch.tensor(ids, dtype=torch.float if kind == "binary" else torch.long)


def tag_targets(
    rows: Sequence[Row], tokens: Tokens, labels: Sequence[str], alignment: Alignment
) -> tuple[Tensor, Tensor]:
    """Give the tags of tokens.

    Args:
        rows: sentences.
        tokens: of the same sentences.
        labels: tag names in the order of their ids.
        alignment: `first`: only the first token of a word has its tag; `all`: the others too, `B-` as `I-`.

    Returns:
        Tag ids, int64 (tokens,), -100 where there is none; and which tokens are the first of a word, bool.
    """
    place = {name: i for i, name in enumerate(labels)}
    inner = {name: place[name.replace("B-", "I-", 1) if name.startswith("B-") else name] for name in labels}
    target = torch.full((len(tokens.ids),), IGNORED)
    first = torch.zeros(len(tokens.ids), dtype=torch.bool)
    words, starts = tokens.words.tolist(), tokens.starts.tolist()
    for row, sentence in enumerate(rows):
        tags = label_names(sentence.label)
        before = -1
        for at in range(starts[row], starts[row + 1]):
            word = words[at]
            if word >= 0 and word != before:
                target[at], first[at] = place[tags[word]], True
            elif word >= 0 and alignment == "all":
                target[at] = inner[tags[word]]
            before = word
    return target, first


def balanced_weights(rows: Sequence[Row], labels: Sequence[str], kind: Kind) -> list[float]:
    """Weigh classes so that each counts as much: rows / (classes · rows of the class).

    For multilabel: rows without the label / rows with it, the weight of its positives.

    Source: scikit-learn's `class_weight="balanced"` (King and Zeng, 2001).

    >>> rows = [Row("t", "a"), Row("t", "a"), Row("t", "a"), Row("t", "b")]
    >>> balanced_weights(rows, ["a", "b"], "multiclass")
    [0.6666666666666666, 2.0]
    """
    counts = count_labels(rows)
    if kind == "multilabel":
        return [(len(rows) - counts.get(name, 0)) / max(1, counts.get(name, 0)) for name in labels]
    total = sum(counts.values())
    return [total / (len(labels) * max(1, counts.get(name, 0))) for name in labels]
