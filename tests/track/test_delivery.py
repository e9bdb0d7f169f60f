from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from etm_lightning.layout import RunFolder
from etm_lightning.process import this_process
from etm_lightning.records import Record
from etm_lightning.track.shipping.cursors import Holder, Lease, load, progress_file, replace
from etm_lightning.track.shipping.delivery import Delivery, lag
from etm_lightning.track.sinks.sink import RefusedError, Target
from tests.contracts import journals, memory
from tests.track.secrets_in_text import WORD, draw


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def delivery(folder: RunFolder, clock: Clock | None = None, **options: Any) -> Delivery:
    return Delivery(folder, "memory", {"sink": memory.SPEC, **options}, clock=clock or Clock())


def test_a_sink_that_raises_is_tried_again_from_the_stored_place(tmp_path: Path) -> None:
    folder, clock, fault = journals.simple(tmp_path), Clock(), tmp_path / "fault"
    fault.touch()
    one = delivery(folder, clock, fail=str(fault))
    for wait in (1, 2, 4, 8):
        assert one.advance() == 0
        assert "no space left" in one.error
        clock.now += wait - 0.1
        assert one.waiting
        clock.now += 0.1
        assert not one.waiting
    fault.unlink()
    assert one.advance() > 0
    assert not one.error
    assert memory.kept(folder)["train/loss"] == journals.curve(50)


def test_it_waits_a_minute_at_most(tmp_path: Path) -> None:
    folder, clock, fault = journals.simple(tmp_path), Clock(), tmp_path / "fault"
    fault.touch()
    one = delivery(folder, clock, fail=str(fault))
    for _ in range(20):
        one.advance()
        clock.now += 60.0
    assert not one.waiting


def test_why_a_sink_does_not_get_on_is_written_down_until_it_does(tmp_path: Path) -> None:
    folder, clock, fault = journals.simple(tmp_path), Clock(), tmp_path / "fault"
    fault.touch()
    one = delivery(folder, clock, refuse=str(fault))
    one.advance()
    assert load(progress_file(folder, "memory")).error == "ConnectionError: refused at the start"
    fault.unlink()
    clock.now += 1.0
    one.advance()
    assert load(progress_file(folder, "memory")).error == ""


def test_a_sink_that_asks_for_somebody_is_refused_in_its_own_words(tmp_path: Path) -> None:
    def refuse(target: Target) -> Any:
        raise RefusedError("not logged in: log in")

    one = Delivery(journals.simple(tmp_path), "x", {"sink": "x"}, make=refuse)
    one.advance()
    assert one.refused
    assert one.error == "not logged in: log in"


