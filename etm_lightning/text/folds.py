"""The rows of one fold of a cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from etm_lightning.design.folds import folds_of
from etm_lightning.text.rows import Row, stratum, text_key


def check_fold(fold: int | None, folds: int | None) -> None:
    """Refuse a fold that is none.

    Raises:
        ValueError: unless both are None, or `fold` is one of `folds`.
    """
    if fold is None and folds is None:
        return
    if fold is None or folds is None:
        given, missing = ("folds", "fold") if fold is None else ("fold", "folds")
        raise ValueError(f"`data.{given}` needs `data.{missing}`; search.folds=5 sets both")
    if folds < 2 or not 0 <= fold < folds:
        raise ValueError(f"`data.fold` must be in [0, {folds}), of 2 folds or more, but got {fold}")


def crossed(splits: Mapping[str, Sequence[Row]], fold: int, folds: int, seed: int) -> dict[str, list[Row]]:
    """Training and validation rows put together, and one fold of them held out; the test rows stay.

    Rows with a group stay together with it, else equal texts do. Labels have their shares in each fold; tags
    of words and numbers have none.

    Args:
        splits: `train`, and perhaps `validate` and `test`.
        fold: the one to validate on, in [0, folds).
        folds: how many.
        seed: of the choice.

    Raises:
        ValueError: if there are fewer rows or groups than folds, or only some rows have a group.

    >>> rows = [Row(str(i), "ab"[i % 2]) for i in range(20)]
    >>> [len(some) for some in crossed({"train": rows}, 0, 5, seed=0).values()]
    [16, 4]
    """
    pool = [*splits["train"], *splits.get("validate", ())]
    place = fold_numbers(pool, folds, seed)
    found = {
        "train": [row for row, number in zip(pool, place, strict=True) if number != fold],
        "validate": [row for row, number in zip(pool, place, strict=True) if number == fold],
    }
    return found | ({"test": list(splits["test"])} if "test" in splits else {})


def fold_numbers(rows: Sequence[Row], folds: int, seed: int) -> list[int]:
    """The fold of each row, in [0, folds); arguments as in `crossed`."""
    grouped = [row for row in rows if row.group]
    if grouped and len(grouped) < len(rows):
        bare = next(row for row in rows if not row.group)
        raise ValueError(f"`data.group`: {bare.place or 'a row'} has no group, others have")
    if grouped:
        return folds_of([stratum(row) for row in rows], folds, seed, [row.group for row in rows])
    first: dict[object, Row] = {}
    for row in rows:
        first.setdefault(text_key(row), row)
    numbers = folds_of([stratum(row) for row in first.values()], folds, seed)
    known = dict(zip(first, numbers, strict=True))
    return [known[text_key(row)] for row in rows]
