"""What a training does to its machine: samples of its process tree, the machine and the GPUs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from etm_lightning.track.gpus import handles

GB = 1e9
CGROUP = Path("/sys/fs/cgroup")


class Hardware:
    """Samples of one process and all its descendants, and of what they run on.

    Args:
        pid: the training's process.
        folder: a folder on the disk whose free space matters.
        clock: seconds.
    """

    def __init__(self, pid: int, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._pid, self._folder, self._clock = pid, folder, clock
        self._known: dict[int, psutil.Process] = {}
        self._last: dict[str, tuple[float, float]] = {}
        self._gpus = _gpus()
        self._tree()  # use of a processor is counted from one sample to the next
        psutil.cpu_percent()

    def sample(self) -> dict[str, float]:
        """Values by name; what cannot be told here is left out.

        ``system/cpu_percent`` and ``system/memory_gb`` (resident, 10^9 bytes) are of the process tree, 100 %
        being one core; ``system/machine_cpu_percent`` is of all cores together; ``system/memory_percent`` is
        of the container's limit if it has one, else of the machine's memory; rates are in 10^6 bytes/s,
        those of the disk of the process tree, those of the network of the machine.
        """
        found = {**self._tree(), **self._machine()}
        for number, gpu in enumerate(self._gpus):
            found |= {f"system/gpu{number}_{name}": value for name, value in _gpu(gpu).items()}
        return found

    def _tree(self) -> dict[str, float]:
        cpu = memory = read = written = 0.0
        alive: dict[int, psutil.Process] = {}
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                process = self._known.get(process.pid, process)
                with process.oneshot():
                    cpu += process.cpu_percent()  # since the last call for this process
                    memory += process.memory_info().rss
                    with contextlib.suppress(psutil.AccessDenied, AttributeError):
                        io: Any = process.io_counters()
                        read, written = read + io.read_bytes, written + io.write_bytes
                alive[process.pid] = process
        self._known = alive
        if not alive:
            return {}
        return {
            "system/cpu_percent": cpu,
            "system/memory_gb": memory / GB,
            "system/processes": float(len(alive)),
            **self._rates({"disk_read": read, "disk_written": written}),
        }

    def _processes(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self._pid)
            mine = psutil.Process().pid
            return [root, *(child for child in root.children(recursive=True) if child.pid != mine)]
        except psutil.Error:
            return []

    def _machine(self) -> dict[str, float]:
        used, limit = memory_in_use()
        network = psutil.net_io_counters()
        return {
            "system/machine_cpu_percent": psutil.cpu_percent(),
            "system/memory_percent": 100.0 * used / limit,
            "system/disk_free_gb": psutil.disk_usage(str(self._folder)).free / GB,
            **self._rates({"network_sent": network.bytes_sent, "network_received": network.bytes_recv}),
        }

    def _rates(self, totals: dict[str, float]) -> dict[str, float]:
        found, now = {}, self._clock()
        for name, total in totals.items():
            before = self._last.get(name)
            self._last[name] = (now, total)
            if before is not None and now > before[0]:
                # a process that ended takes its bytes with it
                found[f"system/{name}_mb_s"] = max(0.0, total - before[1]) / 1e6 / (now - before[0])
        return found


def memory_in_use(cgroup: Path = CGROUP) -> tuple[float, float]:
    """Bytes of memory in use and how many there may be: the container's where it has a limit."""
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        if limit != "max":
            return float((cgroup / "memory.current").read_text()), float(limit)
    except (OSError, ValueError):  # no container of the second kind: what the machine says
        pass
    machine = psutil.virtual_memory()
    return float(machine.total - machine.available), float(machine.total)


def oom_kills(cgroup: Path = CGROUP) -> int:
    """How many processes the kernel has killed for want of memory, in this container or on this machine."""
    for path in (cgroup / "memory.events", Path("/proc/vmstat")):
        try:
            words = dict(line.split() for line in path.read_text().splitlines())
            return int(words["oom_kill"])
        except (OSError, KeyError, ValueError):
            continue
    return 0


def _gpus() -> list[Any]:
    """Handles of the NVIDIA GPUs, which are asked as long as this process lives; none without a driver."""
    import pynvml

    with contextlib.suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        return handles(pynvml)
    return []


def _gpu(handle: Any) -> dict[str, float]:
    import pynvml

    found: dict[str, float] = {}
    for read in (_gpu_use, _gpu_memory, _gpu_power, _gpu_heat):
        with contextlib.suppress(pynvml.NVMLError):  # not every GPU tells everything
            found |= read(pynvml, handle)
    return found


def _gpu_use(pynvml: Any, handle: Any) -> dict[str, float]:
    return {"percent": float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)}


def _gpu_memory(pynvml: Any, handle: Any) -> dict[str, float]:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return {"memory_gb": memory.used / GB, "memory_percent": 100.0 * memory.used / memory.total}


def _gpu_power(pynvml: Any, handle: Any) -> dict[str, float]:
    return {"power_w": pynvml.nvmlDeviceGetPowerUsage(handle) / 1000.0}


def _gpu_heat(pynvml: Any, handle: Any) -> dict[str, float]:
    celsius = pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)
    return {"temperature_c": float(celsius)}
