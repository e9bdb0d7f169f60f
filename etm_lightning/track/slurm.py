"""What SLURM tells the processes of a job about itself."""

from __future__ import annotations

import os
from typing import Any


def slurm_job() -> tuple[str, int]:
    """Id of the job and how often it was requeued; ("", 0) outside of SLURM.

    The id stays the same when a job is requeued. Tasks of an array have ids of their own.
    """
    return os.environ.get("SLURM_JOB_ID", ""), int(os.environ.get("SLURM_RESTART_COUNT") or 0)


def requeue_path(trainer: Any) -> str:
    """Where Lightning saves when SLURM asks to go; "" if that cannot be told."""
    place = getattr(trainer._checkpoint_connector, "hpc_save_path", None)
    return str(place(trainer.default_root_dir)) if place else ""
