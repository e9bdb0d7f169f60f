"""Which sinks a run is to be delivered to, as its journal says."""

from __future__ import annotations

from typing import Any

from etm_lightning.layout import RunFolder
from etm_lightning.records import Params
from etm_lightning.tail import Tail

ABOUT = "sinks"


def configured(folder: RunFolder) -> dict[str, dict[str, Any]]:
    """The sinks of a run by name, each with its ``sink`` (the kind) and options."""
    found: dict[str, dict[str, Any]] = {}
    for _, _, record in Tail(folder.journal).poll():
        if isinstance(record, Params) and record.about == ABOUT:
            found.update(record.params)
    return found
