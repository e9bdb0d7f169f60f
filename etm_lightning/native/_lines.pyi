"""Lines of values, compiled. Whatever is not plain comes back as None, and is Python's to do."""

from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_Shape = tuple[str, str, tuple[str, ...], bytes, bytes, bytes, bytes, bytes]

class Appender:
    """What a `Journal` appends rows with; the journal fills in what it needs."""

    _fd: int
    _total: int
    _limit: int
    _numbers: Iterator[int]
    _enter: Callable[[], object]
    _leave: Callable[[], object]
    _keep: Callable[[bytes], object] | None
    _write_row: Callable[[int, bytes], int] | None
    _time_row: Callable[[], float] | None
    latest: dict[tuple[str, str], dict[str, float]]

    def append_row(
        self,
        time: float,
        step: int,
        axis: str,
        epoch: int | None,
        stage: str,
        values: Mapping[str, float],
        /,
    ) -> float | None:
        """As `Journal.append_row`; takes integers as well, up to 2**53, as the floats that they become.

        None as well where a text needs escapes, or an integer more than 64 bits.
        """

    def tell_latest(self) -> None:
        """As `Journal.tell_latest`."""

def rows(
    data: bytes, name: str | None = None, /
) -> tuple[bytes, list[_Shape], list[tuple[int, int, int]]] | None:
    """The rows in whole lines, as the writer sets them, by what they have in common.

    Args:
        data: lines, each with its newline.
        name: of the only values to return, of rows that have it.

    Returns:
        The number of each line's record, -1 for those that are no rows; for each shape stage, axis, names, at
        which lines its rows are, times, steps, epochs (`series.NO_EPOCH` for none) and the values, name by
        name; and of the lines that are no rows, which line that is, its first byte, and the one behind it.
        Numbers are of 64 bits. None if a line that says it holds values is damaged, or not as writers set it.
    """

def numbers(
    names: tuple[str, ...],
    kinds: tuple[type[Any], ...],
    ways: tuple[Callable[[Any], Any] | None, ...],
    values: object,
    /,
) -> list[float] | None:
    """The numbers of a dict with just these names, in this order, and values of just these types.

    A value goes through its way and is made a float, or is taken as it is where that is None. None of any
    other dict, or of what is none.
    """

def add(sums: array[float], numbers: list[float], weight: float, /) -> None:
    """Add to each sum its number, times the weight."""
