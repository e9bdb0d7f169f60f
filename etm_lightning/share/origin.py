"""Where a run comes from, in the few words that a person wants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

MAIN = (
    "etm-lightning",
    "torch",
    "lightning",
    "pytorch-lightning",
    "transformers",
    "torchmetrics",
    "numpy",
)
"""The packages that decide most about a result."""


def origin(start: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a run recorded at its start, as names and texts; what it did not record is left out.

    >>> dict(origin({"git": {"commit": "4f2c9e1b7a", "branch": "main", "dirty": True}, "host": "n1"}))
    {'commit': '4f2c9e1b7a on main, with changes', 'host': 'n1'}
    """
    git, slurm = _mapping(start.get("git")), _mapping(start.get("slurm"))
    yield from _said("commit", _commit(git))
    yield from _said("remote", git.get("remote"))
    yield from _said("python", start.get("python"))
    yield from _said("packages", _packages(_mapping(start.get("packages"))))
    yield from _said("gpu", _devices(start))
    yield from _said("platform", start.get("platform"))
    yield from _said("host", start.get("host"))
    job = slurm.get("array_job_id") or slurm.get("job_id")
    task = f"_{slurm['array_task_id']}" if "array_task_id" in slurm else ""
    yield from _said("slurm job", f"{job}{task}" if job else "")


def _commit(git: Mapping[str, Any]) -> str:
    if not git.get("commit"):
        return ""
    branch = f" on {git['branch']}" if git.get("branch") else ""
    changes = f", with changes {str(git.get('diff') or '')[:12]}".rstrip() if git.get("dirty") else ""
    return f"{git['commit']}{branch}{changes}"


def _packages(installed: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {installed[name]}" for name in MAIN if name in installed)


def _devices(start: Mapping[str, Any]) -> str:
    """The devices of the host, equal ones together, and the CUDA that torch was built with."""
    known = start.get("gpus")
    gpus = [_mapping(gpu) for gpu in known] if isinstance(known, list) else []
    counted = Counter(f"{gpu.get('name')} {int(gpu.get('memory') or 0) / 2**30:.0f} GiB" for gpu in gpus)
    texts = [f"{count} x {text}" if count > 1 else text for text, count in counted.items()]
    if texts and start.get("driver"):
        texts.append(f"driver {start['driver']}")
    cuda = _mapping(start.get("torch")).get("cuda")
    return ", ".join([*texts, *([f"CUDA {cuda}"] if texts and cuda else [])])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _said(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and value:
        yield name, value
