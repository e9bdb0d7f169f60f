"""Stretches of a segment that is in columns: a column is read when somebody asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from etm_lightning.arrow import known, plain
from etm_lightning.columns import TICKS, ColumnFile, Kept, Shape
from etm_lightning.reading import Cursor, Damage, segment_name
from etm_lightning.store.blocks import NO_EPOCH, Block, Other, Rows, parted

if TYPE_CHECKING:
    from etm_lightning.store.blocks import Floats, Ints


def read_columns(path: Path) -> list[Block]:
    """The items of a segment in columns, a block for each row group.

    Raises:
        OSError: if the file cannot be read.
    """
    try:
        file = ColumnFile(path)
    except ValueError as error:
        return [_damaged(path, 0, path.stat().st_size, error)]
    with file:
        return [_block(file, number) for number in range(file.groups)]


def _damaged(path: Path, offset: int, size: int, error: Exception) -> Block:
    import numpy as np

    other = Other(0, Cursor(segment_name(path)), Damage(path, offset, size, str(error)))
    return Block(np.array([-1]), [], [other], plain=False)


def _block(file: ColumnFile, number: int) -> Block:
    import numpy as np

    try:
        table = file.group(number, ["n", "k", "ticks", "s", "e", "shape", "json"])
    except ValueError as error:
        return _damaged(file.path, *file.place(number), error)
    numbers, ticks, steps = plain(table["n"]), plain(table["ticks"]), plain(table["s"])
    shape = np.where(known(table["shape"]), plain(table["shape"]), -1).astype(np.int64)
    epochs = np.where(known(table["e"]), plain(table["e"]), NO_EPOCH)
    group = _Group(file.path, number)
    kept, *each = parted(shape + 1, len(file.about.shapes) + 1)
    rows = []
    for one, at in zip(file.about.shapes, each, strict=True):
        if len(at):
            place = at, ticks[at] / TICKS, steps[at], epochs[at]
            rows.append(Rows(one.stage, one.axis, one.names, *place, _Lazy(group, one, at)))
    others = []
    for at in kept.tolist():
        n, kind, text = int(numbers[at]), table["k"][at].as_py(), table["json"][at].as_py()
        others.append(Other(at, Cursor(segment_name(file.path), n), file.record(Kept(n, kind, text))))
    return Block(numbers, rows, others)


class _Group:
    """The values in a row group: the first series that is asked for comes alone, with the second come all."""

    def __init__(self, path: Path, number: int) -> None:
        self._path, self._number = path, number
        self._columns: dict[str, Any] = {}

    def column(self, name: str) -> Floats:
        columns = self._columns  # another thread may put others there meanwhile
        if name not in columns:
            with ColumnFile(self._path) as file:
                table = file.group(self._number, None if columns else [name])
            columns = self._columns = {column: table[column] for column in table.column_names}
        return plain(columns[name]).astype(float)  # type: ignore[no-any-return]


class _Lazy:
    """The values of the rows of a shape."""

    def __init__(self, group: _Group, shape: Shape, at: Ints) -> None:
        self._group, self._names, self._at = group, shape.columns(), at

    def __getitem__(self, i: int, /) -> Floats:
        return self._group.column(self._names[i])[self._at]
