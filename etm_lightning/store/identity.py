"""Who a run is where `run.json` cannot say."""

from __future__ import annotations

import re
import time
from urllib.parse import unquote

from etm_lightning.layout import Identity, RunFolder


def guess(folder: RunFolder) -> Identity:
    """An identity from the names of the folders and the date in the run's id."""
    return Identity(id=folder.path.name, project=unquote(folder.path.parent.name), created=_created(folder))


def _created(folder: RunFolder) -> float:
    """The date at the front of the id; without one, when the folder was last changed."""
    match = re.match(r"\d{8}-\d{6}", folder.path.name)
    if match:
        try:
            return time.mktime(time.strptime(match[0], "%Y%m%d-%H%M%S"))
        except (ValueError, OverflowError):
            return _modified(folder)
    return _modified(folder)


def _modified(folder: RunFolder) -> float:
    try:
        return folder.path.stat().st_mtime
    except OSError:
        return 0.0
