"""Segments become columns under SIGKILL, twice at once, and while a run goes on: the same numbers always."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from etm_lightning.layout import RunFolder
from etm_lightning.packing import pack
from etm_lightning.reading import writers
from etm_lightning.store.run import StoredRun
from etm_lightning.tail import Tail
from tests.store.building import Training

ROOT = Path(__file__).parents[2]
SWEEP = """
import json, shutil, sys
from pathlib import Path
from tests.faults.compacting import in_a_child
from tests.faults.test_compaction import numbers
whole, ends = Path(sys.argv[1]), []
for number in range(1, 1000):
    journal = shutil.copytree(whole.parent, whole.parent.with_name("work")) / "journal"
    lived = in_a_child(journal, number)
    ends.append([numbers(journal), sorted(path.suffix for path in journal.iterdir())])
    in_a_child(journal, 0)
    ends.append([numbers(journal), sorted(path.suffix for path in journal.iterdir())])
    shutil.rmtree(journal.parent)
    if lived:
        break
print(json.dumps(ends))
"""


def life(store: Path, *, steps: int = 300) -> Training:
    """A run of two attempts, in several segments, of which no process lives."""
    training = Training(store).start()
    for step in range(steps):
        training.log(step, {"loss": 1 / (step + 1), "acc": step / 7})
        if step % 100 == 99:
            training.checkpoint(f"c{step}", step)
            training.journal.close()
    training.end("failed").start(parent=1, checkpoint=f"c{steps - 1}")
    training.log(steps, {"loss": 0.5})
    return training.end()


def numbers(journal: Path) -> str:
    """What the journal comes to, by every way to read it."""
    run = StoredRun(RunFolder(journal.parent))
    points = [repr(run.series(name)) for name in sorted(run.metrics)]
    tail = [(cursor.segment, cursor.n, repr(record)) for _, cursor, record in Tail(journal).poll()]
    return repr((points, tail, run.damage, [view.id for view in run.checkpoints]))


def forms(journal: Path) -> list[str]:
    return [path.suffix for paths in writers(journal).values() for path in paths]


def test_a_kill_before_any_system_call_changes_no_number(tmp_path: Path) -> None:
    journal = life(tmp_path, steps=100).folder.journal
    wanted = numbers(journal)
    done = subprocess.run(
        [sys.executable, "-c", SWEEP, str(journal)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ends = json.loads(done.stdout)
    assert len(ends) >= 2 * 6
    assert {found for found, _ in ends} == {wanted}
    for _, suffixes in ends[1::2]:  # who comes after the kill brings it to an end
        assert sorted({*suffixes} - {".tmp"}) == [".jsonl", ".parquet"]
        assert suffixes.count(".jsonl") == 2  # too small to be worth it


def compactor(journal: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.faults.compacting", str(journal)], cwd=ROOT)


def test_two_that_compact_at_once_and_a_run_that_goes_on_disturb_nobody(tmp_path: Path) -> None:
    training = life(tmp_path, steps=900)
    journal = training.folder.journal
    wanted = numbers(journal)
    both = [compactor(journal), compactor(journal)]
    while any(one.poll() is None for one in both):
        assert numbers(journal) == wanted
    assert [one.returncode for one in both] == [0, 0]
    assert forms(journal).count(".parquet") == 9
    assert numbers(journal) == wanted
    training.start(parent=2).log(901, {"loss": 0.25})
    assert [point.step for point in StoredRun(training.folder).series("loss")][-2:] == [900, 901]


def extra(training: Training) -> list[float]:
    """The values of `extra`, as a reader finds them now."""
    run = StoredRun(training.folder)
    assert not run.damage
    return [point.value for point in run.series("extra")]


def test_what_is_appended_in_the_moment_before_the_lines_go_is_there_when_its_writer_syncs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(tmp_path).start()
    for i in range(3000):
        training.log(i, {"extra": float(i)})
    (segment,) = training.folder.journal.iterdir()
    unlink = Path.unlink

    def late(path: Path, missing_ok: bool = False) -> None:
        if path == segment:
            training.log(3000, {"extra": 3000.0})
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", late)
    assert pack(segment) > 0
    assert forms(training.folder.journal) == [".parquet"]
    training.log(3001, {"extra": 3001.0})
    with pytest.raises(FileNotFoundError, match="deleted while it was written"):
        training.journal.sync()
    assert extra(training) == [float(i) for i in range(3002)]


@pytest.mark.soak
def test_kills_at_random_moments_while_others_read_and_write_change_no_number(tmp_path: Path) -> None:
    dice = random.Random(0)
    for round in range(12):
        store = tmp_path / str(round)
        training = life(store, steps=dice.choice([300, 3000]))
        journal = training.folder.journal
        live = training.start(parent=2).journal
        logged = 0
        for _ in range(4):
            several = [compactor(journal) for _ in range(2)]
            end = time.monotonic() + dice.uniform(0.3, 2.0)
            while time.monotonic() < end:
                training.log(10**6 + logged, {"extra": float(logged)})
                logged += 1
                wanted = [float(i) for i in range(logged)]
                if extra(training) != wanted:  # these compact what is being written too: see above
                    with pytest.raises(FileNotFoundError):
                        live.sync()
                    assert extra(training) == wanted
            for one in several:
                one.kill()
                one.wait()
        live.close()
        before = numbers(journal)
        assert compactor(journal).wait() == 0
        assert numbers(journal) == before
        shutil.rmtree(store)
