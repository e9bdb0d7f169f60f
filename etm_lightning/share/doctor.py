"""Whether all is well: what is installed, which devices there are, whether the store can be read."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections import Counter
from dataclasses import asdict
from typing import Any

from etm_lightning.native import lines
from etm_lightning.share import table
from etm_lightning.share.described import damage
from etm_lightning.store.store import Store
from etm_lightning.track.gpus import described, driver

PACKAGES = (
    "etm-lightning",
    "msgspec",
    "torch",
    "lightning",
    "pytorch-lightning",
    "torchmetrics",
    "transformers",
    "hydra-core",
    "pandas",
    "pyarrow",
    "tensorboard",
    "wandb",
    "mlflow",
)


def packages() -> dict[str, str | None]:
    """Versions of the packages that matter; None where one is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def devices() -> list[dict[str, Any]]:
    """The NVIDIA devices that the driver shows; none without a driver."""
    import pynvml

    try:
        with driver() as nvml:
            try:
                return [asdict(gpu) for gpu in described(nvml)]
            except pynvml.NVMLError as error:
                return [{"name": f"cannot be asked: {error}", "memory": 0, "free": 0}]
    except pynvml.NVMLError:
        return []


def health(store: Store) -> dict[str, Any]:
    """How the runs of a store stand, trashed and archived ones too; what is damaged, with file and offset."""
    runs = [*store.runs(archived=True), *store.runs(trashed=True)]
    return {
        "path": str(store.path),
        "disk_free": shutil.disk_usage(store.path).free,
        "runs": len(runs),
        "statuses": dict(sorted(Counter(run.status for run in runs).items())),
        "crashed": [{"run": run.id, "reason": run.reason} for run in runs if run.status == "crashed"],
        "damaged": [one for run in runs for one in damage(run)],
    }


def examine(path: str | None = None) -> dict[str, Any]:
    """All of it; `store` is None where there is none.

    Raises:
        FileNotFoundError: if `path` is given and no store is there.
    """
    try:
        store = Store(path)
    except FileNotFoundError:
        if path:
            raise
        store = None
    return {
        "packages": packages(),
        "compiled": not lines.WHY_NOT,
        "why_not_compiled": lines.WHY_NOT,
        "devices": devices(),
        "store": health(store) if store else None,
    }


def show(found: dict[str, Any]) -> None:
    """Print what `examine` found."""
    versions = ((name, version or "not installed") for name, version in found["packages"].items())
    table.show(("package", "version"), versions)
    how = "compiled" if found["compiled"] else f"in Python ({found['why_not_compiled']})"
    print(f"\njournals are written and read: {how}")
    gpus = [(gpu["name"], _size(gpu["memory"]), _size(gpu["free"])) for gpu in found["devices"]]
    print()
    table.show(("GPU", "memory", "free"), gpus or [("none that NVIDIA's driver shows", "", "")])
    store = found["store"]
    if store is None:
        print("\nno store here or above: train something first")
        return
    statuses = ", ".join(f"{count} {status}" for status, count in store["statuses"].items())
    print(f"\nstore {store['path']}: {store['runs']} runs ({statuses or 'empty'})")
    print(f"disk free: {_size(store['disk_free'])}\n")
    if store["crashed"]:
        table.show(("crashed run", "reason"), [one.values() for one in store["crashed"]])
    if store["damaged"]:
        table.show(
            ("damaged run", "file", "offset", "bytes", "reason"), [d.values() for d in store["damaged"]]
        )


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
