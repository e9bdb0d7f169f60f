"""A store of many runs for benchmarks/store.py, written as trainings leave it; half of it in columns."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import store_values

from etm_lightning.headline import Headline, as_json
from etm_lightning.journal import seal
from etm_lightning.layout import Identity, RunFolder, project_folder
from etm_lightning.packing import pack
from etm_lightning.process import Process, this_process
from etm_lightning.records import Alert, Checkpoint, Ended, Header, Known, Params, Scalars, Started, encode


@dataclass(frozen=True)
class Size:
    """How many runs, and how large each."""

    ended: int
    crashed: int
    live: int
    series: int
    points: int


def make(store: Path, size: Size, *, projects: int = 4) -> None:
    """Write the store; the live runs are of the calling process."""
    here = this_process()
    dead = Process(here.host, here.boot, 4_194_303, 1.0)
    for number in range(size.ended + size.crashed + size.live):
        ended = number < size.ended
        process = dead if number < size.ended + size.crashed else here
        _run(store, number, size, projects, process, ended=ended)


def _run(
    store: Path,
    number: int,
    size: Size,
    projects: int,
    process: Process,
    *,
    ended: bool,
) -> None:
    id = f"run-{number:06}-{number % 65536:04x}"
    project = f"project-{number % projects}"
    created = store_values.created(number)
    folder = RunFolder(project_folder(store, project) / id)
    folder.journal.mkdir(parents=True)
    identity = Identity(
        id=id, project=project, created=created, name=f"run {number}", group=f"g{number // 50}"
    )
    folder.identity_file.write_bytes(msgspec.json.encode(identity))
    records = _records(id, number, size, process, created, ended=ended)
    lines = (seal(encode(record), n) for n, record in enumerate(records))
    name = f"1-train-{process.host}-{process.pid}-{number % 65536:04x}.0.jsonl"
    segment = folder.journal / name
    segment.write_bytes(b"".join(lines))
    if ended and number % 2:  # as `etm gc` leaves it
        pack(segment)


def _records(
    id: str,
    number: int,
    size: Size,
    process: Process,
    created: float,
    *,
    ended: bool,
) -> Iterator[Known]:
    clock = itertools.count()
    headline = Headline()

    def now() -> float:
        return created + 0.5 * next(clock)

    yield Header(
        time=now(), format=1, run=id, attempt=1, role="train", rank=0, host=process.host, boot=process.boot,
        pid=process.pid, born=process.born, segment=0,
    )  # fmt: skip
    yield Started(time=now(), attempt=1, info={"git": {"commit": "0" * 40}, "python": "3.11"})
    yield Params(time=now(), params=store_values.params(number))
    for step in range(size.points):
        values = store_values.row(size.series, number, step)
        row = Scalars(time=now(), step=step, epoch=step // 100, stage="train", values=values)
        headline.take(row)
        yield row
        if step % 100 == 99:
            best = step == size.points - 1
            mark = Checkpoint(
                time=now(), id=f"{id}-{step}", step=step, path=f"checkpoints/{step}.ckpt", monitor="val/f1",
                mode="max", score=row.values["val/f1"], best=best,
            )  # fmt: skip
            headline.take(mark)
            yield mark
    if number % 100 == 0:
        yield Alert(time=now(), title="spike", name="spike")
    if ended:
        yield Ended(
            time=now(), status="finished", summary=as_json(headline.values()), stages=headline.stages()
        )
