"""One tracker in a process of its own: the half that logs, and the half that watches it and kills it.

The half that logs runs with the interpreter of the peer and imports the standard library only.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import quiet
from tracking_peers import PEERS, Log, Row

RATE = 100
"""Calls a second until the kill."""

BLOCK = 100
"""Calls between two loops that tell whether the machine is quiet."""


def row(step: int, width: int, nonfinite: bool = False) -> Row:
    """`width` values with all their digits."""
    values = {f"train/metric_{i}": math.sin(step + i) for i in range(width)}
    return {**values, "train/metric_0": math.nan} if nonfinite else values


def opened(name: str, folder: str, width: int) -> tuple[Log, Callable[[], None], dict[str, float]]:
    """A tracker that took its first row: how to log, how to close, seconds for the import and until now."""
    begin = time.perf_counter()
    life = PEERS[name].live(Path(folder))
    next(life)
    imported = time.perf_counter()
    log = next(life)
    assert log is not None
    log(row(0, width), 0)
    return (
        log,
        lambda: next(life) and None,
        {
            "import": imported - begin,
            "first": time.perf_counter() - begin,
        },
    )


def calls(name: str, folder: str, given: dict[str, Any]) -> None:
    """Time each of many calls."""
    os.environ["ETM_NATIVE"] = given.get("native", os.environ.get("ETM_NATIVE", "1"))
    width, nonfinite = given.get("width", 10), given.get("nonfinite", False)
    log, close, facts = opened(name, folder, width)
    for _ in range(given.get("threads", 0)):
        threading.Thread(target=_spin, daemon=True).start()
    own = _timed(lambda values, step: None, given["calls"], given["seconds"], width, nonfinite)[1]
    _say(facts)
    blocks, cpu = _timed(log, given["calls"], given["seconds"], width, nonfinite)
    spent = [one for _, block in blocks for one in block]
    begin = time.process_time()
    close()
    cpu += time.process_time() - begin - own * len(spent) / given["calls"]
    quantiles = {f"p{q}": quiet.quantile(spent, float(q) / 100) / 1e3 for q in ("50", "99", "99.9")}
    _say({**quantiles, "calls": len(spent), "cpu": cpu, "blocks": blocks})


def _timed(
    log: Log, most: int, seconds: float, width: int, nonfinite: bool
) -> tuple[list[tuple[int, list[int]]], float]:
    """Nanoseconds of each call, by block; CPU seconds of all, of the rows and of the loops, too."""
    blocks: list[tuple[int, list[int]]] = []
    clock, until, cpu = time.perf_counter_ns, time.perf_counter_ns() + int(seconds * 1e9), time.process_time()
    before = quiet.loop()
    for first in range(1, most + 1, BLOCK):
        spent: list[int] = []
        for step in range(first, min(first + BLOCK, most + 1)):
            values = row(step, width, nonfinite)
            begin = clock()
            log(values, step)
            end = clock()
            spent.append(end - begin)
            if end > until:
                break
        after = quiet.loop()
        blocks.append((max(before, after), spent))
        before = after
        if end > until:
            break
    return blocks, time.process_time() - cpu


def _spin() -> None:
    while True:
        sum(range(1000))


def durable(name: str, folder: str, given: dict[str, Any]) -> None:
    """Log as fast as it goes, then die at once."""
    log, _, _ = opened(name, folder, 10)
    rows = [row(step, 10) for step in range(1, 1001)]
    blocks: list[tuple[int, list[int]]] = []
    clock, spent, before = time.perf_counter_ns, 0, quiet.loop()
    for first in range(0, given["calls"], BLOCK):
        begin = clock()
        for step in range(first, first + BLOCK):  # the last one counts
            log(rows[step % 1000], step + 1)
            if clock() - begin + spent > given["seconds"] * 1e9:
                break
        took = clock() - begin
        spent, after = spent + took, quiet.loop()
        blocks.append((max(before, after), [took // (step + 1 - first)]))
        before = after
        if spent > given["seconds"] * 1e9:
            break
    facts = {"seconds": spent / 1e9, "calls": step + 1, "blocks": blocks}
    os.write(OUT, json.dumps(facts).encode() + b"\n")
    os.kill(os.getpid(), signal.SIGKILL)


def until_killed(name: str, folder: str, given: dict[str, Any]) -> None:
    """Log at an even pace, telling of each call that returned."""
    log, _, facts = opened(name, folder, 10)
    _say(facts)
    begin = time.perf_counter()
    for step in itertools.count(1):
        log(row(step, 10), step)
        os.write(OUT, b".")
        time.sleep(max(0, begin + step / RATE - time.perf_counter()))


def count(name: str, folder: str, given: dict[str, Any]) -> None:
    """How many values a new process finds, and the seconds that the last of `times` readings took."""
    for _ in range(given["times"]):
        begin = time.perf_counter()
        values = PEERS[name].read(Path(folder))
    _say({"values": values, "seconds": time.perf_counter() - begin})


def version(name: str, folder: str, given: dict[str, Any]) -> None:
    from importlib.metadata import version

    _say({"version": version(PEERS[name].package)})


def _say(facts: dict[str, Any]) -> None:
    os.write(OUT, json.dumps(facts).encode() + b"\n")
    sys.stdin.readline()


if __name__ == "__main__":
    OUT = os.dup(1)
    os.dup2(2, 1)  # what a tracker prints is not for the half that watches
    with contextlib.suppress(BrokenPipeError):
        {
            "calls": calls,
            "durable": durable,
            "until_killed": until_killed,
            "count": count,
            "version": version,
        }[sys.argv[1]](sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))
