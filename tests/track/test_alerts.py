"""Alerts: what is told, what is not, and that each is told once."""

from __future__ import annotations

import logging
import math
import random
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from etm_lightning import ETMLogger, Run
from etm_lightning.journal import Journal
from etm_lightning.layout import RunFolder
from etm_lightning.records import Alert, Checkpoint, Record, Scalars, Started, split
from etm_lightning.track.shipping import companion as companions
from etm_lightning.track.shipping.alerts import NAMES, Limits, Rules, Stall, limits
from etm_lightning.track.shipping.companion import Companion
from etm_lightning.track.shipping.cursors import load, progress_file
from etm_lightning.track.shipping.watchman import Watchman
from tests.contracts import journals
from tests.track.lines import of_kind
from tests.track.test_companion import until

T0 = 1_700_000_000.0


def step(number: int, values: Mapping[str, float], time: float | None = None, **more: Any) -> Scalars:
    finite, nonfinite = split(dict(values))
    when = T0 + number if time is None else time
    return Scalars(time=when, step=number, **{"stage": "train", **more}, values=finite, nonfinite=nonfinite)


def sample(seconds: int, **values: float) -> Scalars:
    named = {f"system/{name}": value for name, value in values.items()}
    return Scalars(time=T0 + seconds, step=seconds, axis="seconds", values=named)


def told(records: Iterable[Record], **some: float) -> list[tuple[str, int | None]]:
    """What the rules tell of records, and where."""
    rules = Rules(Limits(**some))
    return [(alert.title, alert.step) for record in records for alert in rules.take(record)]


def noisy(steps: int, seed: int = 0) -> list[float]:
    """Losses of a training that goes well: they fall to a hundredth and vary as batches do."""
    chance = random.Random(seed)
    return [max(2.0 * 0.995**i, 0.02) * chance.lognormvariate(0, 0.8) for i in range(steps)]


