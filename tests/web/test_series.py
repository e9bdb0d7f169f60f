"""The points that charts get are those of the journal, and no extreme is lost."""

from __future__ import annotations

import itertools
import math
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from etm_lightning import Run
from etm_lightning.store.store import Store
from etm_lightning.web import curves
from etm_lightning.web.app import build
from etm_lightning.web.curves import BIG
from etm_lightning.web.guard import Access
from etm_lightning.web.stores import Stores
from etm_lightning.web.thin import thin
from tests.store.building import BASE, Training
from tests.web.ground import ORIGIN, TOKEN, application, ask, client, key, unpack


def test_all_points_come_where_there_is_room(reader: TestClient, sweep_store: Path) -> None:
    wanted = key(reader, "3e-05_seed=1")
    (about, x, y), *_ = ask(reader, [{"run": wanted, "name": "train/loss"}])
    points = Store(sweep_store).run("lr=3e-05_seed=1").series("train/loss")
    assert [(p.step, p.value) for p in points] == list(zip(x, y, strict=True))
    assert about["complete"]
    assert about["total"] == about["n"] == len(points)


@pytest.mark.parametrize(
    ("axis", "first"), [("step", 5), ("time", BASE + 5), ("relative", 5), ("samples", 80)]
)
def test_the_axes_that_people_ask_for(reader: TestClient, axis: str, first: float) -> None:
    wanted = {"run": key(reader, "3e-05_seed=1"), "name": "train/loss"}
    (_, x, _), *_ = ask(reader, [wanted], x=axis)
    assert x[0] == first
    assert (np.diff(x) > 0).all()


def test_epochs_have_fractions_that_training_and_validation_share(reader: TestClient) -> None:
    run = key(reader, "3e-05_seed=1")
    series = [{"run": run, "name": name} for name in ("train/loss", "val/f1")]
    (_, x, _), (_, val, _) = ask(reader, series, x="epoch")
    assert 0 < x[0] < 0.1
    assert x[-1] == pytest.approx(3, abs=0.1)
    assert val[1] == pytest.approx(x[list(range(5, 301, 5)).index(100)], abs=0.02)


def test_a_metric_is_shown_against_another(reader: TestClient, sweep_store: Path) -> None:
    wanted = {"run": key(reader, "3e-05_seed=1"), "name": "val/loss"}
    (_, x, y), *_ = ask(reader, [wanted], x={"metric": "val/f1"})
    run = Store(sweep_store).run("lr=3e-05_seed=1")
    assert list(x) == [point.value for point in run.series("val/f1")]
    assert list(y) == [point.value for point in run.series("val/loss")]


def test_values_that_are_not_finite_are_told_and_not_drawn(reader: TestClient) -> None:
    (about, _, y), *_ = ask(reader, [{"run": key(reader, "0.0001_seed=2"), "name": "train/loss"}])
    assert about["nonfinite"] == [[130.0, "nan"]]
    assert np.isfinite(y).all()


def test_a_question_that_may_not_take_long_leaves_runs_for_later(sweep_store: Path) -> None:
    browser = client(application(sweep_store))
    keys = [row["key"] for row in browser.get("/api/runs").json()["runs"]]
    wanted = [{"run": one, "name": "train/loss"} for one in keys]
    rounds = 0
    while wanted:
        rounds += 1
        found = [about for about, _, _ in ask(browser, wanted, within=0)]
        assert all(about["n"] == 0 and not about["complete"] for about in found if about.get("later"))
        assert not found[0].get("later")
        wanted = [{"run": about["run"], "name": "train/loss"} for about in found if about.get("later")]
    assert rounds == len(keys) > 1
    whole = ask(browser, [{"run": one, "name": "train/loss"} for one in keys], within=0)
    assert not any(about.get("later") for about, _, _ in whole)


def test_a_list_of_runs_whose_curves_come_next_has_the_first_run_read(sweep_store: Path) -> None:
    stores = Stores([Store(sweep_store)])
    browser = client(build(stores, Access(frozenset({ORIGIN}), TOKEN)))
    keys = stores.keys()[:2]
    browser.get("/api/runs", params={"keys": ",".join(keys)})
    assert not stores.holds(keys[0])
    browser.get("/api/runs", params={"keys": ",".join(keys), "curves": "1"})
    end = time.monotonic() + 30
    while not stores.holds(keys[0]) and time.monotonic() < end:
        time.sleep(0.01)
    assert [stores.holds(key) for key in keys] == [True, False]


