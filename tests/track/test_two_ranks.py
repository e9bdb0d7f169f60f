"""Two processes (gloo): one run, one folder, a file of values for each rank; killed and gone on with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from etm_lightning.attempts import find_writers
from etm_lightning.execute.resume import last_checkpoint
from etm_lightning.records import Started
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from tests import warm
from tests.track.lines import of_kind

ROOT = Path(__file__).parents[2]


def trained(folder: Path, at: int, *arguments: str) -> int:
    command = [warm.python(), "-m", "tests.track.two_ranks", *arguments]
    before = set(ROOT.iterdir())
    done = subprocess.run(
        command,
        env=warm.bare() | {"ETM_STORE": str(folder), "AT": str(at)},
        cwd=ROOT,
        timeout=200,
        capture_output=True,
        check=False,
    )
    assert set(ROOT.iterdir()) == before
    return done.returncode


def stored(store: Path) -> StoredRun:
    assert [path.name[:3] for path in (store / "p").iterdir()] == ["202"]
    [run] = Store(store).runs()
    return run


@pytest.mark.slow
def test_two_ranks_killed_and_gone_on_with_are_one_run_with_a_whole_curve_each(tmp_path: Path) -> None:
    assert trained(tmp_path, 8, "ddp") < 0
    killed = stored(tmp_path)
    assert killed.status == "crashed"
    assert len(killed.series("local")) == 8
    newest = last_checkpoint(killed)
    assert newest is not None
    assert newest.name.endswith("step=5.ckpt")
    assert trained(tmp_path, -1, "ddp_spawn", str(newest)) == 0
    run = stored(tmp_path)
    assert (run.id, run.attempts, run.status) == (killed.id, 2, "finished")
    for rank in (0, 1):
        points = run.series("local", rank=rank)
        assert [(point.step, point.value) for point in points] == [(i, i + 100.0 * rank) for i in range(12)]
        assert len(run.series("local", rank=rank, superseded=True)) == 8 + 7
    assert [point.value for point in run.series("local")] == list(range(12))
    assert run.metrics["local"].max is not None
    assert run.metrics["local"].max.value == 11
    assert set(run.frame()["rank"]) == {0}
    assert set(run.frame(rank=None)["rank"]) == {0, 1}
    writers = [(w.header.attempt, w.header.rank, w.header.role) for w in find_writers(run.folder.journal)]
    assert writers == [(1, 0, "train"), (1, 1, "train"), (2, 0, "train"), (2, 1, "train")]
    assert [started.parent for started in of_kind(run.folder, Started)] == [None, 1]
    shards = [w.name.split("-")[1] for w in find_writers(run.folder.journal) if w.header.rank]
    assert shards == ["train1", "train1"]
    kinds = {
        type(item).__name__ for w in find_writers(run.folder.journal) if w.header.rank for _, item in w.read()
    }
    assert kinds == {"Header", "Scalars", "Checkpoint", "Ended"}
