"""Whether this process is a trial of a study, and of which."""

from __future__ import annotations

import os
from pathlib import Path

TRIAL = "ETM_TRIAL"
"""The variable that names the folder of the trial in its process, and in those of its ranks."""


def trial_folder() -> Path | None:
    """The folder of the trial that this process, or the process that started it as a rank, is; else None."""
    found = os.environ.get(TRIAL)
    return Path(found) if found else None


def study() -> str:
    """The id of the study that this trial belongs to; "" if this is no trial."""
    folder = trial_folder()
    return folder.parents[1].name if folder is not None else ""
