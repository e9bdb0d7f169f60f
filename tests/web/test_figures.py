"""A recorded figure of plotly is drawn in a frame that reaches nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from etm_lightning import Run
from etm_lightning.web import figures
from tests.web.ground import application, client

EVIL = "</script><script>parent.hurt = 1</script>"


class Figure:
    __module__ = "plotly.graph_objs"

    def to_json(self) -> str:
        return json.dumps({"data": [{"y": [1, 2], "name": EVIL}], "layout": {"width": 200}})


@pytest.fixture
def address(tmp_path: Path) -> tuple[TestClient, str]:
    with Run("p", save_dir=tmp_path, name="figures", shipper=False) as run:
        run.log_figure("curve", Figure(), step=1)
    browser = client(application(tmp_path))
    (row,) = browser.get("/api/runs").json()["runs"]
    (medium,) = browser.get(f"/api/runs/{row['key']}").json()["media"]
    return browser, f"/api/runs/{row['key']}/figures/{medium['id']}"


def test_a_figure_is_a_page_in_a_sandbox(
    address: tuple[TestClient, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "plotly.min.js"
    script.write_text("/* the library */")
    monkeypatch.setattr(figures, "plotly_js", lambda: script)
    browser, where = address
    answer = browser.get(where)
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "connect-src" not in policy
    assert answer.text.count("</script>") == 3
    assert "/* the library */" in answer.text
    assert EVIL not in answer.text
    assert browser.get("/api/session").json()["plotly"]


def test_without_plotly_it_says_what_is_missing(
    address: tuple[TestClient, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "plotly_js", lambda: None)
    browser, where = address
    answer = browser.get(where)
    assert (answer.status_code, "pip install plotly" in answer.json()["error"]) == (404, True)
    assert not browser.get("/api/session").json()["plotly"]
    assert browser.get(where[:-1]).status_code == 404
