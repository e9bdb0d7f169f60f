"""The NVIDIA GPUs of this machine, as its driver tells of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Gpu:
    """A GPU; memory in bytes."""

    name: str
    memory: int
    free: int


@contextmanager
def driver() -> Iterator[Any]:
    """The driver's library, ready to be asked.

    Raises:
        pynvml.NVMLError: without a driver, or where it does not answer.
    """
    import pynvml

    pynvml.nvmlInit()
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def handles(nvml: Any) -> list[Any]:
    """What the driver calls its GPUs, in its order."""
    return [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]


def described(nvml: Any) -> list[Gpu]:
    """The GPUs, in the driver's order."""
    found = []
    for handle in handles(nvml):
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        found.append(Gpu(text(nvml.nvmlDeviceGetName(handle)), int(memory.total), int(memory.free)))
    return found


def usable() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; none without a driver."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    import pynvml

    with contextlib.suppress(pynvml.NVMLError), driver() as nvml:
        return [str(number) for number in range(len(handles(nvml)))]
    return []


def text(value: str | bytes) -> str:
    """What the library says, which older ones say in bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