@pytest.mark.parametrize("seed", range(5))
def test_a_training_that_goes_well_is_told_nothing(seed: int) -> None:
    chance = random.Random(seed)
    records: list[Record] = [Started(time=T0, attempt=1)]
    now = T0
    for number, loss in enumerate(noisy(3000, seed)):
        now += 0.2 * chance.lognormvariate(0, 0.3) + (30.0 if number % 500 == 499 else 0.0)
        records.append(
            step(number, {"train/loss": loss, "lr": 1e-4, "train/loss_scale": 2.0 ** (number // 10)}, now)
        )
        if number % 500 == 499:
            records.append(step(number, {"val/loss": loss}, now, stage="validate"))
            records.append(Checkpoint(time=now, id=str(number), step=number, monitor="val/loss", mode="min"))
        if number % 50 == 0:
            gpu = 90.0 if number % 500 else 0.0
            records.append(sample(int(now - T0), gpu0_percent=gpu, gpu1_percent=0.0, disk_free_gb=80.0))
    assert told(records) == []


def test_a_loss_that_is_no_number_is_told_until_it_is_one_again() -> None:
    values = [1.0, math.nan, math.nan, 1.0, math.inf, math.nan]
    records = [step(i, {"train/loss": value, "other": math.nan}) for i, value in enumerate(values)]
    assert told(records) == [("train/loss is nan", 1), ("train/loss is inf", 4)]
    assert told(records, nonfinite=0) == []
    [alert] = Rules(Limits()).take(records[1])
    assert (alert.level, alert.name, alert.time) == ("error", "nonfinite", T0 + 1)


def test_a_jump_is_told_when_it_lasts_and_again_after_it_was_over() -> None:
    losses = [1.0 + 0.02 * (i % 5) for i in range(300)]
    losses[40] = 30.0  # one batch is no jump
    losses[80:90] = losses[250:260] = [3.0] * 10
    records = [step(i, {"train/loss": loss, "val/loss": 50.0 * (i == 90)}) for i, loss in enumerate(losses)]
    assert told(records) == [("train/loss jumped", 82), ("train/loss jumped", 252)]
    assert told(records, spike=0) == []


def hard_now_and_then(chance: random.Random) -> float:
    """A loss of a classifier that has nearly converged: one batch of ten is hard for it."""
    return chance.lognormvariate(0, 0.5) if chance.random() < 0.1 else chance.lognormvariate(-6, 0.3)


@pytest.mark.parametrize("batch", [hard_now_and_then, lambda chance: max(chance.random() - 0.5, 0.0)])
def test_batches_that_are_hard_now_and_then_are_no_news(batch: Any) -> None:
    chance = random.Random(0)
    assert told(step(i, {"train/loss": batch(chance)}) for i in range(20_000)) == []


def test_a_level_that_stays_is_no_jump_for_ever() -> None:
    losses = [1.0] * 100 + [3.0] * 200
    assert told([step(i, {"loss": loss}) for i, loss in enumerate(losses)]) == [("loss jumped", 102)]


@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_plateau_is_told_if_asked(mode: str) -> None:
    sign = 1 if mode == "max" else -1
    records: list[Record] = []
    for i, value in enumerate([0.5, 0.6, 0.55, 0.6, 0.58, 0.59, 0.7, 0.1, 0.1, 0.1]):
        records.append(step(i, {"val/f1": sign * value}, stage="validate"))
        records.append(
            Checkpoint(time=T0, id=str(i), step=i, monitor="val/f1", mode=mode, score=sign * value)
        )
    assert told(records) == []
    assert told(records, plateau=3) == [("val/f1 has not improved", 4), ("val/f1 has not improved", 9)]
    rules = Rules(Limits(plateau=3))
    [first, _] = [alert for record in records for alert in rules.take(record)]
    assert (first.level, first.text) == ("info", f"for 3 evaluations; the best was {sign * 0.6:.4g}")


def paced(paces: Iterable[float], first: int = 0, start: float = T0) -> list[Record]:
    found: list[Record] = []
    for number, pace in enumerate(paces, first):
        start += pace
        found.append(step(number, {"lr": 0.1}, start))
    return found


def test_steps_that_take_much_longer_are_told_once() -> None:
    slow = [1.0] * 100 + [3.0] * 60 + [1.0] * 60 + [3.0] * 60
    titles = [title for title, _ in told(paced(slow))]
    assert titles == ["training slowed down"] * 2
    assert told(paced(slow), throughput=0) == []
    assert told(paced([0.01] * 100 + [0.03] * 500)) == [], "for some seconds only"


def test_another_attempt_may_have_a_pace_of_its_own() -> None:
    again = [*paced([1.0] * 100), Started(time=T0 + 200, attempt=2), *paced([5.0] * 100, 100, T0 + 200)]
    assert told(again) == []


def test_a_gpu_that_had_work_and_has_none_is_told() -> None:
    def samples(uses: list[float]) -> list[Record]:
        return [sample(10 * i, gpu0_percent=use, gpu1_percent=0.0) for i, use in enumerate(uses)]

    idle, rules = samples([95.0] * 10 + [0.0] * 100 + [90.0] * 3 + [1.0] * 100), Rules(Limits())
    alerts = [alert for record in idle for alert in rules.take(record)]
    assert [(alert.title, alert.text) for alert in alerts] == [
        ("the GPU is idle", "GPU 0 had no work for 10 min")
    ] * 2
    assert [alert.time - T0 for alert in alerts] == [690.0, 1720.0]
    assert told(samples([0.0] * 500)) == [], "it never had any"
    assert told(samples([95.0, *[0.0] * 30] * 5)) == [], "an evaluation on the CPU"


def test_a_disk_that_is_nearly_full_is_told_until_there_is_room() -> None:
    free = [5.0, 1.9, 1.0, 2.5, 1.9, 4.5, 1.5]
    records = [sample(10 * i, disk_free_gb=gigabytes) for i, gigabytes in enumerate(free)]
    assert told(records) == [("the disk is nearly full", None)] * 2
    assert told(records, disk_free_gb=0) == []


def test_silence_is_a_stall_only_against_what_is_usual() -> None:
    def heard(gaps: list[float]) -> Stall:
        stall, now = Stall(600), T0
        stall.heard(Started(time=now, attempt=1))
        for gap in gaps:
            now += gap
            stall.heard(step(0, {"a": 1.0}, now))
        return stall

    quick = heard([1.0] * 10)
    assert quick.silent(599.0, 7, T0) is None
    alert = quick.silent(601.0, 7, T0)
    assert alert is not None
    assert (alert.title, alert.step) == ("the training stalls", 7)
    assert alert.text == "nothing was recorded for 10 min; the longest pause before was 1 s"
    assert quick.silent(700.0, 7, T0) is None, "once"
    quick.heard(step(8, {"a": 1.0}, T0 + 1000))
    assert quick.silent(3000.0, 8, T0) is None, "990 s are usual now"
    assert quick.silent(9900.0, 8, T0) is not None
    slow = heard([1200.0] * 5)
    assert slow.silent(11_000.0, 0, T0) is None
    assert heard([1.0]).silent(3000.0, 0, T0) is None, "little is known"
    assert Stall(0).silent(1e9, 0, T0) is None


def test_limits_are_given_by_name_and_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits() == Limits()
    assert limits({"spike": 9, "stall": 0}) == Limits(spike=9, stall=0)
    monkeypatch.setenv("ETM_ALERTS", "spike=9, stall=0")
    assert limits() == Limits(spike=9, stall=0)
    assert limits(limits({"plateau": 5}).text()) == Limits(plateau=5)
    monkeypatch.setenv("ETM_ALERTS", "0")
    assert set(vars(limits()).values()) == {0}
    assert limits(True) == Limits()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"spikes": 3}, "`alerts` must have names out of .* but got 'spikes'; did you mean 'spike'"),
        ({"stall": -1}, r"`alerts\['stall'\]` must be a number from 0 on but got -1"),
        ("stall=soon", r"`alerts\['stall'\]` must be a number from 0 on but got 'soon'"),
        ("stall", r"`alerts\['stall'\]` must be a number from 0 on but got ''"),
    ],
)
def test_a_wrong_limit_is_named(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ETMLogger("p", alerts=given)


class Ear:
    """Where a watchman's alerts go: into the run's journal, by another writer."""

    def __init__(self, folder: RunFolder, clock: float = 0.0, **some: float) -> None:
        self.now = clock
        self._journal = Journal(folder.journal, run=folder.path.name, attempt=1, role="shipper")
        self.watchman = Watchman(folder, self._journal.append, Limits(**some), clock=lambda: self.now)

    def look(self) -> None:
        self.watchman.look()

    def close(self) -> None:
        self.watchman.close()
        self._journal.close()


def titles(folder: RunFolder) -> list[str]:
    return [alert.title for alert in of_kind(folder, Alert)]


def test_a_companion_that_comes_again_tells_nothing_twice(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    run.log({"train/loss": math.nan}, step=1)
    for _ in range(3):
        ear = Ear(run.folder)
        ear.look()
        ear.look()
        ear.close()
    assert titles(run.folder) == ["train/loss is nan"]
    run.log({"train/loss": 1.0}, step=2)
    run.log({"train/loss": math.nan}, step=3)
    ear = Ear(run.folder)
    ear.look()
    ear.close()
    assert titles(run.folder) == ["train/loss is nan"] * 2
    run.end()


def test_a_place_that_was_not_stored_costs_no_second_alert(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    run.log({"train/loss": math.nan}, step=1)
    Ear(run.folder).look()  # and is killed
    assert not progress_file(run.folder, "alerts").exists()
    (run.folder.cursors / "alerts.lease").unlink()
    ear = Ear(run.folder)
    ear.look()
    ear.close()
    assert titles(run.folder) == ["train/loss is nan"]
    assert load(progress_file(run.folder, "alerts")).writers
    run.end()


def test_a_resumed_run_is_told_nothing_again(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    run.log({"train/loss": math.nan}, step=10)
    run.mark_checkpoint(step=50)
    run.log({"train/loss": math.nan}, step=60)
    run.log({"train/loss": 1.0}, step=61)
    run.log({"train/loss": math.inf}, step=70)
    run._end = object()  # type: ignore[assignment]  # as after SIGKILL: nobody writes down an end
    ear = Ear(run.folder)
    ear.look()
    assert [(alert.title, alert.step) for alert in of_kind(run.folder, Alert)] == [
        ("train/loss is nan", 10),
        ("train/loss is inf", 70),
    ]
    journals.go_on(tmp_path, range(50, 60))
    for _ in range(3):
        ear.look()
    ear.close()
    late = Ear(run.folder)
    late.look()
    late.close()
    assert titles(run.folder) == ["train/loss is nan", "train/loss is inf"]


def test_one_of_two_companions_watches(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    run.log({"train/loss": math.nan}, step=1)
    one, two = Ear(run.folder), Ear(run.folder)
    for ear in (one, two, one, two):
        ear.look()
    assert titles(run.folder) == ["train/loss is nan"]
    for ear in (one, two):
        ear.close()
    run.end()


def test_a_training_that_is_silent_is_told_and_one_that_has_ended_is_not(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    for number in range(10):
        run._clock = lambda: T0 + number  # noqa: B023
        run.log({"train/loss": 1.0}, step=number)
    ear = Ear(run.folder)
    ear.look()
    ear.now = 599.0
    ear.look()
    assert titles(run.folder) == []
    ear.now = 4000.0
    ear.look()
    ear.look()
    [alert] = of_kind(run.folder, Alert)
    assert (alert.title, alert.step) == ("the training stalls", 9)
    run.end()
    ear.now = 90_000.0
    ear.look()
    ear.close()
    assert titles(run.folder) == ["the training stalls"]


def test_alerts_of_the_companion_are_lines_in_the_terminal(tmp_path: Path, caplog: Any) -> None:
    run = journals.new_run(tmp_path)
    run.log({"train/loss": math.nan}, step=1)
    ear = Ear(run.folder)
    ear.look()
    ear.watchman.tell(Alert(time=T0, title="finished", level="info", name="ended"))
    companion = Companion(run.folder, 1, [])
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            companion._show_alerts()
    ear.close()
    run.end()
    assert [record.message for record in caplog.records] == ["train/loss is nan (step 1)"]


def test_the_companion_of_a_run_watches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companions, "START_AFTER", {True: 0.0, False: 0.0})
    with Run("p", save_dir=tmp_path, alerts={"disk_free_gb": 1e9}) as run:
        assert run._companion is not None
        run._companion.tick(ended=False)
        run.log({"train/loss": math.nan}, step=1)
        until(lambda: sorted(titles(run.folder)) == ["the disk is nearly full", "train/loss is nan"])
    run._companion.ask_to_finish()
    run.finish()
    assert len(titles(run.folder)) == 2


def test_the_page_about_alerts_names_every_rule_and_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2].joinpath("docs", "alerts.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| .* \| (\w[\w.]*)(?:, off)? \| (\w+) \|$", page, re.MULTILINE)
    defaults = {name: f"{value:g}" for name, value in vars(Limits()).items()} | {"nonfinite": "on"}
    assert {name: default for name, default, _ in rows} == defaults | {"crashed": "always"}
    assert {name for name, _, _ in rows} == set(NAMES)
    monkeypatch.setenv("ETM_STORE", str(tmp_path))
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], names)
    text = names["logger"].run._environment["ETM_ALERTS"]
    assert limits(text) == Limits(spike=8, plateau=10, stall=0)
    [given] = re.findall(r"ETM_ALERTS=(\S+=\S+)", page)
    assert limits(given) == Limits(spike=8, stall=0)