def test_no_secret_that_a_sink_raises_or_logs_is_written_down(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = draw(WORD, 36, "delivery")

    class Careless(memory.Memory):
        def write(self, records: Sequence[Record]) -> None:
            try:
                raise ConnectionError(f"https://ada:{secret}@sink/api refused")
            except ConnectionError as cause:
                raise RuntimeError("no answer") from cause

        def close(self) -> None:
            raise OSError(f"Authorization: Bearer {secret}")

    folder = journals.simple(tmp_path)
    Delivery(folder, "x", {"sink": "x"}, make=Careless).advance()
    assert "RuntimeError: no answer" in caplog.text
    assert "https://ada:<hidden>@sink/api refused" in caplog.text
    assert "could not be closed: OSError" in caplog.text
    assert secret not in caplog.text
    assert secret not in progress_file(folder, "x").read_text()


def test_one_process_delivers_at_a_time(tmp_path: Path) -> None:
    folder = journals.simple(tmp_path)
    first, second = delivery(folder), delivery(folder)
    assert first.advance() > 0
    assert second.advance() == 0
    assert f"process {os.getpid()}" in second.error
    first.close()
    assert second.advance() == 0
    assert not second.error


def test_who_lost_the_lease_stores_no_place(tmp_path: Path) -> None:
    folder = journals.simple(tmp_path)
    lease = Lease(folder, "memory", seconds=1000.0)
    one = Delivery(folder, "memory", {"sink": memory.SPEC}, lease=lease)
    assert lease.take()
    other = Lease(folder, "memory")
    replace(folder.cursors / "memory.lease", b"{}")  # as if it had expired and been taken
    assert other.take()
    assert one.advance() == 0
    assert "was lost" in one.error
    assert load(progress_file(folder, "memory")).writers == {}


def test_a_lease_of_a_process_that_is_gone_is_free(tmp_path: Path) -> None:
    folder = journals.simple(tmp_path)
    me = this_process()
    gone = Holder(me.host, me.boot, me.pid, me.born - 100.0, "x", 9e9)
    folder.cursors.mkdir()
    replace(folder.cursors / "memory.lease", msgspec.json.encode(gone))
    assert Lease(folder, "memory").take()


def test_a_lease_of_another_host_is_free_when_it_expires(tmp_path: Path) -> None:
    folder, clock = journals.simple(tmp_path), Clock()
    there = Holder("elsewhere", "boot", 1, 0.0, "x", clock.now + 60.0)
    replace(folder.cursors / "memory.lease", msgspec.json.encode(there))
    lease = Lease(folder, "memory", clock=clock)
    assert not lease.take()
    clock.now += 61.0
    assert lease.take()


def test_of_many_who_claim_a_stale_lease_one_has_it(tmp_path: Path) -> None:
    folder = journals.simple(tmp_path)
    for _ in range(200):
        replace(folder.cursors / "memory.lease", b"stale")
        leases = [Lease(folder, "memory") for _ in range(3)]
        assert [lease.take() for lease in leases].count(True) == 1
        for lease in leases:
            lease.release()


def test_a_damaged_place_means_everything_anew(tmp_path: Path) -> None:
    folder = journals.simple(tmp_path)
    one = delivery(folder)
    one.advance()
    one.close()
    progress_file(folder, "memory").write_bytes(b"\x00\x01")
    delivery(folder).advance()
    assert memory.kept(folder)["train/loss"] == journals.curve(50)


def test_the_lag_is_what_was_not_delivered(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    journals.log_steps(run, range(10))
    one = delivery(run.folder)
    assert lag(run.folder, "memory") == one.advance() > 10
    assert lag(run.folder, "memory") == 0
    run.log({"a": 1.0}, step=11)
    assert lag(run.folder, "memory") == 1
    run.end()


def test_what_a_new_attempt_made_void_counts_as_not_delivered(tmp_path: Path) -> None:
    folder = journals.before_the_crash(tmp_path)
    delivery(folder).advance()
    journals.after_the_crash(tmp_path)
    assert lag(folder, "memory") > 100


class Deaf(memory.Memory):
    """Keeps what it is given, and does not say so."""

    def flush(self) -> Mapping[str, Any]:
        raise TimeoutError("no answer")


def test_what_a_sink_took_without_saying_so_is_taken_back_when_it_became_void(tmp_path: Path) -> None:
    folder = journals.before_the_crash(tmp_path)
    first = Delivery(folder, "memory", {"sink": memory.SPEC}, make=Deaf)
    first.advance()
    first.close()
    assert len(memory.kept(folder)["train/loss"]) == 80
    journals.after_the_crash(tmp_path)
    one = delivery(folder)
    one.advance()
    assert not one.error
    assert load(progress_file(folder, "memory")).generation == 1
    assert memory.kept(folder)["train/loss"] == journals.curve()


def test_what_follows_a_place_that_was_damaged_arrives_after_a_resume(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    journals.log_steps(run, range(20))
    one = delivery(run.folder)
    one.advance()
    one.close()
    place = max(load(progress_file(run.folder, "memory")).writers.values(), key=lambda cursor: cursor.n)
    journals.log_steps(run, range(20, 50))
    run.mark_checkpoint(step=50)
    run._end = object()  # type: ignore[assignment]  # as after SIGKILL
    path = run.folder.journal / place.segment
    content = bytearray(path.read_bytes())
    content[place.offset - 3] ^= 1
    path.write_bytes(content)
    journals.after_the_crash(tmp_path)
    delivery(run.folder).advance()
    assert {step for step, _ in memory.kept(run.folder)["train/loss"]} >= set(range(20, 100))