def test_a_run_that_is_being_read_is_left_to_who_reads_it(sweep_store: Path) -> None:
    stores = Stores([Store(sweep_store)])
    keys = stores.keys()[:3]
    wanted = [curves.Wanted(key, "train/loss") for key in keys]
    stores._reading[keys[1]] = threading.Lock()
    with stores._reading[keys[1]]:
        found = unpack(curves.answer(stores, curves.Question(wanted, within=60)))
    assert [about.get("later", False) for about, _, _ in found] == [False, True, False]
    found = unpack(curves.answer(stores, curves.Question(wanted)))
    assert not any(about.get("later") for about, _, _ in found)


def test_what_there_is_not_has_no_points_and_says_why(reader: TestClient) -> None:
    run = key(reader)
    wanted = [{"run": "0" * 16, "name": "x"}, {"run": run, "name": "x"}, {"run": run, "name": "train/loss"}]
    no_run, no_series, other = ask(reader, wanted)
    assert (no_run[0]["why"], no_series[0]["why"]) == ("no such run", "no such series")
    assert other[0]["n"] > 0
    (about, x, _), *_ = ask(reader, [{"run": run, "name": "train/loss"}], x={"metric": "no"})
    assert len(x) == 0
    assert "no" in about["why"]


def test_zooming_in_gives_all_points_there_and_one_more_on_each_side(reader: TestClient) -> None:
    wanted = {"run": key(reader, "3e-05_seed=1"), "name": "train/loss"}
    (_, x, _), *_ = ask(reader, [wanted], **{"from": 102, "to": 119})
    assert list(x) == [100, 105, 110, 115, 120]
    (_, x, _), *_ = ask(reader, [wanted], **{"from": 101, "to": 104})
    assert list(x) == [100, 105]


@settings(max_examples=60)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=400), st.integers(4, 60), st.data())
def test_thinning_keeps_the_extremes_of_every_stretch(
    values: list[float], points: int, data: st.DataObject
) -> None:
    y = np.array(values)
    kept = thin(y, points)
    assert len(kept) <= max(points, 4)
    assert {0, len(y) - 1} <= set(kept.tolist())
    assert y[kept].max() == y.max()
    assert y[kept].min() == y.min()
    spike = data.draw(st.integers(0, len(y) - 1))
    y[spike] = 1e12
    assert spike in thin(y, points)


def test_a_spike_of_one_point_is_seen_at_every_zoom(tmp_path: Path) -> None:
    run = Training(tmp_path / "etm_runs").start()
    for step in range(3000):
        run.log(step, {"loss": 1.0 + (step == 1234) * 99.0 + (step != 1234) * (step % 7) * 0.01})
    run.end()
    browser = client(application(tmp_path / "etm_runs"))
    wanted = {"run": key(browser), "name": "loss"}
    low, high = 0.0, 3000.0
    while high - low > 4:
        (about, x, y), *_ = ask(browser, [wanted], points=50, **{"from": low, "to": high})
        assert y.max() == 100.0
        assert x[y.argmax()] == 1234
        assert len(y) <= 52
        low, high = low + (1234 - low) / 3, high - (high - 1234) / 3
    assert about["complete"]


def test_a_live_run_gives_what_came_since(tmp_path: Path) -> None:
    run = Training(tmp_path / "etm_runs").start().log(1, {"loss": 1.0}).log(2, {"loss": 2.0})
    browser = client(application(tmp_path / "etm_runs"))
    wanted = [{"run": key(browser), "name": "loss"}]
    (about, x, _), *_ = ask(browser, wanted)
    assert list(x) == [1, 2]
    run.log(3, {"loss": math.inf}).log(4, {"loss": 4.0})
    (more, x, y), *_ = ask(browser, wanted, after=[about["cursor"]])
    assert (list(x), list(y)) == ([4], [4.0])
    assert more["nonfinite"] == [[3.0, "inf"]]
    assert not more["reset"]
    (none, x, _), *_ = ask(browser, wanted, after=[more["cursor"]])
    assert list(x) == []
    assert none["cursor"] == more["cursor"]


