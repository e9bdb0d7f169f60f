"""What benchmarks/store.py asks each tracker, how it is timed, and what the right answer is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Protocol, cast

import store_values
from store_values import Extent

QUERY = "lr > 1e-4 and val/f1 > 0.9"
SHOWN, CURVES = 500, 1000
"""Runs of a list, and runs whose curve is read."""

COMMAND, FIRST_LIST, FIRST_FRAME = "command", "first list", "first frame"
LIST, FIT, FRAME = "list", "fit", "frame"
TITLES = {
    FIRST_LIST: "from nothing until all runs are listed",
    FIRST_FRAME: "from nothing until one metric of {curves} runs is there, all points",
    COMMAND: "a list of all runs by a command",
    LIST: "the newest {shown} runs",
    FIT: f"all runs with `{QUERY}`",
    FRAME: "one metric of {curves} runs, all points",
}


class Say(Protocol):
    """Tells how many seconds something took, or none if it did not end, and more in words."""

    def __call__(self, what: str, seconds: float | None, note: str = "") -> None: ...


def took(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def best(act: Callable[[], object], times: int = 5, enough: float = 20) -> float:
    """The least of some times; fewer of them once they took `enough` seconds together."""
    seconds = [took(act)]
    while len(seconds) < times and sum(seconds) < enough:
        seconds.append(took(act))
    return min(seconds)


def fitting(extent: Extent) -> set[int]:
    """The numbers of the runs that `QUERY` must find, by what was given."""
    last = extent.points - 1
    return {
        number
        for number in range(extent.runs)
        if store_values.params(number)["lr"] > 1e-4
        and store_values.row(extent.series, number, last)["val/f1"] > 0.9
    }


def ask(questions: Mapping[str, Callable[[], Sized]], extent: Extent, say: Say) -> None:
    """Time the questions; their answers have to be as long as what was given makes them.

    Args:
        questions: those of `LIST`, `FIT` and `FRAME`; `FIT` is answered by names: `run-NUMBER`.
        extent: what was given.
        say: is told the seconds.

    Raises:
        RuntimeError: for another answer.
    """
    fit = fitting(extent)
    right = {
        LIST: min(SHOWN, extent.runs),
        FIT: len(fit),
        FRAME: min(CURVES, extent.runs) * extent.points,
    }
    for what, question in questions.items():
        seconds, answer = _timed(question)
        if len(answer) != right[what]:
            raise RuntimeError(f"{TITLES[what]!r} must find {right[what]} but found {len(answer)}")
        if what == FIT and {int(str(name)[len("run-") :]) for name in cast("Iterable[str]", answer)} != fit:
            raise RuntimeError(f"{TITLES[what]!r} found as many runs as it must, but other ones")
        say(what, seconds, f"{len(answer)} found")


def _timed(question: Callable[[], Sized]) -> tuple[float, Sized]:
    """The least seconds, and the last answer."""
    last: list[Sized] = []

    def once() -> None:
        last[:] = [question()]

    return best(once), last[0]
