"""Rows of every shape, and both ways to write and to read them."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from zlib import crc32

from hypothesis import strategies as st

from etm_lightning.journal import seal
from etm_lightning.native import lines as native
from etm_lightning.records import Gap, Scalars, encode

AWKWARD = (
    *(0.0, -0.0, 1.0, 0.1 + 0.2, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308),
    *(1e15, 9999999999999998.0, 1e16, 1e17, 1e22, 1e23, 1e-5, 9.999999999999999e-6, 1e-6, 1.5e-7),
    *(9007199254740993.0, 2.0**63, 123456789012345678.0, 1e100, 1 / 3),
)
BITS = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("d", bits.to_bytes(8, "little"))[0])
FLOATS = st.sampled_from((*AWKWARD, math.nan, math.inf, -math.inf)) | st.floats() | BITS
FINITE = FLOATS.filter(math.isfinite)
NAMES = st.sampled_from(["train/loss", "a", "", "损失", "🦊", "é", "x" * 300]) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters='"\\', min_codepoint=0x20), max_size=12
)
ROWS = st.tuples(
    FINITE,
    st.integers(-(10**17), 10**17),
    st.sampled_from(["step", "eval_batch", "seconds", ""]),
    st.none() | st.integers(-5, 10**6),
    st.sampled_from(["", "train", "validate"]),
    st.dictionaries(NAMES, FLOATS, max_size=12),
)
"""Arguments of `append_row`, all of them plain."""


def line_of(
    n: int, time: float, step: int, axis: str, epoch: int | None, stage: str, values: Mapping[str, float]
) -> bytes:
    """The line that `append` writes of a row."""
    record = Scalars.of(time, step, axis, epoch, stage, dict(values))
    return seal(encode(record), n)


def sealed(body: bytes) -> bytes:
    """A line that is intact, whatever is in it: `body` is what its checksum is taken over."""
    return b'{"c":"%08x",' % crc32(body) + body[1:] + b"\n"


def gap(n: int) -> bytes:
    """A line that holds no values."""
    return seal(encode(Gap(time=1.5, lost=n, since=1.0)), n)


def spoiled(lines: Sequence[bytes], dice: random.Random) -> bytes:
    """Whole lines, of which something may have changed."""
    content = bytearray(b"".join(lines))
    at = dice.randrange(len(content))
    match dice.randrange(5):
        case 0:
            content[at] ^= 1 << dice.randrange(8)
        case 1:
            del content[at : at + dice.choice([1, 2, 40])]
        case 2:
            content[at:at] = dice.choice([b"\n", b"\x00", b" ", b'{"c":"00000000","k":"scalars","n":1'])
    return bytes(content[: content.rfind(b"\n") + 1])


def told(block: Any) -> Any:
    """All that a block says, to the bit."""
    if block is None:
        return None
    rows = [
        (
            one.stage,
            one.axis,
            one.names,
            *(column.tobytes() for column in (one.at, one.times, one.steps, one.epochs)),
            [one.values[i].tobytes() for i in range(len(one.names))],
        )
        for one in block.rows
    ]
    return block.numbers.tobytes(), rows, block.others, block.plain


class Appended:
    """The lines that an `Appender` made.

    Args:
        numbers: of its lines.
        kind: of another module than that which is used.
    """

    def __init__(self, numbers: Iterator[Any], kind: type[Any] | None = None) -> None:
        kind = kind or native.Appender
        assert kind is not None
        self.lines: list[bytes] = []
        self.held = 0
        self.appender = one = kind()
        one._fd, one._total, one._limit, one._numbers = 5, 0, 1 << 60, numbers
        one._enter, one._leave, one._keep = self._enter, self._leave, None
        one._write_row, one._time_row, one.latest = self._write, None, {}

    def append(self, *row: Any) -> bytes | None:
        """The line of a row; None if it was left to Python."""
        took = self.appender.append_row(*row)
        assert not self.held
        return None if took is None else self.lines[-1]

    def _enter(self) -> None:
        self.held += 1

    def _leave(self) -> None:
        self.held -= 1

    def _write(self, fd: int, line: bytes) -> int:
        assert (fd, self.held) == (5, 1)
        self.lines.append(line)
        return len(line)


class Odd(dict[str, float]):
    """A mapping that says something else when it is asked for its items."""

    def items(self) -> Any:
        return {"other": 1.0}.items()


class Word(str):
    """A text of another class."""


def strange() -> list[Mapping[Any, Any]]:
    """Values that are not plain."""
    import numpy as np

    return [
        {"a": 1},
        {"a": True},
        {"a": np.float64(0.5)},
        {"a": np.float32(0.5)},
        {"a": None},
        {"a": "1.0"},
        {"a": 2**70},
        {1: 1.0},
        {None: 1.0},
        {("a", "b"): 1.0},
        {Word("a"): 1.0},
        {"\ud800": 1.0},
        {'"': 1.0, "\\": 2.0, "\n": 3.0, "\x1f": 4.0, "\x7f": 5.0},
        Odd(a=1.0),
        dict.fromkeys(map(str, range(500)), 1.0),
        {"x" * 10_000: 1.0},
    ]
