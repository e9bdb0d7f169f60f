"""Memory of the device that trains."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from etm_lightning.track.monitor import Measured, Measuring

GB = 1e9


class DeviceMemory(Measuring):
    """What torch holds of the device's memory, in 10^9 bytes: nothing is waited for, nothing is reset.

    ``memory/allocated_gb`` is in tensors now, ``memory/peak_gb`` was so at most since the process began,
    ``memory/reserved_gb`` torch keeps for itself. A CPU has none of these: the memory of the process is
    ``system/memory_gb``, which the run's companion samples.
    """

    def measure(self, trainer: Any, module: Any) -> Mapping[str, Measured]:
        device = trainer.strategy.root_device
        return memory(getattr(sys.modules["torch"], device.type, None), device)


def memory(backend: Any, device: Any) -> dict[str, float]:
    """What a backend of torch, such as ``torch.cuda``, says of a device's memory."""
    if hasattr(backend, "max_memory_allocated"):
        return {
            "memory/allocated_gb": backend.memory_allocated(device) / GB,
            "memory/reserved_gb": backend.memory_reserved(device) / GB,
            "memory/peak_gb": backend.max_memory_allocated(device) / GB,
        }
    if hasattr(backend, "driver_allocated_memory"):  # Apple's
        return {
            "memory/allocated_gb": backend.current_allocated_memory() / GB,
            "memory/reserved_gb": backend.driver_allocated_memory() / GB,
        }
    return {}
