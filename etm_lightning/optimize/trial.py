"""The trial's own side: its process writes down what came out. Loaded in every trial, so it loads nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback


class Deliver(Callback):
    """Hydra calls it in the process of a trial; `file` is where the result goes."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)

    def on_job_end(self, config: Any, job_return: Any, **kwargs: Any) -> None:
        if any(os.environ.get(rank, "0") != "0" for rank in ("RANK", "LOCAL_RANK", "SLURM_PROCID")):
            return
        temporary = self._file.with_name(f".{self._file.name}")
        temporary.write_text(json.dumps(outcome(job_return._return_value)))
        temporary.replace(self._file)


def outcome(returned: Any) -> dict[str, Any]:
    """What a task returned, or the exception that ended it, as JSON has it.

    >>> outcome(0.5), outcome({"loss": 1}), outcome(MemoryError("no"))["memory"]
    ({'value': 0.5}, {'values': {'loss': 1.0}}, True)
    """
    if isinstance(returned, BaseException):
        text = str(returned)
        memory = isinstance(returned, MemoryError) or type(returned).__name__ == "OutOfMemoryError"
        memory = memory or "out of memory" in text.lower()
        return {"error": type(returned).__name__, "text": text[:4000], "memory": memory}
    if returned is None:
        return {}
    try:
        if hasattr(returned, "items"):
            return {"values": {str(name): float(value) for name, value in returned.items()}}
        return {"value": float(returned)}
    except (TypeError, ValueError):
        text = f"the task must return a number, or numbers by name, but returned {type(returned).__name__}"
        return {"error": "TypeError", "text": text, "memory": False}
