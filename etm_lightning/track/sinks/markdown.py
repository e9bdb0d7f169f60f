"""Tables as Markdown, for places that show texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

MOST_ROWS = 1000
_ALIGNED = re.compile(r"\S {2,}\S.*\n.*\S {2,}\S")


def text(content: str) -> str:
    r"""A text as it is, but one with columns that spaces align as code, which keeps them so.

    >>> text("a **bold** text")
    'a **bold** text'
    >>> print(text("name  size\nhead   770"))
    ```
    name  size
    head   770
    ```
    """
    return f"```\n{content}\n```" if _ALIGNED.search(content) and "```" not in content else content


def table(columns: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    r"""A table; of a very long one its first rows.

    >>> print(table(["word", "count"], [["a|b", 1]]))
    | word | count |
    | --- | --- |
    | a\|b | 1 |
    """
    lines = [_line(columns), _line("---" for _ in columns), *(_line(row) for row in rows[:MOST_ROWS])]
    if len(rows) > MOST_ROWS:
        lines += ["", f"{len(rows) - MOST_ROWS} more rows"]
    return "\n".join(lines)


def confusion_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """How often each class was taken for each: true class by row, predicted class by column.

    >>> print(confusion_matrix(["cat", "dog"], [[3, 1], [0, 4]]))
    | true ↓ predicted → | cat | dog |
    | --- | --- | --- |
    | **cat** | 3 | 1 |
    | **dog** | 0 | 4 |
    """
    named = zip(labels, counts, strict=True)
    return table(["true ↓ predicted →", *labels], [[f"**{label}**", *row] for label, row in named])


def _line(cells: Iterable[Any]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
