"""The catalogue says what reading every run says, whatever happens to its file."""

from __future__ import annotations

import io
import math
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from etm_lightning import Run
from etm_lightning.headline import as_json, follow_headline
from etm_lightning.journal import seal
from etm_lightning.layout import Identity, RunFolder
from etm_lightning.process import this_process
from etm_lightning.records import Alert, Ended, Header, Scalars, Started, encode
from etm_lightning.store import database, digesting, edits, looking, reader
from etm_lightning.store.catalogue import Catalogue
from etm_lightning.store.digest import Digest
from etm_lightning.store.digesting import digest
from etm_lightning.store.row import Row, key_of
from etm_lightning.store.run import StoredRun
from etm_lightning.store.sql import ask
from etm_lightning.store.store import Store
from tests.store.building import BASE, Training, finished
from tests.warm import python

WRITER = """
import sys, time
from pathlib import Path
from tests.store.building import Training, finished
store = Path(sys.argv[1])
finished(store, "done", 0.5, params={"lr": 1e-4})
training = Training(store, "live").start().log(1, {"a": 1.0})
print("ready", flush=True)
time.sleep(600)
"""
LISTER = """
import sys
from pathlib import Path
from etm_lightning.store.catalogue import Catalogue
print(len(Catalogue(Path(sys.argv[1]), path=Path(sys.argv[2])).rows()))
"""


def ended_without(row: Row) -> dict[str, Any]:
    """A row less what goes on with time."""
    return {k: v for k, v in row.as_json().items() if k != "duration" or row.status != "running"}


def same(left: list[Row], right: list[Row]) -> bool:
    return [ended_without(row) for row in left] == [ended_without(row) for row in right]


def told(run: StoredRun) -> dict[str, Any]:
    """What reading the whole journal says of a run, without the code that makes digests."""
    best = run.best_checkpoint
    return {
        "project": run.project, "id": run.id, "name": run.name, "group": run.group, "status": run.status,
        "reason": run.reason, "created": run.created, "started": run.started, "ended": run.ended,
        "attempts": run.attempts, "tags": run.tags, "notes": run.notes, "archived": run.archived,
        "metrics": as_json(run.headline), "alerts": len(run.alerts), "damage": len(run.damage),
        "monitor": {"name": best.monitor, "mode": best.mode, "score": best.score}
        if best and best.monitor
        else None,
    }  # fmt: skip


def history(store: Path, dice: random.Random, id: str) -> RunFolder:
    """A run with whatever may happen to one."""
    training = Training(store, id, tags=("a",), created=BASE + dice.random()).start()
    training.params(lr=dice.random(), model={"width": dice.randrange(9)})
    marks = []
    for step in range(dice.randrange(20)):
        stage = dice.choice(["train", "validate", "test"])
        names = dice.sample(["loss", "f1", "lr"], 2)
        training.log(step, {name: dice.choice([dice.random(), math.nan, math.inf]) for name in names}, stage)
        if dice.random() < 0.3:
            marks.append(f"c{step}")
            score = {"monitor": "f1", "mode": "max", "score": dice.random()} if dice.random() < 0.7 else {}
            training.checkpoint(marks[-1], step, best=dice.random() < 0.5, **score)
        if dice.random() < 0.1:
            training.write(Alert(time=training.now(), title="t"))
        if dice.random() < 0.1 and marks:
            training.journal.close()
            training.start(parent=training.attempt, checkpoint=dice.choice(marks))
        if dice.random() < 0.1:
            training.params(late=step)
    if dice.random() < 0.5:
        shipper = training.open(role="shipper")
        shipper.append(Alert(time=training.now(), title="slow"))
        training.journal, shipper = shipper, training.journal
        training.log(5, {"system/cpu": 0.5}, "", axis="seconds")
        training.journal = shipper
    if dice.random() < 0.7:
        known = follow_headline(training.folder.journal) if dice.random() < 0.7 else None
        summary = {"summary": as_json(known.values()), "stages": known.stages()} if known else {}
        training.end(dice.choice(["finished", "failed", "pruned"]), reason="why", **summary)
    if dice.random() < 0.2:
        edits.tag(training.folder, "late")
        edits.rename(training.folder, "other")
    if dice.random() < 0.2:
        path = dice.choice(sorted(training.folder.journal.iterdir()))
        content = bytearray(path.read_bytes())
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        path.write_bytes(content)
    return training.folder


