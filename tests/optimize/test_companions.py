"""The companions of trials, which the controller starts and looks after."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from etm_lightning import Run
from etm_lightning.attempts import find_writers
from etm_lightning.layout import RunFolder
from etm_lightning.optimize import companions
from etm_lightning.optimize.companions import Companions
from etm_lightning.process import this_process
from etm_lightning.records import Ended, Scalars
from etm_lightning.track.shipping import companion
from etm_lightning.track.shipping.shipper import Shipper
from tests.contracts import memory
from tests.track.lines import of_kind

SINKS = {"memory": {"sink": memory.SPEC}}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companion, "START_AFTER", {True: 0.0, False: 0.0})
    monkeypatch.setattr(companions, "EVERY", 0.0)


def until(true: Callable[[], bool], meanwhile: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        meanwhile()
        time.sleep(0.05)


def sampled(folder: RunFolder) -> list[Scalars]:
    return [row for row in of_kind(folder, Scalars) if row.axis == "seconds"]


def shippers(folder: RunFolder) -> int:
    return sum(one.header.role == "shipper" for one in find_writers(folder.journal))


def test_a_trial_at_work_is_delivered_and_its_machine_is_sampled(tmp_path: Path) -> None:
    run, ours = Run("p", save_dir=tmp_path, sinks=SINKS, shipper=False), Companions()
    ours.look([run.folder])  # it has not begun
    run.start()
    run.log({"train/loss": 1.0}, step=0)
    until(lambda: bool(memory.kept(run.folder)), lambda: ours.look([run.folder]))
    until(lambda: bool(sampled(run.folder)), lambda: ours.look([run.folder]))
    run.log({"train/loss": 0.5}, step=1)
    run.end()
    ours.ended(run.folder)
    assert ours.finish() == []
    assert memory.kept(run.folder)["train/loss"] == [(0, 1.0), (1, 0.5)]
    assert shippers(run.folder) == 1


def test_one_that_an_earlier_controller_left_gets_no_second_beside_it(tmp_path: Path) -> None:
    run, earlier, later = Run("p", save_dir=tmp_path, sinks=SINKS, shipper=False), Companions(), Companions()
    run.start()
    until(lambda: shippers(run.folder) == 1, lambda: earlier.look([run.folder]))
    for _ in range(3):
        later.look([run.folder])
    assert not later._at_work
    run.end()
    earlier.ended(run.folder)
    earlier.finish()


def test_a_trial_that_was_over_before_its_companion_is_delivered(tmp_path: Path) -> None:
    ours = Companions()
    with Run("p", save_dir=tmp_path, sinks=SINKS, shipper=False) as run:
        run.log({"train/loss": 1.0}, step=0)
    ours.ended(run.folder)
    assert ours.finish() == []
    assert memory.kept(run.folder)["train/loss"] == [(0, 1.0)]


def test_without_sinks_a_short_trial_costs_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companion, "START_AFTER", {True: 1.0, False: 5.0})
    run, ours = Run("p", save_dir=tmp_path, shipper=False), Companions()
    run.start()
    ours.look([run.folder])
    run.end()
    ours.ended(run.folder)
    assert ours.finish() == []
    assert shippers(run.folder) == 0


def test_of_a_trial_elsewhere_nothing_is_said_but_what_it_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, ours = Run("p", save_dir=tmp_path, sinks=SINKS, shipper=False), Companions()
    run.start()
    run.log({"train/loss": 1.0}, step=0)
    monkeypatch.setattr("etm_lightning.attempts.Writer.alive", lambda self: None)
    until(lambda: bool(memory.kept(run.folder)), lambda: ours.look([run.folder]))
    (one,) = ours._at_work.values()
    assert one._delivers_only
    dead = replace(this_process(), born=1.0)
    Shipper(run.folder, 1, dead, delivers_only=True).run()  # its controller is gone, the trial is not
    assert not of_kind(run.folder, Ended)
    assert not sampled(run.folder)
    run.end()
    ours.ended(run.folder)
    assert ours.finish() == []
