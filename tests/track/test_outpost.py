"""A run on several nodes: the hardware of each is in the run, as shards of the same series."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from etm_lightning.attempts import find_writers
from etm_lightning.layout import RunFolder
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from etm_lightning.tail import Tail
from etm_lightning.track.shipping import outpost as outposts
from etm_lightning.track.shipping.outpost import Outpost
from tests.contracts import journals
from tests.track.forge import Forge, forge

# One process for each node, with what torchrun tells it.
NODES = """
    import time
    from etm_lightning.attempts import find_writers
    from etm_lightning.records import Scalars
    from etm_lightning.track.shipping import companion
    companion.START_AFTER = {True: 0.0, False: 0.0}
    node = 0 if os.fork() else 1
    os.environ.update(
        TORCHELASTIC_RUN_ID="x", MASTER_ADDR="127.0.0.1", WORLD_SIZE="2", RANK=str(node),
        LOCAL_RANK="0", LOCAL_WORLD_SIZE="1", GROUP_RANK=str(node),
    )
"""
# Rank 0 trains until both have sampled.
SAMPLED = """
    logger = ETMLogger("p", all_ranks=ALL_RANKS)

    def sampled():
        ours = [w for w in find_writers(logger.folder.journal) if w.header.role == "shipper"]
        return {w.header.rank for w in ours if any(isinstance(item, Scalars) for _, item in w.read())}

    class Model(Line):
        def training_step(self, batch, batch_idx):
            until = time.monotonic() + 30
            while batch_idx == 1 and sampled() != {0, 1} and time.monotonic() < until:
                time.sleep(0.05)
            return super().training_step(batch, batch_idx)

    trainer(logger, strategy="ddp", num_nodes=2, limit_val_batches=0).fit(Model(batches=4))
    if node == 0:
        os.wait()
"""
FORKED = """
    logger = ETMLogger("p", all_ranks=True, shipper=False)
    options = {"strategy": "ddp", "num_nodes": 2, "limit_val_batches": 0}
    first = trainer(logger, **options)
    first.fit(Line(batches=4))
    first.save_checkpoint("early.ckpt")
    first.fit_loop.max_epochs = 2
    first.fit(Line(batches=4, lr=0.5), ckpt_path="early.ckpt")
    if node == 0:
        os.wait()
"""


@pytest.fixture(scope="module")
def scripts() -> Iterator[Forge]:
    with forge() as started:
        yield started


def free_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


def stored(place: Path) -> StoredRun:
    [run] = Store(place / "store").runs()
    return run


@pytest.mark.slow
@pytest.mark.parametrize("all_ranks", [False, True])
def test_the_hardware_of_two_nodes_is_two_shards_of_one_series(
    scripts: Forge, tmp_path: Path, all_ranks: bool
) -> None:
    script = NODES + SAMPLED.replace("ALL_RANKS", str(all_ranks))
    assert scripts.run(tmp_path, script, MASTER_PORT=free_port()) == 0, (tmp_path / "err").read_text()
    run = stored(tmp_path)
    assert (run.status, run.attempts) == ("finished", 1)
    for rank in (0, 1):
        assert run.series("system/memory_gb", rank=rank)[0].value > 0.01
    shown = {point.time for point in run.series("system/memory_gb")}
    assert shown.isdisjoint(point.time for point in run.series("system/memory_gb", rank=1))
    assert set(run.frame()["rank"]) == {0}
    writers = [writer.header for writer in find_writers(run.folder.journal)]
    assert sorted((header.role, header.rank) for header in writers if header.role == "shipper") == [
        ("shipper", 0),
        ("shipper", 1),
    ]
    assert [header.rank for header in writers if header.role == "train"] == [0, 1][: 1 + all_ranks]
    assert not any("shipper1" in name for name, _, _ in Tail(run.folder.journal).poll())


@pytest.mark.slow
def test_every_rank_writes_for_a_fork_that_follows_in_the_same_process(
    scripts: Forge, tmp_path: Path
) -> None:
    assert scripts.run(tmp_path, NODES + FORKED, MASTER_PORT=free_port()) == 0, (tmp_path / "err").read_text()
    [fork] = [run for run in Store(tmp_path / "store").runs() if run.identity.forked_from]
    writers = [writer.header for writer in find_writers(fork.folder.journal)]
    assert [(header.attempt, header.rank) for header in writers] == [(1, 0), (1, 1)]
    for rank in (0, 1):
        assert [point.step for point in fork.series("train/loss", rank=rank)] == [2, 3]


def test_where_the_folder_is_not_on_a_shared_disk_nothing_is_done(tmp_path: Path) -> None:
    now = [0.0]
    folder = RunFolder(tmp_path / "p" / "r1")
    one = Outpost(folder, 1, 8, clock=lambda: now[0])
    assert one.look_after()
    now[0] = outposts.WAIT
    assert not one.look_after()
    one.end_at_exit(None)
    assert one.finish() == []
    assert list(tmp_path.iterdir()) == []


def test_it_waits_for_the_attempt_to_begin_and_not_only_for_the_run(tmp_path: Path) -> None:
    folder = journals.simple(tmp_path, steps=1)
    assert folder.identity_file.exists()
    one = Outpost(folder, 2, 8)
    assert one.look_after()
    assert one._companion is None
    assert folder.attempts() == 1


def test_it_leaves_with_the_process_that_it_accompanies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etm_lightning.track.shipping.companion.START_AFTER", {False: 0.0})
    one = Outpost(journals.simple(tmp_path, steps=1), 1, 8)
    assert one.look_after()
    one.end_at_exit(None)
    deadline = time.monotonic() + 20
    while one.look_after():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert one.over
    assert not (one.folder.logs / "shipper-1.8.log").read_text()
