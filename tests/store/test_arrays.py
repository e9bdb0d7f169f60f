"""A run read with its measurements in arrays is the run that was read record by record."""

from __future__ import annotations

import math
import random
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from etm_lightning import column_writer, packing
from etm_lightning.journal import seal
from etm_lightning.layout import RunFolder
from etm_lightning.reading import Damage, writers
from etm_lightning.records import Alert, Saved, encode
from etm_lightning.store import blocks, history, segments
from etm_lightning.store.digesting import digest
from etm_lightning.store.history import History
from etm_lightning.store.run import StoredRun
from etm_lightning.store.segments import Segments
from tests.store.building import Training, scalars

pytestmark = pytest.mark.usefixtures("_both_ways")
SPECIAL = (math.nan, math.inf, -math.inf, 0.1 + 0.2, 5e-324, -0.0, 0.0, 1e308)
WHERE = list(product(["train", "validate", ""], ["step", "eval_batch"]))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "SMALL", 0)
    monkeypatch.setattr(segments, "WORTH_CACHING", 300)
    monkeypatch.setattr(blocks, "CHUNK", 3000)


def told(found: History) -> dict[str, Any]:
    """All that a history says, such that 0.0 and -0.0 differ, but for the place of damage."""
    series = {
        key: (
            repr(one.columns(superseded=True)),
            repr(one.columns()),
            repr(one.metric()),
            one.counts,
            len(one),
        )
        for key, one in found.series.items()
    }
    return {
        "series": series,
        "order": list(found.series),
        "about": repr(found.about),
        "listed": repr(found.listed),
        "damage": [one.reason for one in found.damage],
        "state": repr(found.state.__class__(**{**vars(found.state), "duration": 0.0, "ended": None})),
        "checkpoints": found.checkpoints,
        "at": [repr(found.at(mark, one)) for mark in found.checkpoints for one in found.series.values()],
    }


def same(folder: RunFolder, known: Segments | None = None) -> None:
    wanted = told(History(folder))
    for read in (known or Segments(folder), Segments(folder), Segments(folder)):  # the last from the cache
        assert told(History(folder, read)) == wanted


def live(training: Training, dice: random.Random, *, large: bool, known: Segments) -> None:
    """A few attempts with several ranks, each from an earlier checkpoint, from nothing, or adding."""
    marks: list[tuple[int, str]] = []
    for attempt in range(1, dice.randint(2, 5)):
        parent, mark = dice.choice([(None, None), (attempt - 1 or None, None), *marks[-2:]])
        training.start(parent=parent, checkpoint=mark)
        main = training.journal
        others = [
            training.open(rank=1),
            training.open(role="child"),
            training.open(role="shipper"),
            main,
            main,
        ]
        for step in range(dice.randrange(60)):
            training.journal = dice.choice(others)
            stage, axis = dice.choice(WHERE)
            names = dice.sample("abcde", dice.randrange(4))
            values = {name: dice.choice([*SPECIAL, dice.gauss(0, 1), 1.0, 2.0]) for name in names}
            training.log(step, values, stage, axis=axis, epoch=dice.choice([None, step // 9]))
            odd(training, dice, attempt, step, marks, large=large)
        training.journal = main
        if dice.random() < 0.6:
            training.end(dice.choice(["finished", "failed", "preempted"]))
            if dice.random() < 0.3:
                training.log(99, {"a": 1.0})
        same(training.folder, known)


def odd(
    training: Training,
    dice: random.Random,
    attempt: int,
    step: int,
    marks: list[tuple[int, str]],
    *,
    large: bool,
) -> None:
    """Now and then something other than a measurement."""
    match dice.randrange(12):
        case 0:
            id = f"{attempt}-{step}"
            marks.append((attempt, id))
            training.checkpoint(id, step).checkpoint(id, step, monitor="a", best=dice.random() < 0.5)
        case 1:
            training.write(Alert(time=training.now(), title="hot"), Saved(time=1.0, id="s", step=step))
        case 2:
            training.params(lr=step).write(scalars(0.0, step, {"a": 1.0}))
        case 3 if large:
            training.write(scalars(0.0, dice.choice([step, 2**63 - 1, -(2**70)]), {"a": 1.0}))
            training.write(scalars(training.now(), step, {"a": 1.0}, epoch=2**63))


def spoil(folder: RunFolder, dice: random.Random) -> None:
    """Damage, repeats and torn ends in some of the files."""
    for path in folder.journal.iterdir():
        content = bytearray(path.read_bytes())
        at = dice.randrange(len(content))
        match dice.randrange(7):
            case 0:
                content[at] ^= 1 << dice.randrange(8)
            case 1:
                del content[at : at + dice.choice([1, 300])]
            case 2:
                content += b'{"c":"0000'
            case 3:
                del content[-1:]
            case 4:
                again = path.with_name(path.name.replace(".0.", ".7."))
                again.write_bytes(path.read_bytes())
            case 5:
                content += seal(encode(Alert(time=1.0, title="late")), 10**6)
        path.write_bytes(content)


@pytest.mark.parametrize("seed", range(16))
def test_random_histories_are_told_alike(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    training = Training(tmp_path)
    known = Segments(training.folder)
    live(training, dice, large=seed % 3 == 0, known=known)
    if seed % 2:
        spoil(training.folder, dice)
        same(training.folder, known)
    before = summed(training.folder)
    for paths in writers(training.folder.journal).values():
        for path in paths:
            if dice.random() < 0.5:
                columnar(path)
    same(training.folder, known)
    assert summed(training.folder) == before


def summed(folder: RunFolder) -> list[str]:
    """What lists show of a run."""
    found = digest(folder)
    return [
        repr(getattr(found, name)) for name in ("config", "headline", "stages", "best", "alerts", "lives")
    ]


def columnar(path: Path) -> None:
    try:
        packing.write(path.read_bytes(), path.with_suffix(".parquet"))
    except column_writer.RefusedError:
        path.with_suffix(".parquet").unlink(missing_ok=True)
    else:
        path.unlink()


def test_a_live_run_is_read_on(tmp_path: Path) -> None:
    training = Training(tmp_path).start()
    run = StoredRun(training.folder)
    for step in range(300):
        training.log(step, {"loss": float(step)})
        if step % 50 == 0:
            assert len(run.series("loss")) == step + 1
            run.refresh()
    assert len(run.series("loss")) == 300
    assert (run.folder.path / "cache" / "columns").is_dir()


def test_a_cache_that_is_damaged_or_of_other_bytes_is_not_believed(tmp_path: Path) -> None:
    training = Training(tmp_path).start()
    for step in range(200):
        training.log(step, {"loss": float(step)})
    training.end()
    same(training.folder)
    [path] = writers(training.folder.journal)[training.journal.writer]
    [cached] = (training.folder.path / "cache" / "columns").iterdir()
    content = cached.read_bytes()
    for at in range(0, len(content), len(content) // 50):
        cached.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        assert told(History(training.folder, Segments(training.folder))) == told(History(training.folder))
    cached.write_bytes(content)
    path.write_bytes(path.read_bytes().replace(b'"loss":7.0', b'"loss":8.0'))
    assert [type(one) for one in History(training.folder, Segments(training.folder)).damage] == [Damage]


def test_a_store_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    training = Training(tmp_path).start()
    for step in range(200):
        training.log(step, {"loss": float(step)})
    training.end()
    (training.folder.path / "cache").write_text("in the way")
    same(training.folder)
