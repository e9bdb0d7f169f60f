"""One labelled text, and what is done with lists of them before any token: hashing, splitting, counting."""

from __future__ import annotations

import difflib
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Label = str | float | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A text (or the words of a sentence) with its label.

    Args:
        text: a string, or a tuple of words where each has a tag.
        label: a name, several names, a number, or one tag per word.
        pair: a second text, if any.
        place: where it was read, such as `train.csv line 7`, for error messages.
        group: rows of one group are never in two folds; "" for none.
    """

    text: str | tuple[str, ...]
    label: Label
    pair: str | None = None
    place: str = ""
    group: str = ""


def nearest(word: str, choices: Iterable[str]) -> str:
    """Suggest the nearest choice, as the end of an error message.

    >>> nearest("lable", ["text", "label"])
    "; did you mean 'label'?"
    """
    near = difflib.get_close_matches(word, list(choices), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def content_hash(splits: Mapping[str, Sequence[Row]]) -> str:
    """Hash texts and labels of all splits, in order; places do not count.

    Returns:
        SHA-256, 64 hex digits.

    >>> content_hash({"train": [Row("a", "x")]}) == content_hash({"train": [Row("a", "x", place="f line 1")]})
    True
    """
    digest = hashlib.sha256()
    for name in sorted(splits):
        digest.update(json.dumps([name, len(splits[name])]).encode())
        for row in splits[name]:
            digest.update(json.dumps([row.text, row.pair, row.label]).encode())
    return digest.hexdigest()


def label_names(label: Label) -> tuple[str, ...]:
    """Give the names in a label; none for a number.

    >>> label_names("sport"), label_names(("a", "b")), label_names(0.5)
    (('sport',), ('a', 'b'), ())
    """
    if isinstance(label, str):
        return (label,)
    return label if isinstance(label, tuple) else ()


def count_labels(rows: Iterable[Row]) -> dict[str, int]:
    """Count label names, sorted by name.

    >>> count_labels([Row("t", "b"), Row("t", "a"), Row("t", "b")])
    {'a': 1, 'b': 2}
    """
    counts = Counter(name for row in rows for name in label_names(row.label))
    return dict(sorted(counts.items()))


def unrepeated(rows: Sequence[Row]) -> list[Row]:
    """Keep the first of each text, so that no text can be in two splits.

    >>> [row.label for row in unrepeated([Row("same", "a"), Row("other", "b"), Row("same ", "c")])]
    ['a', 'b']
    """
    first: dict[object, Row] = {}
    for row in rows:
        first.setdefault(text_key(row), row)
    return list(first.values())


def text_key(row: Row) -> object:
    """Equal for rows of equal text."""
    text = " ".join(row.text.split()) if isinstance(row.text, str) else row.text
    return text, row.pair


def stratum(row: Row) -> str:
    """What is to have its share in every part: the label; nothing for numbers and tags of words."""
    if isinstance(row.label, float) or not isinstance(row.text, str):
        return ""
    return "\x1f".join(label_names(row.label))


def sample(rows: Sequence[Row], count: int, seed: int, spare_last: bool = False) -> list[int]:
    """Choose rows so that each label keeps its share (within one row): a systematic sample.

    Args:
        rows: what to choose from.
        count: how many, in [0, len(rows)].
        seed: same seed, rows and count: same choice.
        spare_last: never choose the only row of a label.

    Returns:
        Positions, ascending.

    Source: systematic sampling within sorted strata (Cochran, Sampling Techniques, chapter 8).

    >>> rows = [Row(str(i), "ab"[i % 2]) for i in range(10)]
    >>> sorted(rows[i].label for i in sample(rows, 4, seed=0))
    ['a', 'a', 'b', 'b']
    """
    chance = random.Random(seed)
    strata: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        strata.setdefault(stratum(row), []).append(i)
    order: list[int] = []
    for name in sorted(strata):
        some = strata[name]
        chance.shuffle(some)
        if not (spare_last and len(some) == 1):
            order += some
    count = min(count, len(order))
    return sorted(order[int((k + 0.5) * len(order) / count)] for k in range(count))


def split_off(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Part rows in two, stratified by label; equal texts stay together.

    Args:
        rows: all rows.
        share: of the rows that are parted off, in (0, 1).
        seed: of the choice.

    Returns:
        The rest, and the part, both in their old order.

    >>> rest, part = split_off([Row(str(i), "ab"[i % 2]) for i in range(20)], 0.2, seed=1)
    >>> len(rest), count_labels(part)
    (16, {'a': 2, 'b': 2})
    """
    single = unrepeated(rows)
    taken = {text_key(single[i]) for i in sample(single, round(share * len(single)), seed, spare_last=True)}
    rest = [row for row in rows if text_key(row) not in taken]
    return rest, [row for row in rows if text_key(row) in taken]
