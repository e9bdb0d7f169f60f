"""The live table, and comparisons on the command line."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

from click.testing import CliRunner

from etm_lightning.cli import app
from etm_lightning.records import Alert
from etm_lightning.share.watch import Watching, sparkline
from etm_lightning.store.store import Store
from tests.store.building import Training, finished


def etm(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_running_training_is_watched_until_it_ended(tmp_path: Path) -> None:
    store = tmp_path / "store"
    finished(store, "old", 0.5)
    training = Training(store, "live", created=time.time()).start()
    training.params(trainer={"max_epochs": 4}, monitor="val/f1")
    for step in range(101):
        training.log(step, {"train/loss": 1 / (step + 1)}, epoch=step // 50)
    training.log(100, {"val/f1": 0.5}, "validate", epoch=2)
    watching = Watching(Store(store))
    (view,) = watching.look()
    assert (view.id, view.status, view.step, view.epoch) == ("live", "running", 100, 2)
    assert view.progress == 0.5
    assert view.speed is not None
    assert round(view.speed, 3) == 1.0
    assert [(one.name, one.value) for one in view.courses] == [("val/f1", 0.5), ("train/loss", 1 / 101)]
    assert view.courses[1].bars[0] > view.courses[1].bars[-1]
    training.log(150, {"train/loss": math.nan}, epoch=3)
    training.write(Alert(time=training.now(), title="NaN"))
    (view,) = watching.look()
    assert (view.step, view.alerts, view.alert) == (150, 1, "NaN")
    assert view.courses[1].bars.endswith("!")
    assert "live" in (shown := etm("watch", "--once", "--store", store))
    assert "1 running" in shown
    training.end("pruned")
    assert [view.status for view in watching.look()] == ["pruned"]
    assert json.loads(etm("watch", "--json", "--store", store)) == []
    assert "nothing is running" in etm("watch", "--store", store)


def test_bars_keep_their_order_whatever_the_width() -> None:
    assert sparkline([]) == ""
    assert sparkline([1.0]) == "▁"
    assert sparkline([float(i) for i in range(8)]) == "▁▂▃▄▅▆▇█"
    assert sparkline([float(i) for i in range(800)], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([math.inf, 1.0]) == "!▁"


def test_runs_are_compared_over_their_seeds(tmp_path: Path) -> None:
    for lr in (1, 2):
        for seed, score in enumerate([0.1, 0.2, 0.4]):
            finished(
                tmp_path,
                f"lr{lr}-s{seed}",
                score + lr * score,
                params={"lr": lr, "seed": seed},
                name=f"n{lr}{seed}",
            )
    out = etm("compare", "lr1-s0", "lr2-s1", "--store", tmp_path)
    assert "lr     1    2" in out.replace("n10  n21", "n1  n2")
    assert "paired t-test over 3 seeds" in out
    found = json.loads(
        etm("compare", "lr1-s0", "lr2-s1", "--baseline", "lr2-s1", "--json", "--store", tmp_path)
    )
    assert found["baseline"] == "lr2-s1"
    assert [len(group["runs"]) for group in found["groups"]] == [3, 3]
    assert found["groups"][0]["label"] == "lr=2"
    alone = etm("compare", "lr1-s0", "lr2-s0", "--only", "--store", tmp_path)
    assert "n=1 each: no test" in alone.replace("\n", " ")
    assert "0.3 (+0.1)" in alone