def test_a_curve_is_made_once_until_its_run_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(y: np.ndarray[Any, Any], points: int) -> np.ndarray[Any, Any]:
        made.append("one")
        return thin(y, points)

    monkeypatch.setattr(curves, "thin", counted)
    one = Training(tmp_path / "etm_runs", "20231114-221320-a-0001").start().log(1, {"loss": 1.0})
    api = client(application(tmp_path / "etm_runs"))
    wanted = {"run": key(api), "name": "loss"}
    assert [list(y) for _, _, y in (*ask(api, [wanted]), *ask(api, [wanted]))] == [[1.0], [1.0]]
    assert made == ["one"]
    (_, x, _), *_ = ask(api, [wanted], x="time")
    assert list(x) == [pytest.approx(BASE + 1, abs=5)]
    one.log(2, {"loss": 0.5})
    (_, _, y), *_ = ask(api, [wanted])
    assert list(y) == [1.0, 0.5]
    one.end()
    shutil.rmtree(next((tmp_path / "etm_runs").glob("*/*")))
    (about, *_), *_ = ask(api, [wanted])
    assert about["why"] == "no such run"


def test_a_new_attempt_makes_a_live_chart_begin_anew(tmp_path: Path) -> None:
    run = (
        Training(tmp_path / "etm_runs").start().log(1, {"loss": 1.0}).checkpoint("a", 1).log(2, {"loss": 2.0})
    )
    browser = client(application(tmp_path / "etm_runs"))
    wanted = [{"run": key(browser), "name": "loss"}]
    (about, *_), *_ = ask(browser, wanted)
    run.start(parent=1, checkpoint="a").log(2, {"loss": 2.5}).log(3, {"loss": 3.0})
    (more, x, y), *_ = ask(browser, wanted, after=[about["cursor"]])
    assert more["reset"]
    assert (list(x), list(y)) == ([1, 2, 3], [1.0, 2.5, 3.0])
    assert more["attempts"] == [[1.0, 1], [2.0, 2]]
    (_, x, y), *_ = ask(browser, [{**wanted[0], "superseded": True}])
    assert list(y) == [1.0, 2.0, 2.5, 3.0]


@pytest.mark.parametrize(
    "wrong",
    [{"points": 1}, {"points": 10**6}, {"x": "rowid"}, {"x": {"m": "a"}}, {"after": [1, 2, 3]}, {"odd": 1}],
)
def test_a_question_that_makes_no_sense_is_refused(reader: TestClient, wrong: dict[str, object]) -> None:
    answer = reader.post("/api/series", json={"series": [{"run": key(reader), "name": "x"}], **wrong})
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_of_a_big_series_too_every_zoom_has_its_spike_and_says_what_is_not_finite(tmp_path: Path) -> None:
    count, spike, lost = BIG + 50_000, 123_457, 200_001
    with Run(save_dir=tmp_path, id="big", clock=itertools.count(BASE).__next__) as run:
        for step in range(count):
            value = 99.0 if step == spike else math.nan if step == lost else math.sin(step / 1e4)
            run.log({"loss": value}, step=step)
    reader = client(application(tmp_path))
    wanted = [{"run": key(reader), "name": "loss"}]
    for x, shift in (("step", 0), ("relative", 1)):
        (about, where, y), *_ = ask(reader, wanted, x=x, points=200)
        assert (about["total"], about["complete"], about["reset"]) == (count, False, False)
        assert len(y) <= 200
        assert where[y.argmax()] == pytest.approx(spike + shift, abs=3)
        assert [kind for _, kind in about["nonfinite"]] == ["nan"]
        (about, where, y), *_ = ask(reader, wanted, x=x, points=200, **{"from": 123_400, "to": 123_500})
        assert about["complete"]
        assert y.max() == 99.0
        assert (where[0], where[-1]) == (123_399, 123_501)
    (about, *_), *_ = ask(reader, wanted, after=[about["cursor"]])
    assert (about["n"], about["reset"]) == (0, False)
