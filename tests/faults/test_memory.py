"""A sink that is dead for a long time costs no memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.training import ROOT

SCRIPT = """
import sys, time
from etm_lightning import Run
store, seconds, fault = sys.argv[1], float(sys.argv[2]), sys.argv[3]
sinks = {"dead": {"sink": "tests.contracts.memory.opened", "refuse": fault}}
names = [f"train/metric_{i}" for i in range(10)]
with Run("faults", save_dir=store, id="r1", sinks=sinks, finish_timeout=2.0) as run:
    begin, step = time.monotonic(), 0
    while (now := time.monotonic() - begin) < seconds:
        for step in range(step, int(now * 1000)):
            run.log(dict.fromkeys(names, 1.0 / (step + 1)), step=step)
        step = int(now * 1000)
        time.sleep(0.002)
"""
MEGABYTE = 1 << 20


def memory_of(process: psutil.Process) -> int:
    """Bytes that the training and its shipper hold."""
    return sum(int(one.memory_info().rss) for one in [process, *process.children()])


def check_flat(store: Path, seconds: float, settled: float) -> tuple[int, int]:
    """Log 10,000 scalars a second beside a dead sink; bytes held after `settled` seconds and at the end."""
    fault = store / "fault"
    fault.touch()
    training = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(store), str(seconds), str(fault)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    process = psutil.Process(training.pid)
    try:
        time.sleep(settled)
        early = memory_of(process)
        time.sleep(seconds - settled - 2.0)
        late = memory_of(process)
        shippers = process.children()
        assert len(shippers) == 1
        assert training.wait(60) == 0
    finally:
        training.kill()
        for shipper in shippers:
            if shipper.is_running():
                shipper.send_signal(signal.SIGKILL)
    return early, late


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_ten_minutes_beside_a_dead_sink_hold_no_more_memory_than_one(tmp_path: Path) -> None:
    seconds = float(os.environ.get("SOAK_SECONDS", "600"))
    early, late = check_flat(tmp_path, seconds, min(60.0, seconds / 3))
    print(f"{early / MEGABYTE:.1f} MB, then {late / MEGABYTE:.1f} MB")
    assert late - early < 2 * MEGABYTE
