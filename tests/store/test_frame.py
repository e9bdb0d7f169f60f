"""Frames of many runs, and SQL, against the runs themselves."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest

from etm_lightning.packing import pack
from etm_lightning.records import Alert, Artifact
from etm_lightning.store.frame import KINDS
from etm_lightning.store.picked import Picker, Points
from etm_lightning.store.run import StoredRun
from etm_lightning.store.sql import TABLES, ask
from etm_lightning.store.store import Store
from tests.store.building import BASE, Training, finished
from tests.store.test_catalogue import history

pytestmark = pytest.mark.usefixtures("_both_ways")


@pytest.mark.parametrize("seed", range(25))
def test_one_metric_is_that_of_the_whole_run(tmp_path: Path, seed: int) -> None:
    folder = history(tmp_path, random.Random(seed), "r1")
    run = StoredRun(folder)
    for name in ("loss", "f1", "nothing", *run.metrics):
        found, series = Picker(name).points(run), run.series(name)
        if not series:
            assert found is None or len(found.values) == 0
            continue
        assert found is not None
        assert repr(found.values.tolist()) == repr([point.value for point in series])
        assert found.steps.tolist() == [point.step for point in series]
        assert found.times.tolist() == [point.time for point in series]


@pytest.mark.parametrize("seed", range(10))
def test_one_metric_of_columns_is_that_of_the_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice = random.Random(seed)
    training = Training(tmp_path, "r1").start()
    training.params(lr=1.0)
    for step in range(400):
        values = {
            name: dice.choice([dice.random(), math.nan]) for name in dice.choice(["ab", "ba", "b", "c"])
        }
        epoch = dice.choice([None, step // 100])
        training.log(step, values, epoch=epoch, stage=dice.choice(["train", "validate"]))
    training.write(Alert(time=BASE, title="a"))
    training.end()
    (segment,) = training.folder.journal.glob("*.jsonl")
    before = {name: Picker(name).points(StoredRun(training.folder)) for name in "abcd"}
    assert pack(segment) > 0
    monkeypatch.setattr(Picker, "_wholly", lambda *_: None)  # all of them the short way
    after = {name: Picker(name).points(StoredRun(training.folder)) for name in "abcd"}
    assert repr(listed(after)) == repr(listed(before))
    assert before["d"] is None


def listed(found: dict[str, Points | None]) -> list[Any]:
    return [
        one and (one.key, *(part.tolist() for part in (one.steps, one.epochs, one.times, one.values)))
        for one in found.values()
    ]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    for number in range(4):
        params = {"lr": number, "opt": "adamw", "layers": [1, 2]}
        finished(tmp_path, f"r{number}", number / 4, params=params, created=BASE + number, tags=("t",))
    return Store(tmp_path)


def test_a_metric_of_many_runs_is_one_frame(store: Store) -> None:
    frames: dict[str, Any] = {}
    for to in KINDS:
        frames[to] = store.frame("val/f1", "lr > 0", params=["lr"], to=to)  # type: ignore[arg-type]  # one of these
    expected = {"run": ["r3", "r2", "r1"], "value": [0.75, 0.5, 0.25], "lr": [3, 2, 1], "epoch": [0, 0, 0]}
    assert {name: frames["pandas"][name].tolist() for name in expected} == expected
    assert {name: frames["polars"][name].to_list() for name in expected} == expected
    assert {name: frames["arrow"][name].to_pylist() for name in expected} == expected
    several = store.frame(["val/f1", "train/loss"], store.runs("r1"))
    assert several["name"].tolist() == ["val/f1", "train/loss"]
    assert several["epoch"].isna().tolist() == [False, True]
    assert store.frame("none").shape[0] == 0
    with pytest.raises(ValueError, match="`to` must be one of pandas, polars, arrow but got 'csv'"):
        store.frame("val/f1", to="csv")  # type: ignore[arg-type]


def test_runs_that_threads_read_come_in_the_order_asked_for(tmp_path: Path) -> None:
    for number in range(50):
        finished(tmp_path, f"r{number}", number / 50, created=BASE + number)
    opened = Store(tmp_path)
    found = opened.frame("val/f1", opened.runs(sort="created"), to="polars")
    assert found["run"].to_list() == [f"r{number}" for number in range(50)]
    assert found["value"].to_list() == [number / 50 for number in range(50)]


def test_sql_over_every_table(store: Store) -> None:
    training = Training(store.path, "r9", created=BASE + 9).start().log(1, {"a": math.nan}).log(2, {"a": 5.0})
    training.write(Alert(time=9.0, title="spike"), Artifact(time=9.0, name="m", type="model", path="m.pt"))
    runs = store.runs()

    def rows(question: str) -> list[tuple[Any, ...]]:
        return ask(runs, question).rows

    assert rows("SELECT id, status, tags, score FROM runs ORDER BY id LIMIT 1") == [
        ("r0", "finished", ["t"], 0.0)
    ]
    assert rows("SELECT number, value FROM params WHERE run = 'r2' AND name = 'lr'") == [(2.0, "2")]
    assert rows("SELECT value FROM metrics WHERE name = 'val/f1' ORDER BY value") == [
        (0.0,),
        (0.25,),
        (0.5,),
        (0.75,),
    ]
    assert rows("SELECT count(*), count(epoch) FROM scalars WHERE name IN ('val/f1', 'a')") == [(6, 4)]
    assert rows("SELECT run, step, value FROM latest WHERE name = 'a'") == [("r9", 2, 5.0)]
    assert rows("SELECT a.title, b.path FROM alerts a JOIN artifacts b USING (run)") == [("spike", "m.pt")]
    joined = "FROM runs r JOIN metrics m ON m.run = r.id WHERE m.name = 'val/f1' GROUP BY 1"
    assert rows(f"SELECT r.project, avg(m.value) {joined}") == [("p", 0.375)]
    assert rows("SELECT to_timestamp(0)::VARCHAR IS NOT NULL, 1.5::DECIMAL(3,1)") == [(True, 1.5)]
    for table in TABLES:
        assert ask([], f"SELECT count(*) FROM {table}").rows == [(0,)]


@pytest.mark.parametrize(
    "question",
    [
        "SELECT * FROM read_csv('/etc/hostname')",
        "COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "ATTACH '/tmp/other.db'",
        "INSTALL httpfs",
        "SELECT * FROM runs_of_python",
        "SET enable_external_access = true",
        "SELECT getenv('HOME')",
        "SELEC 1",
    ],
)
def test_sql_reaches_nothing_but_the_tables(store: Store, question: str) -> None:
    runs_of_python = [1]
    assert runs_of_python
    with pytest.raises(ValueError, match="`question` is not understood"):
        ask(store.runs(), question)
    assert not Path("/tmp/stolen.csv").exists()
