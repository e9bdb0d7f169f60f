"""A table in the terminal: names wrap on a narrow one and are never cut."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from itertools import zip_longest

_GAP, _SHORT, _LEAST = 2, 20, 16  # between columns, of one that does not wrap, of one that does


def clean(value: object) -> str:
    r"""`value` as text that cannot steer a terminal: what is not printable becomes a mark.

    >>> clean("a\x1b[31mb")
    'a�[31mb'
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def show(
    heads: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "", spare: Sequence[str] = ()
) -> None:
    """Print a table to stdout.

    Args:
        heads: what the columns are called.
        rows: their cells.
        title: what stands above.
        spare: columns that a terminal too narrow for all does without, the first first.
    """
    heads = [clean(head) for head in heads]
    cells = [[clean(cell).expandtabs() for cell in row] for row in rows]
    terminal = sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))
    room = _columns() if terminal else None
    widths = _fitting(heads, cells, spare, room)
    bold = "\x1b[1m{}\x1b[0m" if terminal and not os.environ.get("NO_COLOR") else "{}"
    if title:
        print(bold.format(title))
    if any(heads):
        for line in _lines(heads, widths):
            print(bold.format(line))
    for row in cells:
        print(*_lines(row, widths), sep="\n")


def _columns() -> int:
    import shutil  # a pipe needs none of what that loads

    return shutil.get_terminal_size().columns


def _lines(row: Sequence[str], widths: dict[int, int]) -> list[str]:
    parts = [_wrapped(row[column], width) for column, width in widths.items()]
    return [
        "".join(
            _filled(part, width + _GAP) for part, width in zip(line, widths.values(), strict=True)
        ).rstrip()
        for line in zip_longest(*parts, fillvalue="")
    ]


def _fitting(
    heads: Sequence[str], cells: Sequence[Sequence[str]], spare: Sequence[str], room: int | None
) -> dict[int, int]:
    """Which columns to show in `room` characters, and how wide each is."""
    widths = {
        column: max(
            _width(line)
            for cell in (heads[column], *(row[column] for row in cells))
            for line in cell.split("\n")
        )
        for column in range(len(heads))
    }

    def excess() -> int:
        return sum(widths.values()) + _GAP * (len(widths) - 1) - (room or 0)

    empty = [column for column in widths if not any(row[column] for row in cells)]
    for column in [*empty, *(heads.index(clean(head)) for head in spare)]:
        if room is not None and column in widths and excess() > 0:
            del widths[column]
    if room is None or excess() <= 0:
        return widths
    long = {column for column, width in widths.items() if width > _SHORT}
    if excess() > sum(widths[column] - _LEAST for column in long):
        long = set(widths)  # short ones wrap too
    for most in range(room, 0, -1):
        capped = {column: min(width, most) if column in long else width for column, width in widths.items()}
        if sum(capped.values()) + _GAP * (len(capped) - 1) <= room:
            return capped
    return dict.fromkeys(widths, 1)


def _wrapped(text: str, width: int) -> list[str]:
    """`text` in lines of `width`: between words where that goes, else within them."""
    found = []
    for line in text.split("\n"):
        while _width(line) > width:
            end = _cut(line, width)
            space = line.rfind(" ", 0, end + 1)
            between = bool(line[: max(space, 0)].strip())
            found.append(line[: space if between else end])
            line = line[space + 1 if between else end :]
        found.append(line)
    return found


def _cut(text: str, width: int) -> int:
    """How many letters of `text` fit into `width`, at least one."""
    end = 1
    while end < len(text) and _width(text[: end + 1]) <= width:
        end += 1
    return end


def _filled(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """How many cells of a terminal a text takes.

    >>> _width("loss"), _width("损失"), _width("é")
    (4, 4, 1)
    """
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(
        0 if category(c) in ("Mn", "Me", "Cf") else 2 if east_asian_width(c) in "WF" else 1 for c in text
    )
