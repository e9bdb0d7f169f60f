"""Bytes of a value, how fast a run of many points opens, and what a zoom costs. `--quick` for small sizes."""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from etm_lightning.journal import Journal
from etm_lightning.layout import Identity, RunFolder
from etm_lightning.packing import pack
from etm_lightning.reading import writers
from etm_lightning.store.run import StoredRun

T = TypeVar("T")
SPIKE = 1e6
VIEW = 2000
OPEN = """
import sys, time
from pathlib import Path
import numpy, pyarrow.parquet
from etm_lightning.layout import RunFolder
from etm_lightning.store.run import StoredRun
began, cpu = time.perf_counter(), time.process_time()
run = StoredRun(RunFolder(Path(sys.argv[1])))
view = run.zoom("train/m0", points=int(sys.argv[2])) if len(sys.argv) > 2 else run.metrics
print(time.perf_counter() - began, time.process_time() - cpu)
"""


def make(folder: Path, rows: int, values: int, *, spike: int | None = None, apart: bool = False) -> RunFolder:
    """A run whose process is gone: float32 values, logged every 50 ms or so, in one row or in as many."""
    run = RunFolder(folder)
    run.create(Identity(id=folder.name, project="bench", created=1.76e9))
    if os.fork() == 0:  # its process is gone afterwards
        _write(run, rows, values, spike, apart)
        os._exit(0)
    assert os.wait()[1] == 0
    return run


def _write(run: RunFolder, rows: int, values: int, spike: int | None, apart: bool) -> None:
    dice = random.Random(0)
    noise = [_short(dice.gauss(0, 0.1)) for _ in range(99_991)]
    journal = Journal(run.journal, run="bench", attempt=1)
    names = [f"train/m{i}" for i in range(values)]
    now = 1.76e9
    for step in range(rows):
        now += dice.gauss(0.05, 0.001)
        trend = 1 / (1 + step / 1000)
        row = {name: _short(trend + noise[(step * 31 + i * 7) % 99_991]) for i, name in enumerate(names)}
        if step == spike:
            row[names[0]] = SPIKE
        for part in [{name: value} for name, value in row.items()] if apart else [row]:
            journal.append_row(now, step, "step", step // 1000, "train", part)
            now += dice.gauss(20e-6, 2e-6)
    journal.close()


def _short(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def size(run: RunFolder) -> int:
    return sum(path.stat().st_size for path in segments(run))


def segments(run: RunFolder) -> list[Path]:
    return [path for paths in writers(run.journal).values() for path in paths]


def compact(run: RunFolder) -> float:
    """Put all segments into columns, and return the seconds that took."""
    began = time.perf_counter()
    for path in segments(run):
        pack(path)
    return time.perf_counter() - began


def opened(run: RunFolder, *view: str) -> tuple[float, float]:
    """Seconds, and of them on the CPU, until a process that has imported all has the metrics, or a view."""
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(run.path), *view], capture_output=True, text=True, check=True
    )
    wall, cpu = map(float, done.stdout.split())
    return wall, cpu


def timed(call: Callable[[], T]) -> tuple[float, float, T]:
    began, cpu = time.perf_counter(), time.process_time()
    found = call()
    return time.perf_counter() - began, time.process_time() - cpu, found


def bytes_of_a_value(place: Path, shapes: list[tuple[int, int, int]]) -> None:
    print(f"{'scalars':>10}{'at a step':>10}{'in a row':>10}{'lines':>10}{'columns':>10}   bytes a scalar")
    for rows, values, in_a_row in shapes:
        run = make(place / f"{rows}-{values}-{in_a_row}", rows, values, apart=in_a_row < values)
        before = size(run)
        seconds = compact(run)
        count = rows * values
        sizes = f"{before / count:>10.1f}{size(run) / count:>10.2f}"
        print(f"{count:>10,}{values:>10}{in_a_row:>10}{sizes}   {seconds:.1f} s")


def opening(place: Path, rows: int, values: int) -> None:
    print(f"\na crashed run of {rows * values:,} points, {values} in a row: seconds (CPU) to all its metrics")
    run = make(place / f"open-{values}", rows, values)
    for title in ("lines, the first time", "lines, from the cache"):
        print(f"{title:<26}{'{:.2f} ({:.2f})'.format(*opened(run))}")
    shutil.rmtree(run.cache)
    compact(run)
    print(f"{'columns':<26}{'{:.2f} ({:.2f})'.format(*opened(run))}")


def zooming(place: Path, points: int) -> None:
    print(f"\none series of {points:,} points, {VIEW} shown: milliseconds (CPU)")
    spike = points // 3
    run = make(place / "zoom", points, 1, spike=spike)
    compact(run)
    print(f"{'opened, whole view':<34}{'{:.0f} ({:.0f})'.format(*(1e3 * s for s in opened(run, str(VIEW))))}")
    again = [opened(run, str(VIEW)) for _ in range(5)]
    print(f"{'another process, whole view':<34}{_middle(again)}")
    stored = StoredRun(run)
    assert len(stored.metrics) == 1  # it is read now
    stored.zoom("train/m0", points=VIEW)
    for title, width in (
        ("whole view", points),
        ("half", points // 2),
        ("a tenth", points // 10),
        ("1,000", 1000),
    ):
        found = [_zoom(stored, spike, width, seed) for seed in range(50)]
        print(f"{title:<34}{_middle(found)}   the spike was there 50 of 50 times")


def _zoom(stored: StoredRun, spike: int, width: int, seed: int) -> tuple[float, float]:
    start = max(0, spike - random.Random(seed).randrange(width))
    range_ = {"start": start, "stop": start + width}
    wall, cpu, view = timed(lambda: stored.zoom("train/m0", points=VIEW, **range_))
    assert view.y.max() == SPIKE, "the spike is lost"
    return wall, cpu


def _middle(found: list[tuple[float, float]]) -> str:
    wall, cpu = zip(*found, strict=True)
    worst = max(wall)
    return (
        f"{1e3 * statistics.median(wall):.1f} ({1e3 * statistics.median(cpu):.1f}), at most {1e3 * worst:.1f}"
    )


def main() -> None:
    """Print the three parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    place = Path(tempfile.mkdtemp(prefix="etm-columns-"))
    try:
        many = [] if quick else [(100_000, 10, 10), (250_000, 4, 1), (1_000_000, 1, 1)]
        bytes_of_a_value(place, [(1000, 10, 10), (500, 20, 20), (2500, 4, 1), (10_000, 1, 1), *many])
        opening(place, *((20_000, 10) if quick else (100_000, 10)))
        zooming(place, 200_000 if quick else 10_000_000)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
