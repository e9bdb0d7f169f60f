"""Runs side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from etm_lightning.records import Text
from tests.store.building import Training
from tests.web.ground import application, client, key


def test_settings_that_differ_are_marked(reader: TestClient) -> None:
    a, b = key(reader, "3e-05_seed=1"), key(reader, "1e-05_seed=1")
    found = reader.get("/api/compare", params={"keys": f"{a},{b}"}).json()
    differing = {line["name"]: line["values"] for line in found["config"] if line["differs"]}
    assert differing == {"model.lr": [3e-05, 1e-05]}
    score = next(line for line in found["metrics"] if line["name"] == "val/f1")
    assert (score["values"], score["mode"]) == ([0.968, 0.941], "max")
    assert {line["name"] for line in found["packages"]} == {"torch", "lightning"}
    assert [one["commit"] for one in found["code"]] == ["4f2c9e1b7a"] * 2
    assert found["code_diff"] is None


def test_seeds_are_put_together_and_settings_compared_seed_by_seed(reader: TestClient) -> None:
    keys = [key(reader, f"{rate}_seed={seed}") for rate in ("1e-05", "3e-05") for seed in (1, 2)]
    found = reader.get("/api/compare", params={"keys": ",".join(keys), "baseline": keys[3]}).json()
    score = next(line for line in found["metrics"] if line["name"] == "val/f1")
    best, other = score["groups"]
    assert (best["label"], best["n"], best["mean"]) == ("model.lr=3e-05", 2, pytest.approx(0.9645))
    assert other["sd"] == pytest.approx(0.005 / 2**0.5)
    none, delta = score["delta"]
    assert none is None
    assert delta["mean"] == pytest.approx(-0.026)
    assert delta["test"] == "paired t-test over 2 seeds"
    assert delta["ci"][0] < delta["mean"] < delta["ci"][1]
    assert 0 < delta["p"] < 0.05


def test_code_is_compared_as_far_as_it_was_recorded(tmp_path: Path) -> None:
    for number, line in enumerate(("-a", "+b")):
        run = Training(tmp_path / "etm_runs", f"20231114-221320-run{number}-000{number}").start()
        run.params("start", git={"commit": "1f", "dirty": True})
        run.write(Text(time=run.now(), name="code.diff", text=f"--- x\n{line}\n")).end()
    browser = client(application(tmp_path / "etm_runs"))
    a, b = key(browser, "run0"), key(browser, "run1")
    found = browser.get("/api/compare", params={"keys": f"{a},{b}"}).json()
    assert [one["diff"] for one in found["code"]] == ["--- x\n-a\n", "--- x\n+b\n"]
    assert found["code_diff"].splitlines()[-2:] == ["--a", "++b"]


@pytest.mark.parametrize(
    "query", ["", "keys=", "keys=0000000000000000", "keys=KEY&baseline=0000000000000000"]
)
def test_what_cannot_be_compared_is_refused(reader: TestClient, query: str) -> None:
    answer = reader.get(f"/api/compare?{query.replace('KEY', key(reader))}")
    assert answer.status_code in (400, 404)
