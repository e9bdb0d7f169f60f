"""What one log call of 10 scalars costs: our journal and Lightning's CSVLogger, both on disk at each call."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger

from etm_lightning.journal import Journal
from etm_lightning.reading import follow, writers
from etm_lightning.records import Scalars

NAMES = [f"train/metric_{i}" for i in range(10)]
ROUNDS = 50_000
PEER_ROUNDS = 5_000


def values(step: int) -> dict[str, float]:
    return {name: 1 / (step + i + 1) for i, name in enumerate(NAMES)}


def measure(log: Callable[[int, dict[str, float]], None], rounds: int) -> tuple[float, float]:
    """p50 and p99 of a call, in µs."""
    spent = []
    for step in range(rounds):
        row = values(step)
        begin = time.perf_counter_ns()
        log(step, row)
        spent.append(time.perf_counter_ns() - begin)
    spent.sort()
    return spent[rounds // 2] / 1e3, spent[rounds * 99 // 100] / 1e3


def ours(folder: Path) -> tuple[float, float]:
    journal = Journal(folder, run="bench", attempt=1)

    def log(step: int, row: dict[str, float]) -> None:
        journal.append(Scalars(time=time.time(), step=step, epoch=0, stage="train", values=row))

    found = measure(log, ROUNDS)
    journal.close()
    return found


def theirs(folder: Path) -> tuple[float, float]:
    logger = CSVLogger(folder, flush_logs_every_n_steps=1)

    def log(step: int, row: dict[str, float]) -> None:
        logger.log_metrics({**row}, step)
        logger.save()

    return measure(log, PEER_ROUNDS)


def read_rate(folder: Path) -> float:
    """Records a second, best of three."""
    rates = []
    for _ in range(3):
        begin = time.perf_counter()
        count = sum(1 for segments in writers(folder).values() for _ in follow(segments))
        rates.append(count / (time.perf_counter() - begin))
    return max(rates)


def main() -> None:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        p50, p99 = ours(folder / "journal")
        size = sum(path.stat().st_size for path in (folder / "journal").iterdir())
        peer50, peer99 = theirs(folder / "csv")
        peer_size = sum(path.stat().st_size for path in (folder / "csv").rglob("metrics.csv"))
        rows = {
            "Journal.append": (p50, p99, size / ROUNDS / 10),
            "CSVLogger log_metrics+save": (peer50, peer99, peer_size / PEER_ROUNDS / 10),
        }
        rows["ratio"] = tuple(peer / own for own, peer in zip(*rows.values(), strict=True))
        print(f"{'one call with 10 scalars':28}{'p50 µs':>10}{'p99 µs':>10}{'bytes/scalar':>14}")
        for title, (middle, tail, per_scalar) in rows.items():
            print(f"{title:28}{middle:10.1f}{tail:10.1f}{per_scalar:14.2f}")
        print(f"\nread: {read_rate(folder / 'journal'):,.0f} records/s")


if __name__ == "__main__":
    main()
