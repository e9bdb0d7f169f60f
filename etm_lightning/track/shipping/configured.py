"""Which sinks a run is to be delivered to, as its journal says."""

from __future__ import annotations

from typing import Any

from etm_lightning.layout import RunFolder
from etm_lightning.records import Params
from etm_lightning.tail import SupersededError, Tail

ABOUT = "sinks"


class Configured:
    """The sinks of a run, as they become known: `ask` reads only what is new."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._tail = Tail(folder.journal)
        self._found: dict[str, dict[str, Any]] = {}

    def ask(self) -> dict[str, dict[str, Any]]:
        """The sinks by name, each with its ``sink`` (the kind) and options."""
        try:
            for _, _, record in self._tail.poll():
                if isinstance(record, Params) and record.about == ABOUT:
                    self._found.update(record.params)
        except SupersededError:  # a later attempt keeps the sinks of those before
            self._tail = Tail(self._folder.journal)
        return dict(self._found)


def configured(folder: RunFolder) -> dict[str, dict[str, Any]]:
    """The sinks of a run as its journal stands."""
    return Configured(folder).ask()
