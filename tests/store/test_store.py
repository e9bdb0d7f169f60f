"""Finding and listing runs, people's edits, and stores that are not what they should be."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from etm_lightning.layout import RunFolder
from etm_lightning.records import Alert, Artifact, Media, Text
from etm_lightning.share.described import text, whole
from etm_lightning.store import edits
from etm_lightning.store.history import History
from etm_lightning.store.looking import folders, is_run
from etm_lightning.store.run import StoredRun
from etm_lightning.store.selection import field, select
from etm_lightning.store.store import Store
from tests.store.building import BASE, Training, finished


def ids(store: Path, **wanted: object) -> list[str]:
    return [run.id for run in Store(store).runs(**wanted)]  # type: ignore[arg-type]


def test_an_empty_store_has_no_runs(tmp_path: Path) -> None:
    assert (ids(tmp_path), Store(tmp_path).projects()) == ([], [])
    with pytest.raises(LookupError, match="there is no run"):
        Store(tmp_path).run("latest")


def test_a_store_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not there"):
        Store(tmp_path / "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="is a file"):
        Store(tmp_path / "file")


def test_runs_come_newest_first_and_filtered(tmp_path: Path) -> None:
    finished(tmp_path, "a", 0.1, project="p/x", created=BASE + 2, tags=("t", "u"), group="g")
    finished(tmp_path, "b", 0.1, project="q", created=BASE + 3, status="failed", tags=("t",))
    finished(tmp_path, "c", 0.1, project="q", created=BASE + 1, group="g")
    (tmp_path / "q" / ".sweeps" / "s").mkdir(parents=True)
    assert Store(tmp_path).projects() == ["p/x", "q"]
    assert ids(tmp_path) == ["b", "a", "c"]
    assert ids(tmp_path, project="q") == ["b", "c"]
    assert ids(tmp_path, project="none") == []
    assert ids(tmp_path, group="g") == ["a", "c"]
    assert ids(tmp_path, status="failed") == ["b"]
    assert ids(tmp_path, tags=["t"]) == ["b", "a"]
    assert ids(tmp_path, tags=["t", "u"]) == ["a"]
    assert ids(tmp_path, limit=2) == ["b", "a"]
    assert Store(tmp_path).run("a").project == "p/x"


def test_a_part_of_an_id_is_enough(tmp_path: Path) -> None:
    finished(tmp_path, "20251123-lr=1-aaaa", 0.1)
    finished(tmp_path, "20251124-lr=2-bbbb", 0.1, created=BASE + 1)
    finished(tmp_path, "lr=2", 0.1)
    store = Store(tmp_path)
    assert store.run("aaaa").id == "20251123-lr=1-aaaa"
    assert store.run("lr=2").id == "lr=2"
    assert store.run("latest").id == "20251124-lr=2-bbbb"
    with pytest.raises(LookupError, match="in the ids of 2: 20251123-lr=1-aaaa, 20251124-lr=2-bbbb"):
        store.run("2025112")
    with pytest.raises(LookupError, match="Did you mean 20251124-lr=2-bbbb"):
        store.run("20251124-lr=3-bbbb")
    with pytest.raises(LookupError):
        store.run("")


def test_a_run_is_found_by_its_id_without_a_look_at_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("20251123-lr=1-aaaa", "20251124-lr=2-bbbb", "20251124-lr=2-cccc"):
        finished(tmp_path, name, 0.1)
    looked: list[str] = []

    def counted(folder: Path) -> bool:
        looked.append(folder.name)
        return is_run(folder)

    monkeypatch.setattr("etm_lightning.store.store.is_run", counted)
    store = Store(tmp_path)
    assert store.run("20251124-lr=2-bbbb").id == "20251124-lr=2-bbbb"
    assert store.run("aaaa").id == "20251123-lr=1-aaaa"
    assert looked == ["20251124-lr=2-bbbb", "20251123-lr=1-aaaa"]
    for odd in ("../p/20251123-lr=1-aaaa", "p/20251123-lr=1-aaaa", "/", ".", "..", "a" * 5000, "a\0"):
        with pytest.raises(LookupError):
            store.run(odd)


def test_a_leaderboard_looks_at_the_store_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(tmp_path, "a-1", 0.2, group="sweep-7", project="p")
    finished(tmp_path, "e-1", 0.2, evaluates="a-1", project="p", created=BASE + 2)
    looks: list[Path] = []

    def counted(store: Path) -> Iterator[tuple[str, int]]:
        looks.append(store)
        return folders(store)

    monkeypatch.setattr("etm_lightning.store.looking.folders", counted)
    for target, query in (
        ("", ""),
        ("sweep-7", ""),
        ("a-1", ""),
        ("p", "alerts == 0"),
        ("", "has evaluates"),
    ):
        opened = Store(tmp_path)
        opened.runs()
        looks.clear()
        field(opened, target, query)
        assert len(looks) == 1, (target, query)
    finished(tmp_path, "a-2", 0.2, group="sweep-7", project="p", created=BASE + 3)
    assert [run.id for run in field(opened, "sweep-7").runs] == ["a-2", "a-1", "e-1"]


def test_edits_change_what_is_shown_and_nothing_else(tmp_path: Path) -> None:
    folder = finished(tmp_path, "a", 0.1, tags=("old",), notes="first", name="n")
    before = folder.identity_file.read_bytes()
    run = Store(tmp_path).run("a")
    edits.tag(folder, "x", "y", "x")
    edits.untag(folder, "old", "y")
    edits.note(folder, "second")
    edits.rename(folder, "better")
    run.refresh()
    assert (run.tags, run.notes, run.name) == (("x",), "second", "better")
    assert folder.identity_file.read_bytes() == before
    assert [edit.op for edit in run.edits] == ["tag", "tag", "tag", "untag", "untag", "note", "rename"]
    assert run.status == "finished"
    with pytest.raises(ValueError, match="`tags`"):
        edits.tag(folder, " ")


def test_the_trash_hides_and_gives_back(tmp_path: Path) -> None:
    folder = finished(tmp_path, "a", 0.1)
    finished(tmp_path, "b", 0.1, created=BASE - 1)
    edits.trash(folder)
    assert (ids(tmp_path), ids(tmp_path, trashed=True)) == (["b"], ["a"])
    assert Store(tmp_path).run("latest").id == "b"
    edits.restore(folder)
    edits.archive(folder)
    assert (ids(tmp_path), ids(tmp_path, archived=True)) == (["b"], ["a", "b"])
    edits.archive(folder, undo=True)
    assert ids(tmp_path) == ["a", "b"]


def test_lists_of_other_records(tmp_path: Path) -> None:
    training = Training(tmp_path).start()
    records = (
        Alert(time=1.0, title="t"),
        Artifact(time=1.0, name="n", type="file", path="f"),
        Media(time=1.0, name="m", type="table", file="f", sha256="", size=1),
        Text(time=1.0, name="x", text="y"),
    )
    training.write(*records).params("data", rows=3, labels={"a": 1}).params("data", labels={"b": 2})
    run = Store(tmp_path).run("latest")
    assert (*run.alerts, *run.artifacts, *run.media, *run.texts) == records
    assert run.info("data") == {"rows": 3, "labels": {"a": 1, "b": 2}}
    assert run.params == {}


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"id": 3}', b"\xff\xfe"])
def test_a_run_without_a_readable_identity_is_listed(tmp_path: Path, content: bytes | None) -> None:
    folder = finished(tmp_path, "20240102-030405-lr=1-abcd", 0.5, project="p/x")
    folder.identity_file.unlink()
    if content is not None:
        folder.identity_file.write_bytes(content)
    (run,) = Store(tmp_path).runs()
    assert (run.id, run.project, run.status) == ("20240102-030405-lr=1-abcd", "p/x", "finished")
    assert run.headline["val/f1"] == 0.5
    assert [damage.path for damage in run.damage] == [folder.identity_file]
    assert text(whole(run))


@pytest.mark.parametrize("seed", range(40))
def test_damage_anywhere_never_ends_in_an_exception(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    folder = finished(tmp_path, "a", 0.5, params={"lr": 1})
    edits.tag(folder, "x")
    for path in [*folder.journal.iterdir(), folder.identity_file]:
        content = bytearray(path.read_bytes())
        for _ in range(dice.randrange(4)):
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        path.write_bytes(content[: dice.randrange(len(content) + 1)] if dice.random() < 0.3 else content)
    for run in Store(tmp_path).runs():
        assert text(whole(run))
        assert run.frame(rank=None, superseded=True) is not None


def test_a_flipped_bit_is_reported_with_file_and_offset(tmp_path: Path) -> None:
    folder = finished(tmp_path, "a", 0.5)
    (path,) = folder.journal.iterdir()
    content = path.read_bytes()
    at = content.index(b'"train/loss"')
    path.write_bytes(content[:at] + b"~" + content[at + 1 :])
    run = Store(tmp_path).run("a")
    assert [(damage.path, damage.offset) for damage in run.damage] == [
        (path, content.rindex(b"\n", 0, at) + 1)
    ]
    assert "train/loss" not in run.metrics
    assert run.headline == {"val/f1": 0.5}
    assert run.status == "finished"


def test_a_journal_that_is_a_folder_is_damage(tmp_path: Path) -> None:
    folder = finished(tmp_path, "a", 0.5)
    (folder.journal / "2-train-h-1-abcd.0.jsonl").mkdir()
    run = Store(tmp_path).run("a")
    assert "cannot be read" in run.damage[0].reason


def test_a_run_is_read_while_it_is_written(tmp_path: Path) -> None:
    training = Training(tmp_path).start()
    writer = threading.Thread(target=lambda: [training.log(i, {"a": float(i)}) for i in range(2000)])
    writer.start()
    while writer.is_alive():
        points = Store(tmp_path).run("latest").series("a")
        assert [point.step for point in points] == list(range(len(points)))
    writer.join()
    run = Store(tmp_path).run("latest")
    assert run.metrics["a"].count == 2000
    assert run.damage == []


def test_a_selection_is_a_run_a_group_or_a_project(tmp_path: Path) -> None:
    finished(tmp_path, "a-1", 0.1, group="sweep-7", project="p")
    finished(tmp_path, "a-2", 0.2, group="sweep-7", project="p", created=BASE + 1)
    finished(tmp_path, "e-1", 0.2, evaluates="a-1", project="p", created=BASE + 2)
    finished(tmp_path, "b-1", 0.2, project="q", created=BASE + 3)
    store = Store(tmp_path)

    def chosen(target: str, choose: object = select) -> tuple[str, str, list[str]]:
        found = choose(store, target)  # type: ignore[operator]
        return found.kind, found.title, [run.id for run in found.runs]

    assert chosen("") == ("run", "b-1", ["b-1"])
    assert chosen("sweep-7") == chosen("eep-7") == ("group", "sweep-7", ["a-2", "a-1", "e-1"])
    assert chosen("p") == ("project", "p", ["e-1", "a-2", "a-1"])
    assert chosen("a-1") == ("run", "a-1", ["a-1", "e-1"])
    assert chosen("a-2", field)[:2] == ("group", "sweep-7")
    assert chosen("b", field) == ("project", "q", ["b-1"])
    with pytest.raises(LookupError, match="Did you mean sweep-7"):
        select(store, "sweap-7")


def test_a_run_that_takes_long_to_read_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for id in ("20231114-221320-slow-0001", "20231114-221320-fast-0002"):
        Training(tmp_path, id).start().log(0, {"loss": 1.0}).end()
    begun, go, made = Event(), Event(), History.__init__

    def slow(self: History, folder: RunFolder, *args: Any) -> None:
        if "slow" in folder.path.name:
            begun.set()
            assert go.wait(60)
        made(self, folder, *args)

    monkeypatch.setattr(History, "__init__", slow)
    runs = {run.id.split("-")[2]: StoredRun(run.folder) for run in Store(tmp_path).runs()}
    with ThreadPoolExecutor(2) as threads:
        waits = threads.submit(lambda: runs["slow"].metrics)
        try:
            assert begun.wait(60)
            assert list(threads.submit(lambda: runs["fast"].metrics).result(60)) == ["loss"]
        finally:
            go.set()
        assert list(waits.result()) == ["loss"]
