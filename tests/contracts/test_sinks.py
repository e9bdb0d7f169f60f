"""What holds for every sink, read back with the peer's own reader."""

from __future__ import annotations

import math
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from etm_lightning.layout import RunFolder
from etm_lightning.track.shipping.delivery import Delivery
from tests.contracts import journals
from tests.contracts.case import Case, Curves
from tests.contracts.cases import CASES

pytestmark = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def deliver(case: Case, folder: RunFolder) -> Delivery:
    """One deliverer's life: all that is there."""
    delivery = Delivery(folder, case.name, {"sink": case.name, **case.options(folder)})
    delivery.advance()
    delivery.close()
    assert not delivery.error, delivery.error
    return delivery


def as_kept(case: Case, value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0] if case.single else value


def expect(case: Case, found: Curves, name: str, points: list[tuple[int, float]]) -> None:
    wanted = [(step, as_kept(case, value)) for step, value in points]
    got = sorted(found[name]) if case.exactly_once else sorted(set(found[name]))
    assert got == wanted, name


def test_every_value_arrives_to_the_last_bit_that_the_peer_holds(case: Case, tmp_path: Path) -> None:
    folder = journals.simple(tmp_path)
    deliver(case, folder)
    found = case.read(folder)
    expect(case, found, "train/loss", journals.curve(50))
    expect(case, found, "val/f1", [(step, step / 1000) for step in range(9, 50, 10)])
    for name, value in journals.ODD.items():
        expect(case, found, name, [(50, value)])


def test_values_that_are_no_numbers_arrive(case: Case, tmp_path: Path) -> None:
    if not case.nonfinite:
        pytest.skip(f"{case.name} has no NaN and no infinities")
    folder = journals.simple(tmp_path)
    deliver(case, folder)
    found = case.read(folder)
    for name, value in journals.NONFINITE.items():
        [(step, got)] = found[name]
        assert step == 50
        assert math.isnan(got) if math.isnan(value) else got == value


def test_delivered_piece_by_piece_it_is_the_same(case: Case, tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    for begin in range(0, 40, 10):
        journals.log_steps(run, range(begin, begin + 10))
        deliver(case, run.folder)
    run.end()
    deliver(case, run.folder)
    expect(case, case.read(run.folder), "train/loss", journals.curve(40))


def test_nothing_new_changes_nothing(case: Case, tmp_path: Path) -> None:
    folder = journals.simple(tmp_path)
    deliver(case, folder)
    assert deliver(case, folder).delivered == 0
    expect(case, case.read(folder), "train/loss", journals.curve(50))


def test_a_kill_before_the_place_is_stored_loses_nothing(case: Case, tmp_path: Path) -> None:
    folder = journals.simple(tmp_path)
    killed = f"""
import os, signal
from pathlib import Path
from etm_lightning.layout import RunFolder
from etm_lightning.track.shipping import delivery
from tests.contracts.cases import CASES
case = next(case for case in CASES if case.name == {case.name!r})
folder = RunFolder(Path({str(folder.path)!r}))
stored, store, rounds = [], delivery.store, []
delivery.BATCH = 20
def killing(path, progress):
    rounds.append(1)
    if len(rounds) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    store(path, progress)
delivery.store = killing
delivery.Delivery(folder, case.name, {{"sink": case.name, **case.options(folder)}}).advance()
"""
    done = subprocess.run([sys.executable, "-c", killed], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    deliver(case, folder)
    expect(case, case.read(folder), "train/loss", journals.curve(50))


def test_a_resumed_run_is_one_curve_when_delivered_late(case: Case, tmp_path: Path) -> None:
    journals.before_the_crash(tmp_path)
    folder = journals.after_the_crash(tmp_path)
    deliver(case, folder)
    found = case.read(folder)
    assert [step for step, _ in found["train/loss"]] == list(range(100))
    expect(case, found, "train/loss", journals.curve())


def test_a_resumed_run_is_one_curve_when_its_lost_part_was_delivered(case: Case, tmp_path: Path) -> None:
    deliver(case, journals.before_the_crash(tmp_path))
    folder = journals.after_the_crash(tmp_path)
    deliver(case, folder)
    found = case.read(folder)
    assert [step for step, _ in found["train/loss"]] == list(range(100))
    expect(case, found, "train/loss", journals.curve())


def test_a_record_of_a_later_version_is_passed_over(case: Case, tmp_path: Path) -> None:
    folder = journals.simple(tmp_path, steps=10)
    journals.add_an_unknown_kind(folder)
    deliver(case, folder)
    expect(case, case.read(folder), "train/loss", journals.curve(10))


def test_many_names_arrive(case: Case, tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    run.log({f"metric/{i}": float(i) for i in range(500)}, step=1)
    run.end()
    deliver(case, run.folder)
    found = case.read(run.folder)
    assert {name: value for name, [(_, value)] in found.items() if name.startswith("metric/")} == {
        f"metric/{i}": float(i) for i in range(500)
    }
