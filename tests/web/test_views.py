"""Named views lie in the store, where every browser finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.building import finished
from tests.web.ground import WRITE, application, client


def test_a_view_is_there_for_another_browser_and_another_server(tmp_path: Path) -> None:
    finished(tmp_path, "20231114-221320-a-0001", 0.5)
    browser = client(application(tmp_path))
    first, second = (
        {"name": "Über all", "address": "#/runs?q=lr > 1"},
        {"name": "best", "address": "#/charts?keys=a"},
    )
    for one in (first, second, {**second, "address": "#/charts?keys=b"}):
        answer = browser.patch("/api/views", json=one, headers=WRITE)
        assert answer.status_code == 200
    other = client(application(tmp_path))
    assert other.get("/api/views").json() == [{**second, "address": "#/charts?keys=b"}, first]
    assert other.patch("/api/views", json={"name": "best"}, headers=WRITE).json() == [first]
    assert other.get("/api/runs").json()["total"] == 1


@pytest.mark.parametrize(
    "view",
    [
        {"name": "", "address": "#/runs"},
        {"name": "a" * 101, "address": "#/runs"},
        {"name": "a", "address": "javascript:alert(1)"},
        {"name": "a", "address": "#/runs" + "a" * 200_000},
    ],
)
def test_what_is_no_view_of_this_page_is_refused(tmp_path: Path, view: dict[str, str]) -> None:
    browser = client(application(tmp_path))
    assert browser.patch("/api/views", json=view, headers=WRITE).status_code == 400
    assert browser.get("/api/views").json() == []


def test_a_server_that_may_only_read_keeps_none(tmp_path: Path) -> None:
    browser = client(application(tmp_path, readonly=True))
    asked = {"name": "a", "address": "#/runs"}
    assert browser.patch("/api/views", json=asked, headers=WRITE).status_code == 403


def test_a_damaged_file_costs_its_view_only(tmp_path: Path) -> None:
    browser = client(application(tmp_path))
    browser.patch("/api/views", json={"name": "a", "address": "#/runs"}, headers=WRITE)
    (tmp_path / ".views" / "b.json").write_text('{"name": "b", "address": "https://example.org"}')
    (tmp_path / ".views" / "c.json").write_text("{")
    assert [one["name"] for one in browser.get("/api/views").json()] == ["a"]
