"""What people change in the page is an edit of the journal, and shows everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from etm_lightning.store.store import Store
from tests.store.building import Training, finished
from tests.web.ground import application, client, key


@pytest.fixture
def store(tmp_path: Path) -> Path:
    finished(tmp_path / "etm_runs", "20231114-221320-one-0001", 0.5, params={"lr": 1}, tags=("old",))
    return tmp_path / "etm_runs"


@pytest.fixture
def browser(store: Path) -> TestClient:
    return client(application(store))


def test_a_change_is_answered_with_the_row_and_kept_by_the_store(browser: TestClient, store: Path) -> None:
    where = f"/api/runs/{key(browser)}"
    asked = {
        "name": "best",
        "notes": "a\nb",
        "tags": {"add": ["new", "é"], "remove": ["old"]},
        "archived": True,
    }
    row = browser.patch(where, json=asked).json()
    assert (row["name"], row["notes"], row["tags"], row["archived"]) == ("best", "a\nb", ["new", "é"], True)
    run = Store(store).run("latest") if Store(store).runs() else Store(store).runs(archived=True)[0]
    assert (run.name, run.notes, run.tags, run.archived) == ("best", "a\nb", ("new", "é"), True)
    assert browser.get("/api/runs").json()["total"] == 0
    assert browser.get("/api/runs", params={"archived": "1"}).json()["runs"] == [row]


def test_the_trash_has_an_undo_and_an_end(browser: TestClient, store: Path) -> None:
    where = f"/api/runs/{key(browser)}"
    assert browser.delete(where).status_code == 409
    assert browser.patch(where, json={"trashed": True}).json()["trashed"]
    assert browser.get("/api/runs").json()["total"] == 0
    assert browser.get("/api/runs", params={"trashed": "1"}).json()["total"] == 1
    assert not browser.patch(where, json={"trashed": False}).json()["trashed"]
    browser.patch(where, json={"trashed": True})
    assert browser.delete(where).status_code == 200
    assert browser.get(where).status_code == 404
    assert list((store / "p").iterdir()) == []


def test_deleting_a_run_leaves_alone_what_it_links_to(
    browser: TestClient, store: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    (Store(store).run("one").folder.path / "data").symlink_to(kept)
    where = f"/api/runs/{key(browser)}"
    browser.patch(where, json={"trashed": True})
    assert browser.delete(where).status_code == 200
    assert (kept / "file").read_text() == "x"


def test_a_run_that_is_running_is_not_deleted(tmp_path: Path) -> None:
    run = Training(tmp_path / "etm_runs").start().log(1, {"a": 1.0})
    browser = client(application(tmp_path / "etm_runs"))
    where = f"/api/runs/{key(browser)}"
    assert browser.patch(where, json={"trashed": True}).json()["status"] == "running"
    assert browser.delete(where).status_code == 409
    assert run.folder.path.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "x" * 2000}, {"notes": 1}, {"tags": ["a"]}, {"tags": {"add": [" "]}},
        {"status": "finished"}, {"archived": "yes"}, {"tags": {"add": ["x" * 300]}},
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_changes_nothing(browser: TestClient, wrong: dict[str, object]) -> None:
    where = f"/api/runs/{key(browser)}"
    before = browser.get(where).json()
    assert browser.patch(where, json={"notes": "kept out", **wrong}).status_code == 400
    assert browser.get(where).json() == before
