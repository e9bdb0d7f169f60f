"""What a training runs on: processor, memory, devices, and the scheduler that gave them."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from etm_lightning.track.gpus import described, driver, text

_DRIVER_SECONDS = 3.0
# without one of these there is no driver, and loading its library need not be tried
_DRIVERS = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg")

SLURM = (
    "job_id",
    "job_name",
    "array_job_id",
    "array_task_id",
    "step_id",
    "job_nodelist",
    "job_num_nodes",
    "ntasks",
    "procid",
    "localid",
    "nodeid",
    "restart_count",
    "job_partition",
    "cluster_name",
    "job_qos",
    "cpus_per_task",
    "gpus_on_node",
)
RAY = ["job_id", "node_id", "address"]
LAUNCHER = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "GROUP_RANK",
    "NODE_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
    "TORCHELASTIC_RUN_ID",
    "TORCHELASTIC_RESTART_COUNT",
    "TORCHELASTIC_MAX_RESTARTS",
)


@cache
def machine() -> dict[str, Any]:
    """Processor, memory and NVIDIA devices of this machine, asked once per process."""
    return {
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "cpus_usable": usable_cores(),
        "cpu": processor(),
        "memory": memory(),
        **devices(),
    }


def scheduler() -> dict[str, Any]:
    """What Slurm, Ray and the launcher of the ranks say about this process; None where there is none."""
    return {
        "slurm": _named("SLURM_", SLURM),
        "ray": _named("RAY_", RAY),
        "launcher": {name: os.environ[name] for name in LAUNCHER if name in os.environ} or None,
    }


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The model of the processor; the architecture where it has no name."""
    with suppress(OSError), cpuinfo.open(errors="replace") as lines:  # Linux only
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip().lower() in ("model name", "hardware") and value.strip():
                return value.strip()
    if sys.platform == "darwin":
        found = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        return found.stdout.strip() or platform.machine()
    return platform.machine()


def memory(root: Path = Path("/")) -> int:
    """Bytes of memory that this process may use: the machine's, or less where a control group limits it.

    Args:
        root: where `proc` and `sys` are.
    """
    return min([int(psutil.virtual_memory().total), *_limits(root)])


def _limits(root: Path) -> Iterator[int]:
    """The memory limits of the control groups that this process is in, of both versions."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory") and "memory" not in controllers.split(","):
            continue
        top, name = (root / "sys/fs/cgroup", "memory.max")
        if controllers:
            top, name = top / "memory", "memory.limit_in_bytes"
        group = top / path.strip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(top):
                yield from _limit(folder / name)


def _limit(file: Path) -> Iterator[int]:
    try:
        text = file.read_text().strip()
    except OSError:  # the group of a container, seen from inside
        return
    if text.isdecimal() and int(text) > 0:
        yield int(text)


def devices() -> dict[str, Any]:
    """NVIDIA's driver, the CUDA version it brings, and its devices; nothing without a driver."""
    found: dict[str, Any] = {"driver": "", "cuda": "", "gpus": []}
    if sys.platform == "linux" and not any(map(os.path.exists, _DRIVERS)):
        return found
    # a device that has fallen off the bus can hold whoever asks it: the training does not wait for that
    asking = threading.Thread(target=_ask, args=(found,), daemon=True)
    asking.start()
    asking.join(_DRIVER_SECONDS)
    return dict(found)


def _ask(found: dict[str, Any]) -> None:
    try:
        with driver() as nvml:
            found["driver"] = text(nvml.nvmlSystemGetDriverVersion())
            version = nvml.nvmlSystemGetCudaDriverVersion()
            found["cuda"] = f"{version // 1000}.{version % 1000 // 10}"
            for gpu in described(nvml):
                found["gpus"].append({"name": gpu.name, "memory": gpu.memory})
    except Exception as error:  # no library, a driver that does not fit it, or another package of that name
        found["driver"] = f"{found['driver']} ({type(error).__name__}: {error})".strip()


def usable_cores() -> int | None:
    """How many cores this process may use; None if the system does not say."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def _named(prefix: str, names: Sequence[str]) -> dict[str, str] | None:
    known = {name: os.environ.get(f"{prefix}{name.upper()}") for name in names}
    return {name: value for name, value in known.items() if value is not None} or None
