from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil

from etm_lightning.track.shipping.hardware import Hardware, memory_in_use, oom_kills

LOOP = "b = bytearray(10**8)\nwhile True: pass"
BUSY = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LOOP!r}])"


def test_the_whole_process_tree_is_sampled(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        hardware = Hardware(process.pid, tmp_path)
        deadline = time.monotonic() + 20
        while True:
            found = hardware.sample()
            if found.get("system/cpu_percent", 0.0) > 20 and found["system/memory_gb"] > 0.1:
                break
            assert time.monotonic() < deadline, found
            time.sleep(0.3)
        assert found["system/processes"] == 2
    finally:
        for child in psutil.Process(process.pid).children():
            child.kill()
        process.kill()
        process.wait()


def test_of_a_process_that_is_gone_the_machine_is_still_told(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    found = Hardware(process.pid, tmp_path).sample()
    assert "system/cpu_percent" not in found
    assert 0 < found["system/memory_percent"] < 100
    assert found["system/disk_free_gb"] > 0


def test_rates_are_of_the_time_between_two_samples(tmp_path: Path) -> None:
    now = [0.0]
    hardware = Hardware(psutil.Process().pid, tmp_path, clock=lambda: now[0])
    assert not any(name.startswith("system/network") for name in hardware.sample())
    now[0] = 2.0
    assert hardware._rates({"x": 0.0}) == {}
    now[0] = 4.0
    assert hardware._rates({"x": 6e6}) == {"system/x_mb_s": 3.0}
    now[0] = 5.0
    assert hardware._rates({"x": 1e6}) == {"system/x_mb_s": 0.0}  # a process ended and took its bytes along


def test_memory_is_the_containers_where_it_has_a_limit(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("4000000000\n")
    (tmp_path / "memory.current").write_text("1000000000\n")
    assert memory_in_use(tmp_path) == (1e9, 4e9)
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_in_use(tmp_path)[1] == psutil.virtual_memory().total


def test_kills_for_want_of_memory_are_counted(tmp_path: Path) -> None:
    (tmp_path / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    assert oom_kills(tmp_path) == 2
    assert oom_kills(tmp_path / "none") >= 0