def test_samples_of_the_machine_are_no_metrics_of_a_run(tmp_path: Path) -> None:
    with Run("p", save_dir=tmp_path / "etm_runs", shipper=False) as run:
        run.log({"loss": 1.0, "both": 2.0}, step=1)
        run.log({"system/cpu": 5.0, "both": 3.0}, step=1, axis="seconds", stage="")
    (row,) = Catalogue(tmp_path / "etm_runs").rows()
    assert row.metrics == StoredRun(run.folder).headline == {"loss": 1.0, "both": 2.0}


@pytest.mark.parametrize("seed", range(40))
def test_a_row_says_what_the_whole_journal_says(tmp_path: Path, seed: int) -> None:
    folder = history(tmp_path, random.Random(seed), "r1")
    (row,) = Catalogue(tmp_path).rows()
    assert {name: row.as_json()[name] for name in told(StoredRun(folder))} == told(StoredRun(folder))
    assert row.params == {k: v for k, v in row.params.items() if k in ("lr", "model.width", "late")}
    listed, read = Store(tmp_path).runs()[0], StoredRun(folder)
    for name in ("params", "stages", "best_checkpoint", "code", "data", "identity", "status"):
        ours, theirs = getattr(listed, name), getattr(read, name)
        if name == "best_checkpoint" and ours and theirs:
            ours, theirs = (ours.id, ours.score, ours.monitor), (theirs.id, theirs.score, theirs.monitor)
        assert ours == theirs, name


