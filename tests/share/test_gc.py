"""Making room frees what may go and nothing else."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from etm_lightning.journal import Journal, seal
from etm_lightning.records import Edit
from etm_lightning.share import gc
from etm_lightning.share.gc import Kept, Plan, Rules, Step
from etm_lightning.store import edits
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from etm_lightning.track.shipping.delivery import Delivery
from tests.contracts.memory import Memory
from tests.store.building import Training

DAY = 86400.0


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))


def dead(training: Training) -> Training:
    """As if the process that wrote it were gone: its files name another boot of this machine."""
    for path in training.folder.journal.iterdir():
        content = path.read_bytes().splitlines(keepends=True)
        head = json.loads(content[0])
        body = {name: value for name, value in head.items() if name not in ("c", "n")} | {"boot": "earlier"}
        path.write_bytes(sealed(body, head["n"]) + b"".join(content[1:]))
    return training


def sealed(body: dict[str, object], n: object) -> bytes:
    assert isinstance(n, int)
    return seal(json.dumps(body, separators=(",", ":")).encode(), n)


def trained(store: Path, id: str, *, score: float = 0.5, steps: int = 200, group: str = "g") -> Training:
    training = Training(store, id, group=group).start().params(lr=score)
    for step in range(steps):
        training.log(step, {"train/loss": 1 / (step + 1), "train/acc": step / steps})
    training.checkpoint(f"{id}-best", steps, monitor="val/f1", mode="max", score=score, best=True)
    training.folder.checkpoints.mkdir()
    (training.folder.checkpoints / "best.ckpt").write_bytes(bytes(10_000))
    return training.end()


def told(store: Path) -> dict[str, list[str]]:
    return {
        run.id: [repr(run.series(name)) for name in run.metrics] + [run.status, repr(run.params)]
        for run in Store(store).runs(archived=True)
    }


def do(store: Path, rules: Rules) -> tuple[Plan, list[Step | Kept]]:
    found = gc.plan(Store(store), rules)
    return found, list(gc.carry_out(found))


def test_finished_segments_become_columns_and_the_runs_stay_what_they_are(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for i in range(3):
        dead(trained(store, f"20231114-221320-run-000{i}"))
    before, size = told(store), gc.size_of(store)
    found, done = do(store, Rules())
    assert [step.kind for step in found.steps] == ["columns"] * 3
    assert all(isinstance(one, Step) and one.frees > 0 for one in done)
    assert size - gc.size_of(store) == sum(one.frees for one in done if isinstance(one, Step))
    assert gc.size_of(store) < size
    assert told(store) == before
    assert not gc.plan(Store(store), Rules()).steps


def test_a_plan_changes_nothing_and_a_running_run_is_left_alone(tmp_path: Path) -> None:
    store = tmp_path / "store"
    training = trained(store, "20231114-221320-run-0001")  # this process lives
    dead(trained(store, "20231114-221320-run-0002"))
    files = {path: path.stat().st_mtime_ns for path in store.rglob("*")}
    found = gc.plan(Store(store), Rules(cache=True, checkpoints=0, trash_days=0))
    assert {step.run for step in found.steps} == {"20231114-221320-run-0002"}
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*")} == files
    assert StoredRun(training.folder).status == "finished"


def test_a_run_with_a_file_that_cannot_be_read_stays_and_hinders_no_other(tmp_path: Path) -> None:
    (unread,) = dead(trained(tmp_path, "20231114-221320-run-0001")).folder.journal.iterdir()
    unread.unlink()
    unread.mkdir()  # which not even root can read
    dead(trained(tmp_path, "20231114-221320-run-0002"))
    found = gc.plan(Store(tmp_path), Rules())
    assert {step.run for step in found.steps} == {"20231114-221320-run-0002"}
    (kept,) = found.kept
    assert (kept.run, kept.path) == ("20231114-221320-run-0001", unread)
    assert kept.why.startswith("a file cannot be read: ")


def test_a_run_that_began_again_since_it_was_planned_is_left_alone(tmp_path: Path) -> None:
    store = tmp_path / "store"
    training = dead(trained(store, "20231114-221320-run-0001"))
    found = gc.plan(Store(store), Rules(checkpoints=0))
    training.start()
    assert [one.why for one in gc.carry_out(found)] == ["it is running"] * 2


def test_what_a_sink_has_not_got_stays(tmp_path: Path) -> None:
    store = tmp_path / "store"
    training = Training(store).start().params("sinks", board={"sink": "tensorboard"})
    for step in range(200):
        training.log(step, {"loss": step / 7})
    dead(training.end())
    found = gc.plan(Store(store), Rules())
    assert not found.steps
    assert [one.why for one in found.kept] == [
        f"board has not got all of it: etm sync {training.folder.path.name}"
    ]
    assert tuple(gc.carry_out(found)) == found.kept  # which is told when it is done, too
    delivery = Delivery(training.folder, "board", {"sink": "board"}, make=lambda target: Memory(target))
    while delivery.advance():
        pass
    assert [one.kind for one in gc.plan(Store(store), Rules()).steps] == []  # it has the lease
    delivery.close()
    assert [one.kind for one in gc.plan(Store(store), Rules()).steps] == ["columns"]


def test_a_process_that_cannot_be_seen_is_waited_for(tmp_path: Path) -> None:
    training = trained(tmp_path / "store", "20231114-221320-run-0001")
    for path in training.folder.journal.iterdir():
        content = path.read_bytes().splitlines(keepends=True)
        head = json.loads(content[0])
        body = {name: value for name, value in head.items() if name not in ("c", "n")} | {"host": "elsewhere"}
        path.write_bytes(sealed(body, head["n"]) + b"".join(content[1:]))
    [kept] = gc.plan(Store(tmp_path / "store"), Rules()).kept
    assert "on elsewhere cannot be seen from here" in kept.why
    for path in training.folder.journal.iterdir():
        os.utime(path, (time.time() - 8 * DAY,) * 2)
    assert [step.kind for step in gc.plan(Store(tmp_path / "store"), Rules()).steps] == ["columns"]


def test_runs_that_are_long_in_the_trash_are_deleted_unless_they_were_taken_out(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for i, days in enumerate((40, 40, 5)):
        training = dead(trained(store, f"20231114-221320-run-000{i}", steps=1))
        journal = Journal(training.folder.journal, run="r", attempt=0, role="edits")
        journal.append(Edit(time=time.time() - days * DAY, op="trash"))
        journal.close()
    found = gc.plan(Store(store), Rules())
    assert [(step.kind, step.run[-4:]) for step in found.steps] == [("trash", "0001"), ("trash", "0000")]
    edits.restore(Store(store).run("0001").folder)
    assert [one.why for one in gc.carry_out(found) if isinstance(one, Kept)] == [
        "it was taken out of the trash"
    ]
    assert sorted(path.name[-4:] for path in (store / "p").iterdir()) == ["0001", "0002"]


def test_only_the_best_of_a_group_keep_their_checkpoints(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for i, score in enumerate((0.5, 0.9, 0.7)):
        dead(trained(store, f"20231114-221320-run-000{i}", score=score, steps=1))
    dead(trained(store, "20231114-221320-run-0008", score=0.1, steps=1, group=""))
    _, done = do(store, Rules(columns=False, checkpoints=1))
    assert {(one.run[-4:], one.frees) for one in done if isinstance(one, Step)} == {
        ("0000", 10_000),
        ("0002", 10_000),
    }
    kept = {path.parents[1].name[-4:] for path in store.rglob("*.ckpt")}
    assert kept == {"0001", "0008"}


def test_a_budget_takes_no_more_than_it_needs_and_first_what_loses_nothing(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for i in range(4):
        dead(trained(store, f"20231114-221320-run-000{i}", score=i / 10))
    size = gc.size_of(store)
    assert not gc.plan(Store(store), Rules(budget=size)).steps
    assert [step.kind for step in gc.plan(Store(store), Rules(budget=size - 1, checkpoints=0)).steps] == [
        "columns"
    ]
    everything = gc.plan(Store(store), Rules(budget=0, checkpoints=0))
    assert [step.kind for step in everything.steps] == ["columns"] * 4 + ["checkpoints"] * 4


def test_what_was_broken_off_is_cleared_away_a_day_later(tmp_path: Path) -> None:
    store = tmp_path / "store"
    training = dead(trained(store, "20231114-221320-run-0001", steps=1))
    left = [training.folder.journal / ".x.0.parquet.1234.tmp", store / "p" / ".gone-1234-run"]
    left[0].write_bytes(b"1")
    left[1].mkdir()
    (left[1] / "run.json").write_text("{}")
    assert not gc.plan(Store(store), Rules()).steps
    for path in left:
        os.utime(path, (time.time() - 2 * DAY,) * 2)
    do(store, Rules())
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1XB", "1 2"])
def test_a_budget_that_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="`budget` must be a size such as 20GB"):
        gc.parse_size(text)
    with pytest.raises(ValueError, match="`checkpoints` must not be negative but got -1"):
        gc.plan(Store(Path(__file__).parent), Rules(checkpoints=-1))
