"""Zoomed series: no extreme is lost, whatever the zoom."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest

from etm_lightning.naming import SeriesKey
from etm_lightning.records import Scalars
from etm_lightning.store import rollup
from etm_lightning.store.run import StoredRun
from etm_lightning.store.series import Series
from etm_lightning.store.store import Store
from etm_lightning.store.zoom import zoom
from tests.store.building import BASE, Training


def series(values: list[float], *, steps: list[int] | None = None, epochs: int = 10) -> Series:
    found = Series(SeriesKey("a", "train", "step", 0))
    for i, value in enumerate(values):
        step = steps[i] if steps else i
        found.add(i, Scalars(time=BASE + i / 2, step=step, epoch=i // epochs), value, True)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_extremes_and_what_is_no_number_are_in_every_zoom(seed: int) -> None:
    dice = random.Random(seed)
    share = 0.01 * (seed % 3)
    values = [
        dice.choice([math.nan, math.inf, -math.inf]) if dice.random() < share else dice.gauss(0, 1)
        for _ in range(dice.choice([9, 300, 5000]))
    ]
    values[dice.randrange(len(values))] = 1e6
    whole = series(values)
    for _ in range(30):
        start, stop = sorted(dice.randrange(len(values)) for _ in range(2))
        points = dice.choice([10, 11, 100, 1000])
        found = zoom(whole, start=start, stop=stop, points=points)
        inside = np.array(values[start : stop + 1])
        assert len(found.x) == len(found.y) == len(found.step) <= points
        assert found.total == len(inside)
        assert found.complete == (len(found.x) == len(inside))
        finite = inside[np.isfinite(inside)]
        if len(finite):
            shown = found.y[np.isfinite(found.y)]
            assert shown.min() == finite.min()
            assert shown.max() == finite.max()
        for kind in (np.isnan, np.isposinf, np.isneginf):
            assert kind(found.y).any() == kind(inside).any()
        assert (np.diff(found.x) > 0).all()
        np.testing.assert_array_equal(found.y, np.array(values)[found.x.astype(int)])


def test_a_run_is_zoomed_over_step_epoch_and_time(tmp_path: Path) -> None:
    training = Training(tmp_path).start()
    for step in range(20):
        training.log(step, {"loss": 1.0 / (step + 1)}, epoch=step // 10 if step < 15 else None)
    training.end()
    run = Store(tmp_path).run("latest")
    assert run.zoom("loss", start=3, stop=5).x.tolist() == [3, 4, 5]
    assert run.zoom("loss", x="epoch", start=1).step.tolist() == [10, 11, 12, 13, 14]
    assert run.zoom("loss", x="relative").x.tolist() == [
        point.time - (run.started or 0) for point in run.series("loss")
    ]
    assert run.zoom("loss", x="time").span == (BASE + 2, BASE + 21)
    assert run.zoom("loss", start=3.2, stop=3.4, around=True).x.tolist() == [3, 4]
    assert run.zoom("nothing").span is None


def test_what_cannot_be_is_told() -> None:
    with pytest.raises(ValueError, match="`points` must be at least 10 but got 1"):
        zoom(None, points=1)
    with pytest.raises(ValueError, match="`x` must be one of step, epoch, time, relative but got 'walltime'"):
        zoom(None, x="walltime")  # type: ignore[arg-type]


def test_the_whole_view_of_a_big_series_is_kept_until_the_journal_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup, "WORTH", 1000)
    training = Training(tmp_path).start()
    for step in range(2000):
        training.log(step, {"loss": math.sin(step), "nan": math.nan if step == 700 else 0.0})
    for name, x in (("loss", "step"), ("loss", "relative"), ("nan", "epoch"), ("nan", "time")):
        fresh = StoredRun(training.folder).zoom(name, x=x, points=100)  # type: ignore[arg-type]
        kept = StoredRun(training.folder)
        again = kept.zoom(name, x=x, points=100)  # type: ignore[arg-type]
        assert ("_history" in vars(kept)) == (x == "epoch")  # over which it has no points
        for field in ("x", "y", "step"):
            np.testing.assert_array_equal(getattr(again, field), getattr(fresh, field))
        assert (again.total, again.complete, again.span) == (fresh.total, fresh.complete, fresh.span)
    for path in (training.folder.path / "cache" / "zoom").iterdir():
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert StoredRun(training.folder).zoom("loss", points=100).total == 2000
    training.log(2000, {"loss": 99.0})
    assert StoredRun(training.folder).zoom("loss", points=100).y.max() == 99.0