def test_a_run_of_one_attempt_is_not_read_the_long_way(tmp_path: Path) -> None:
    """The end's summary is believed: with it values are not even decoded."""
    training = Training(tmp_path, "r1").start().log(1, {"a": 1.0}, "test")
    training.end(summary={"a": 2.0}, stages={"a": "test"})
    assert digest(training.folder).headline == {"a": 2.0}
    assert StoredRun(training.folder).headline == {"a": 1.0}


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A store with a run that finished and one that was killed, of a process that is gone, some time ago."""
    store = tmp_path / "store"
    writer = subprocess.Popen([python(), "-c", WRITER, str(store)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    assert writer.stdout.readline() == "ready\n"
    assert {row.id: row.status for row in Catalogue(store).rows()} == {"done": "finished", "live": "running"}
    (header,) = {life.header.pid for life in digest(RunFolder(store / "p" / "live")).lives}
    os.kill(header, signal.SIGKILL)
    writer.communicate()
    assert {row.id: row.status for row in Catalogue(store).rows()} == {"done": "finished", "live": "crashed"}
    for journal in store.glob("p/*/journal"):
        for path in (*journal.iterdir(), journal):
            os.utime(path, (time.time() - 60,) * 2)
    return store


def test_a_run_at_rest_is_not_read_again(killed: Path) -> None:
    catalogue = Catalogue(killed)
    before = catalogue.rows()
    for path in killed.glob("p/*/journal/*"):
        path.write_bytes(b"")  # which changes no folder: nobody writes to the file of a process that is gone
    assert same(catalogue.rows(), before)
    assert same(Catalogue(killed).rows(), before)
    assert not catalogue.refresh()
    edits.tag(RunFolder(killed / "p" / "done"), "x")
    assert [row.tags for row in catalogue.rows("name == done or id == done")] == [("x",)]


@pytest.mark.parametrize(
    "content", [None, b"", b"not a database", b"SQLite format 3\0" + bytes(4096), "version", "schema", "rows"]
)
def test_a_file_that_is_gone_damaged_or_of_another_version_is_made_anew(
    killed: Path, tmp_path: Path, content: bytes | str | None
) -> None:
    path = tmp_path / "cache" / "c.sqlite"
    before = Catalogue(killed, path=path).rows()
    assert len(before) == 2
    if content is None:
        shutil.rmtree(path.parent)
    elif isinstance(content, bytes):
        database.remove(path)
        path.write_bytes(content)
    else:
        spoil = {
            "version": "PRAGMA user_version=99",
            "schema": "DROP TABLE vals",
            "rows": "UPDATE bodies SET row='{'",
        }
        with sqlite3.connect(path) as opened:
            opened.execute(spoil[content])
        opened.close()
    catalogue = Catalogue(killed, path=path)
    assert same(catalogue.rows(), before)
    assert same(catalogue.rows("has lr"), [row for row in before if row.id == "done"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    catalogue.close()


def test_a_file_that_breaks_while_it_is_open_is_made_anew(killed: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    catalogue = Catalogue(killed, path=path)
    before = catalogue.rows()
    catalogue.close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    assert same(catalogue.rows(), before)
    assert same(catalogue.rows("has lr"), [row for row in before if row.id == "done"])


def test_where_no_file_can_be_it_is_in_memory(
    killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    assert len(Catalogue(killed, path=tmp_path / "file" / "c.sqlite").rows()) == 2
    monkeypatch.setenv("ETM_CATALOGUE", "0")
    assert database.place(killed) is None
    assert len(Catalogue(killed).rows()) == 2


def test_a_store_that_nobody_may_write_to_is_listed(killed: Path) -> None:
    for path in (*killed.glob("**/*"), killed):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        assert len(Catalogue(killed).rows()) == 2
        assert len(Store(killed).runs("has lr")) == 1
    finally:
        for path in (killed, *killed.glob("**/*")):
            path.chmod(path.stat().st_mode | 0o200)


def test_processes_at_once_agree(tmp_path: Path) -> None:
    store, path = tmp_path / "store", tmp_path / "c.sqlite"
    for number in range(30):
        finished(store, f"r{number}", 0.5, params={"lr": number})
    several = [
        subprocess.Popen([python(), "-c", LISTER, str(store), str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [process.communicate()[0] for process in several] == ["30\n"] * 4
    assert len(Catalogue(store, path=path).rows("lr >= 10")) == 20


def test_what_changes_is_told(tmp_path: Path) -> None:
    folder = finished(tmp_path, "a", 0.1, params={"lr": 1, "old": 2})
    catalogue = Catalogue(tmp_path)
    key = key_of(tmp_path, "p", "a")
    assert catalogue.refresh().added == (key,)
    edits.rename(folder, "new")
    assert catalogue.refresh().changed == (key,)
    assert catalogue.folder(key) == folder
    finished(tmp_path, "b", 0.1, params={"lr": 2})
    shutil.rmtree(folder.path)
    changes = catalogue.refresh()
    assert (changes.added, changes.removed) == ((key_of(tmp_path, "p", "b"),), (key,))
    assert catalogue.names().params == ("lr",)
    with pytest.raises(LookupError, match=key):
        catalogue.folder(key)


def test_a_record_after_the_end_reopens_the_run(tmp_path: Path) -> None:
    training = Training(tmp_path).start().end("failed")
    catalogue = Catalogue(tmp_path)
    assert [row.status for row in catalogue.rows()] == ["failed"]
    training.log(1, {"a": 1.0})
    (row,) = catalogue.rows("status == running")
    (later,) = catalogue.rows()
    assert later.duration > row.duration
    training.end("finished")
    assert [row.status for row in catalogue.rows()] == ["finished"]


def test_how_long_a_run_takes_does_not_count_how_long_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(journal: Path) -> tuple[float, list[str]]:
        time.sleep(0.2)
        return files(journal)

    files = digesting._files
    monkeypatch.setattr(digesting, "_files", slow)
    Training(tmp_path).start()
    (row,) = Catalogue(tmp_path).rows()
    assert row.started
    assert row.duration <= time.time() - row.started


def test_a_run_of_another_host_is_looked_at_until_a_day_of_silence(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "p" / "far")
    folder.create(Identity(id="far", project="p", created=BASE))
    here = this_process()
    header = Header(
        time=1.0, format=1, run="far", attempt=1, role="train", rank=0, host="elsewhere", boot="b",
        pid=here.pid, born=here.born, segment=0,
    )  # fmt: skip
    from etm_lightning.journal import seal

    path = folder.journal / "1-train-elsewhere-1-abcd.0.jsonl"
    path.write_bytes(seal(encode(header), 0) + seal(encode(Started(time=2.0, attempt=1)), 1))
    catalogue = Catalogue(tmp_path)
    assert [row.status for row in catalogue.rows()] == ["running"]
    old = time.time() - 7200
    os.utime(path, (old, old))
    assert [row.status for row in catalogue.rows()] == ["crashed"]
    with path.open("ab") as file:
        file.write(seal(encode(Ended(time=3.0, status="finished")), 2))
    os.utime(path, (old + 1, old + 1))
    assert [row.status for row in catalogue.rows()] == ["finished"]


def test_columns_tell_what_runs_have(tmp_path: Path) -> None:
    finished(tmp_path, "a", 0.1, params={"lr": 1, "opt": "adam"})
    finished(tmp_path, "b", 0.3, params={"lr": 2})
    catalogue = Catalogue(tmp_path)
    found = catalogue.columns()
    assert found["params"] == [
        {"name": "lr", "count": 2, "numeric": True, "values": [1, 2]},
        {"name": "opt", "count": 1, "numeric": False, "values": ["adam"]},
    ]
    assert found["metrics"][1] == {"name": "val/f1", "count": 2, "min": 0.1, "max": 0.3}
    assert [one["count"] for one in catalogue.columns("lr > 1")["params"]] == [1]
    assert catalogue.count("lr > 1") == 1


def test_pages_and_orders(tmp_path: Path) -> None:
    for number, lr in enumerate([3, 1, None, 2]):
        finished(tmp_path, f"r{number}", 0.5, params={"lr": lr} if lr else {}, created=BASE + number)
    catalogue = Catalogue(tmp_path)
    assert [row.id for row in catalogue.rows()] == ["r3", "r2", "r1", "r0"]
    assert [row.id for row in catalogue.rows(sort="lr")] == ["r1", "r3", "r0", "r2"]
    assert [row.id for row in catalogue.rows(sort="-param.lr")] == ["r0", "r3", "r1", "r2"]
    assert [row.id for row in catalogue.rows(sort="id", limit=2, offset=1)] == ["r1", "r2"]
    keys = [row.key for row in catalogue.rows(sort="id", limit=2)]
    assert [row.id for row in catalogue.rows(keys=keys, sort="id")] == ["r0", "r1"]
    with pytest.raises(ValueError, match=r"`sort` must name .* got 'val/f2'.*did you mean val/f1"):
        catalogue.rows(sort="-val/f2")


def test_a_digest_is_kept_as_it_is(tmp_path: Path) -> None:
    import msgspec

    for seed in range(10):
        one = digest(history(tmp_path, random.Random(seed), f"r{seed}"))
        assert msgspec.json.decode(msgspec.json.encode(one), type=Digest) == one


def test_who_asks_what_is_known_does_not_wait_for_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tmp_path, "a", 0.5)
    catalogue = Catalogue(tmp_path)
    assert catalogue.count() == 1
    looks, on = threading.Event(), threading.Event()

    def slow(store: Path) -> list[tuple[str, int]]:
        looks.set()
        assert on.wait(30)
        return list(folders(store))

    folders = looking.folders
    monkeypatch.setattr(looking, "folders", slow)
    finished(tmp_path, "b", 0.6)
    looker = threading.Thread(target=catalogue.refresh)
    looker.start()
    try:
        assert looks.wait(30)
        assert catalogue.known().count() == 1
    finally:
        on.set()
        looker.join()
    assert catalogue.known().count() == 2


@pytest.fixture
def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Processes that read runs, of which there are many: nine in `tmp_path / "store"`, one damaged."""
    store = tmp_path / "store"
    for number in range(9):
        finished(store, f"run-{number}", number / 10, params={"lr": number})
    next(store.glob("*/run-4*/run.json")).write_text("{")
    started: list[subprocess.Popen[bytes]] = []

    class Started(subprocess.Popen[bytes]):
        def __init__(self, *of: Any, **how: Any) -> None:
            super().__init__(*of, **how)
            started.append(self)

    monkeypatch.setattr(reader, "MANY", 9)
    monkeypatch.setattr(reader, "SHARE", 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(subprocess, "Popen", Started)
    return started


def alone(tmp_path: Path) -> list[Row]:
    """The rows as one process reads them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: 1)
        rows = Catalogue(tmp_path / "store", path=tmp_path / "alone.sqlite").rows()
    assert len(rows) == 9
    return rows


def test_many_new_runs_are_read_by_other_processes_as_one_would(
    tmp_path: Path, several: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(reader, "read", None)  # not here
        rows = Catalogue(tmp_path / "store", path=tmp_path / "many.sqlite").rows()
    assert same(rows, alone(tmp_path))
    assert [one.returncode is None for one in several] == [False, False]


def test_runs_that_other_processes_do_not_tell_of_are_read_here(
    tmp_path: Path, several: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, asked = reader._Elsewhere.answer, []

    def cut(self: Any) -> Any:
        asked.append(self)
        if asked.count(self) == 2:  # the first of several that wait in the pipe is whole, the last is not
            self._process.wait()
            with self._process.stdout as pipe:
                rest = pipe.read()
            self._process.stdout = io.BytesIO(rest[: len(rest) * 2 // 3])
        return answer(self)

    with monkeypatch.context() as patch:
        patch.setattr(reader._Elsewhere, "answer", cut)
        assert same(Catalogue(tmp_path / "store", path=tmp_path / "cut.sqlite").rows(), alone(tmp_path))
    assert len(several) == 2 < len(asked)
    monkeypatch.setattr(sys, "executable", "/dev/null")  # none that could
    assert same(Catalogue(tmp_path / "store", path=tmp_path / "none.sqlite").rows(), alone(tmp_path))


def test_who_is_interrupted_while_many_runs_are_read_waits_for_no_more_of_them(
    tmp_path: Path, several: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    catalogue = Catalogue(tmp_path / "store", path=tmp_path / "c.sqlite")
    with monkeypatch.context() as patch:
        patch.setattr("etm_lightning.store.index.write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            catalogue.rows()
        assert [one.returncode is None for one in several] == [False, False]
    assert same(catalogue.rows(), alone(tmp_path))


def test_words_and_numbers_of_no_version_hinder_no_other_run(tmp_path: Path) -> None:
    finished(tmp_path, "run", 0.5)
    Training(tmp_path, "later").start().end("paused")  # type: ignore[arg-type]
    odd = RunFolder(tmp_path / "p" / "odd")
    (journal := odd.journal).mkdir(parents=True)
    head = Header(
        time=1.0, format=1, run="odd", attempt=10**400, role="train", rank=10**30, host="", boot="", pid=1,
        born=1, segment=0,
    )  # fmt: skip
    lines = seal(encode(head), 0) + seal(encode(Scalars(time=1.0, step=1, values={"a": 1.0})), 1)
    (journal / "1-train-far-1-abcd.0.jsonl").write_bytes(lines)
    catalogue = Catalogue(tmp_path)
    assert {row.id: row.status for row in catalogue.rows()} == {
        "run": "finished", "later": "paused", "odd": "running",
    }  # fmt: skip
    assert {one.state.status for _, one in catalogue.digests()} == {"finished", "paused", "running"}
    assert [row.id for row in catalogue.rows("attempts > 1")] == ["odd"]
    assert ask(Store(tmp_path).runs(), "select id from runs where attempts > 1").rows == [("odd",)]
    assert (2**63 - 1,) in ask(Store(tmp_path).runs(), "select rank from scalars").rows
    assert StoredRun(odd).lives().keys() == {10**400}


def test_names_that_are_no_text_are_passed_over(tmp_path: Path) -> None:
    run = finished(tmp_path, "run", 0.5)
    odd = os.fsdecode(b"\xff")
    try:
        shutil.copytree(run.path, run.path.with_name(odd))
    except OSError as error:
        pytest.skip(f"this file system has no such names: {error}")
    shutil.copytree(run.path.parent, tmp_path / odd)
    (run.journal / f"{odd}.jsonl").touch()
    assert [row.id for row in Catalogue(tmp_path).rows()] == ["run"]
    assert [folder.path for folder in Store(tmp_path).folders()] == [run.path]
    assert Store(tmp_path).projects() == ["p"]
    with pytest.raises(LookupError, match="no run in"):
        Store(tmp_path).run(odd)


def test_questions_wait_for_no_look_and_for_no_other_question(tmp_path: Path) -> None:
    finished(tmp_path / "s", "a", 0.5, params={"lr": 1})
    catalogue = Catalogue(tmp_path / "s", path=tmp_path / "c.sqlite")
    assert [row.id for row in catalogue.rows()] == ["a"]
    answers: list[object] = []

    def ask() -> None:
        known = catalogue.known()
        answers.extend(
            [known.columns()["params"][0]["name"], known.rows()[0].id, known.count(), known.pulse()]
        )

    with catalogue._index._lock, catalogue._index._looking:  # as long as a look goes on
        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(20)
    assert answers[:-1] == ["lr", "a", 1]
    assert len(answers[-1]) == 1  # type: ignore[arg-type]  # the pulse, by run


def test_a_connection_that_is_at_work_while_the_catalogue_closes_is_closed_after_its_question(
    tmp_path: Path,
) -> None:
    finished(tmp_path / "s", "a", 0.5)
    index = Catalogue(tmp_path / "s", path=tmp_path / "c.sqlite")._index
    index.refresh()
    used: list[sqlite3.Connection] = []
    begun, closed = threading.Event(), threading.Event()

    def act(known: sqlite3.Connection) -> int:
        used.append(known)
        begun.set()
        assert closed.wait(20)
        return int(known.execute("SELECT COUNT(*) FROM runs").fetchone()[0])

    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(index._asked, act)
        assert begun.wait(20)
        index.close()
        closed.set()
        assert asked.result(20) == 1
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        used[0].execute("SELECT 1")


def test_a_file_that_is_deleted_or_replaced_meanwhile_changes_no_answer(tmp_path: Path) -> None:
    store, path = tmp_path / "s", tmp_path / "c.sqlite"
    finished(store, "a", 0.5)
    catalogue = Catalogue(store, path=path)
    catalogue.refresh()
    path.unlink()
    assert [row.id for row in catalogue.known().rows()] == ["a"]
    sqlite3.connect(path).execute("CREATE TABLE runs (run)").connection.close()
    assert [row.id for row in catalogue.known().rows()] == ["a"]
    finished(store, "b", 0.5, created=BASE + 1)
    assert [row.id for row in catalogue.rows()] == ["b", "a"]
