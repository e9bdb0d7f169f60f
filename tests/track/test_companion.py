"""The training's side of the shipper."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from etm_lightning import Run
from etm_lightning.process import this_process
from etm_lightning.records import Scalars
from etm_lightning.track.shipping import companion as companions
from etm_lightning.track.shipping.companion import Companion
from etm_lightning.track.shipping.delivery import Delivery
from etm_lightning.track.shipping.shipper import Carrier, Shipper, Watch
from etm_lightning.track.sinks.sink import Sink, Target
from tests.contracts import journals, memory
from tests.track.lines import of_kind
from tests.track.secrets_in_text import WORD, draw

SINKS = {"memory": {"sink": memory.SPEC}}


def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(companions, "START_AFTER", {True: 0.0, False: 0.0})


def begun(run: Run) -> Companion:
    """The run's companion, with its shipper running."""
    run.start()
    one = run._companion
    assert one is not None
    one.tick(ended=False)
    assert one.pid is not None
    return one


def test_what_cannot_be_started_does_not_stop_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.executable", "/does/not/exist")
    with Run("p", save_dir=tmp_path, sinks=SINKS) as run, caplog.at_level(logging.WARNING):
        one = run._companion
        assert one is not None
        for _ in range(10):
            one._due = 0.0
            one.tick(ended=False)
        run.log({"a": 1.0}, step=1)
    assert "cannot be started" in caplog.text
    assert run.finish() == [f"memory is 5 records behind; `etm sync {run.id[-4:]} --to memory` delivers them"]


def test_without_sinks_the_end_takes_half_a_second_at_most(tmp_path: Path) -> None:
    with Run("p", save_dir=tmp_path) as run:
        one = begun(run)
        until(lambda: any(run.folder.journal.glob("*shipper*")))
    began = time.monotonic()
    one.ask_to_finish()
    assert run.finish() == []
    assert time.monotonic() - began < 1.0
    until(lambda: one.pid is None)


def test_no_zombie_is_left(tmp_path: Path) -> None:
    with Run("p", save_dir=tmp_path) as run:
        one = begun(run)
        pid = one.pid
        assert pid is not None
        psutil.Process(pid).kill()
        until(lambda: one.pid != pid)  # gone, or replaced already
        assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("off", ["ETM_SHIPPER", "shipper"])
def test_it_can_be_turned_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: str) -> None:
    if off == "ETM_SHIPPER":
        monkeypatch.setenv("ETM_SHIPPER", "0")
    with Run("p", save_dir=tmp_path, sinks=SINKS, shipper=off != "shipper") as run:
        assert run._companion is None


def test_a_run_that_ends_at_once_is_delivered_all_the_same(tmp_path: Path) -> None:
    with Run("p", save_dir=tmp_path, sinks=SINKS) as run:
        run.log({"train/loss": 1.0}, step=0)
    one = run._companion
    assert one is not None
    one.ask_to_finish()
    assert run.finish() == []
    assert memory.kept(run.folder)["train/loss"] == [(0, 1.0)]


def test_a_reopened_run_is_accompanied_again(tmp_path: Path) -> None:
    with Run("p", save_dir=tmp_path, sinks=SINKS) as run:
        one = begun(run)
        run.log({"train/loss": 1.0}, step=0)
    one.ask_to_finish()
    assert run.finish() == []
    assert not run.look_after()
    run.log({"train/loss": 0.5}, step=1)
    assert run.look_after()
    assert one.pid is not None
    run.end()
    one.ask_to_finish()
    assert run.finish() == []
    assert memory.kept(run.folder)["train/loss"] == [(0, 1.0), (1, 0.5)]


def test_no_secret_is_in_the_log_of_the_shipper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret, fault = draw(WORD, 24, "shipper"), tmp_path / "fault"
    fault.touch()
    monkeypatch.setenv("DEVICE_TOKEN", secret)
    sinks = {"memory": {"sink": memory.SPEC, "fail": str(fault), "tell": "DEVICE_TOKEN"}}
    with Run("p", save_dir=tmp_path, sinks=sinks) as run:
        run.log({"train/loss": 1.0}, step=0)
        one = begun(run)
        written = run.folder.logs / "shipper-1.log"
        until(lambda: "OSError" in written.read_text())
        fault.unlink()
    one.ask_to_finish()
    assert run.finish() == []
    text = written.read_text()
    assert "a client of its own: the device of the sink says <hidden>" in text
    assert "Traceback" in text
    assert secret not in text


def test_hardware_is_sampled_on_an_axis_of_seconds(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    run.log({"a": 1.0}, step=5)
    Shipper(run.folder, 1, this_process())._sample()
    [sample] = [row for row in of_kind(run.folder, Scalars) if row.axis == "seconds"]
    assert sample.values["system/memory_gb"] > 0.01
    assert 0 <= sample.step <= time.time() - run.identity.created
    run.end()


def test_the_end_is_seen_and_that_it_was_not_the_end(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    run.log({"a": 1.0}, step=1)
    watch = Watch(run.folder, 1, this_process())
    assert watch.alive()
    assert not watch.ended()
    run.end()
    assert watch.ended()
    run.log({"a": 2.0}, step=2)
    assert not watch.ended()
    run.end()


def test_a_sink_that_is_back_when_the_training_ends_gets_the_rest_at_once(tmp_path: Path) -> None:
    tries: list[str] = []

    def away_at_first(target: Target) -> Sink:
        tries.append("")
        if len(tries) == 1:
            raise ConnectionError("away")
        return memory.opened(target)

    folder = journals.simple(tmp_path)
    delivery = Delivery(folder, "memory", SINKS["memory"], make=away_at_first, clock=lambda: 0.0)
    carrier = Carrier(delivery, cores=2)
    carrier.start()
    until(lambda: delivery.waiting)  # for ever, by this clock
    carrier.stop()
    carrier.join(10)
    assert not carrier.is_alive()
    assert not delivery.error
    assert delivery.delivered > 50
