"""What a run's records are called at W&B."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from etm_lightning.params import flatten
from etm_lightning.records import Json, Media, Scalars, Text

STEP = "trainer/global_step"
_MACHINE = {
    "memory_percent": "memory_percent",
    "gpu_percent": "gpu",
    "gpu_memory_percent": "memoryAllocated",
    "gpu_power_w": "powerWatts",
    "gpu_temperature_c": "temp",
}
_GB, _MIB = 1e9, 2.0**20


def run_id(id: str) -> str:
    """A run's id as W&B takes it; distinct ids stay distinct.

    >>> run_id("20260101-120000-lr=1e-5_seed=1-9f3a")
    '20260101-120000-lr=1e-5_seed=1-9f3a'
    >>> run_id("a b")
    'a_b-c8687a08'
    """
    safe = re.sub(r"[^\w.=+-]", "_", id, flags=re.ASCII)
    if safe == id and len(id) <= 120:
        return id
    return f"{safe[:100]}-{hashlib.sha256(id.encode(errors='surrogatepass')).hexdigest()[:8]}"


def artifact_name(name: str) -> str:
    """An artifact's name as W&B takes it.

    >>> artifact_name("epoch=1-step=3.ckpt")
    'epoch-1-step-3.ckpt'
    """
    return re.sub(r"[^\w.-]", "-", name, flags=re.ASCII)[:128] or "file"


def tags(words: Sequence[str]) -> tuple[str, ...]:
    """Tags as W&B takes them: of 1 to 64 characters, each once."""
    return tuple(dict.fromkeys(word.strip()[:64] for word in words if word.strip()))


def config(params: Mapping[str, Mapping[str, Json]]) -> dict[str, Json]:
    """Settings flat, as W&B's tables want them: by dotted name, and by the last part where that is clear.

    Args:
        params: by what they are about, "" for the settings themselves.

    >>> config({"": {"lr": 1, "model": {"lr": 1, "width": 8}}, "data": {"rows": 5}})
    {'lr': 1, 'model.lr': 1, 'model.width': 8, 'data/rows': 5, 'width': 8}
    """
    found: dict[str, Json] = {}
    last: dict[str, list[Json]] = {}
    for about, settings in params.items():
        for name, value in flatten(settings).items():
            found[f"{about}/{name}" if about else name] = value
            if about in ("", "hparams"):
                last.setdefault(name.rpartition(".")[2], []).append(value)
    for name, values in last.items():
        if not name.startswith("_") and all(value == values[0] for value in values):
            found.setdefault(name, values[0])
    return found


def columns(record: Scalars | Text | Media) -> dict[str, Json]:
    """Where a record stands, the axis that it is drawn over first.

    >>> columns(Scalars(time=0.0, step=3, epoch=1))
    {'trainer/global_step': 3, 'epoch': 1}
    """
    axis = STEP if record.axis == "step" else record.axis
    found: dict[str, Json] = {axis: record.step}
    if record.epoch is not None:
        found["epoch"] = record.epoch
    return found


def machine(values: Mapping[str, float], cpus: int) -> dict[str, float]:
    """A sample of the machine by the names, and in the units, of W&B's panel of the system.

    Args:
        values: by our names.
        cpus: how many processors 100 % are; 0 if that is not known.

    >>> machine({"system/cpu_percent": 200.0, "system/gpu1_power_w": 70.0, "system/processes": 3.0}, 4)
    {'cpu': 50.0, 'gpu.1.powerWatts': 70.0, 'processes': 3.0}
    """
    found: dict[str, float] = {}
    for name, value in values.items():
        name = name.removeprefix("system/")
        gpu = re.fullmatch(r"gpu(\d+)_(\w+)", name)
        if name == "cpu_percent":
            found["cpu"] = value / (cpus or 1)
        elif name == "memory_gb":
            found["proc.memory.rssMB"] = value * _GB / _MIB
        elif gpu and gpu[2] == "memory_gb":
            found[f"gpu.{gpu[1]}.memoryAllocatedBytes"] = value * _GB
        elif gpu:
            found[f"gpu.{gpu[1]}.{_MACHINE.get(f'gpu_{gpu[2]}', gpu[2])}"] = value
        else:
            found[_MACHINE.get(name, name)] = value
    return found


def number(value: Json) -> Json:
    """A value of a summary: NaN and infinities, which come as texts, as numbers.

    >>> number("inf"), number("a text"), number(0.5)
    (inf, 'a text', 0.5)
    """
    return float(value) if value in ("nan", "inf", "-inf") else value
