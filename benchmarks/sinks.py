"""What delivering a scalar costs the companion's processor: our sinks beside the peers' own clients."""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from etm_lightning.layout import Identity, RunFolder
from etm_lightning.records import Scalars
from etm_lightning.track.sinks.sink import Target, opener

BATCH = 2000
Cost = tuple[float, float, float]


def rows(width: int, count: int) -> list[Scalars]:
    return [
        Scalars(
            time=1e9 + step,
            step=step,
            epoch=0,
            stage="train",
            values={f"train/metric_{i}": 1 / (step + i + 1) for i in range(width)},
        )
        for step in range(count)
    ]


def measure(write: Callable[[], None], folder: Path, pattern: str, scalars: int) -> Cost:
    """Processor µs for a scalar, scalars a second, bytes for a scalar."""
    cpu, wall = time.process_time(), time.perf_counter()
    write()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    size = sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())
    return cpu / scalars * 1e6, scalars / wall, size / scalars


def ours(kind: str, pattern: str, records: list[Scalars]) -> Cost:
    """One of our sinks, in batches as the companion delivers them."""
    with tempfile.TemporaryDirectory() as store:
        folder = RunFolder(Path(store) / "project" / "run")
        folder.journal.mkdir(parents=True)
        sink = opener(kind)(Target(folder, Identity(id="run", project="project", created=1e9)))

        def write() -> None:
            for begin in range(0, len(records), BATCH):
                sink.write(records[begin : begin + BATCH])
                sink.flush()

        found = measure(write, Path(store), pattern, sum(len(record.values) for record in records))
        sink.close()
    return found


def summary_writer(records: list[Scalars]) -> Cost:
    from torch.utils.tensorboard import SummaryWriter

    with tempfile.TemporaryDirectory() as folder:
        writer = SummaryWriter(folder)

        def write() -> None:
            for record in records:
                for name, value in record.values.items():
                    writer.add_scalar(name, value, record.step, walltime=record.time)
            writer.close()

        return measure(write, Path(folder), "*", sum(len(record.values) for record in records))


def tensorboard(width: int) -> dict[str, Cost]:
    records = rows(width, 20_000 // width)
    return {
        "sink `tensorboard`": ours("tensorboard", "*.etm", records),
        "torch SummaryWriter": summary_writer(records),
    }


def main() -> None:
    warnings.simplefilter("ignore")
    for width in (1, 10):
        print(f"\n{'scalars in a row: ' + str(width):<24}{'CPU µs':>10}{'scalars/s':>12}{'bytes':>8}")
        for name, (cpu, rate, size) in tensorboard(width).items():
            print(f"{name:<24}{cpu:>10.1f}{rate:>12,.0f}{size:>8.0f}")


if __name__ == "__main__":
    main()
