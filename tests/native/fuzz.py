"""Gives random and damaged lines to a compiled part elsewhere: `python -m tests.native.fuzz FILE SECONDS`."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import math
import random
import struct
import sys
import time
from array import array
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.native.ways import AWKWARD, Appended, gap, line_of, sealed, spoiled, strange

PIECES = [
    *(
        '"',
        ":",
        ",",
        "{",
        "}",
        "[",
        '"v":{',
        '"x":{',
        '"nan"',
        '"inf"',
        '"-inf"',
        '"a":',
        '"e":',
        '"g":"',
        "-",
        ".",
    ),
    *("1e5", "0", "00", "1e400", "9" * 30, "\\", "\x00", "\x1f", "é", '"n":', '"t":', '"s":', "null"),
]


def loaded(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("_lines", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(dice: random.Random) -> tuple[Any, ...]:
    """A row that is plain."""
    names = [
        "".join(dice.choices("ab/é🦊", k=dice.randrange(9))) + str(i)
        for i in range(dice.choice([0, 1, 3, 90]))
    ]
    values = {name: number(dice) for name in names}
    stage, epoch = dice.choice(["", "train"]), dice.choice([None, 0, -7])
    return (
        dice.choice(AWKWARD),
        dice.randrange(-(10**17), 10**17),
        dice.choice(["step", "x" * 5000]),
        epoch,
        stage,
        values,
    )


def number(dice: random.Random) -> float:
    if dice.random() < 0.2:
        return dice.choice((*AWKWARD, math.nan, math.inf, -math.inf))
    return float(struct.unpack("d", dice.randbytes(8))[0])


def garbled(line: bytes, dice: random.Random) -> bytes:
    """The line with something else in it, and a right checksum."""
    body = bytearray(b"{" + line[16:-1])
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(20, len(body) + 1)
        body[at : at + dice.choice([0, 0, 1, 9])] = dice.choice(PIECES).encode()
    return sealed(bytes(body).replace(b"\n", b"?"))


def taken(module: Any, dice: random.Random) -> None:
    """Numbers are taken out of values, some of which are not as expected, and added up."""
    odd = [1, True, Fraction(1, 3), 2**2000, "x"]
    values: dict[Any, Any] = {
        f"a{n}": dice.choice([number(dice), *odd]) for n in range(dice.choice([0, 3, 90]))
    }

    def clear(value: Any) -> Any:
        values.clear()
        return value

    names, kinds = tuple(values), tuple(map(type, values.values()))
    ways = tuple(
        None if kind is float else dice.choices([float, clear, repr], [9, 1, 1])[0] for kind in kinds
    )
    found = None
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        found = module.numbers(names, kinds, ways, dice.choice([values, {**values, "b": 1.0}, {}, [], names]))
    for numbers in (found, [number(dice)] * len(names), [*names], None):
        with contextlib.suppress(TypeError):
            module.add(array(dice.choice("ddfb"), [0] * len(names)), numbers, dice.choice([2, 0.5, "x"]))


def main(path: Path, seconds: float) -> None:
    module, dice = loaded(path), random.Random()
    odd = strange()
    stop, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < stop:
        rounds += 1
        rows = [row(dice) for _ in range(dice.randrange(1, 6))]
        lines = [line_of(n, *one) for n, one in enumerate(rows)]
        given = [Appended(iter([n]), module.Appender).append(*one) for n, one in enumerate(rows)]
        assert given == [line if one[-1] else None for line, one in zip(lines, rows, strict=True)]
        same = Appended(itertools.count(), module.Appender)
        for one in dice.choices(rows, k=5):
            same.append(*one)
            same.append(*one[:-1], dice.choice(odd))
            if dice.random() < 0.3:
                same.appender.tell_latest()
        data = [dice.choice([line, gap(3), garbled(line, dice)]) for line in lines]
        for content in (b"".join(lines), b"".join(data), spoiled(data, dice), dice.randbytes(60) + b"\n"):
            module.rows(content)
            module.rows(content, dice.choice([*rows[0][-1], "a"]))
        taken(module, dice)
    print(f"{rounds} rounds")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
