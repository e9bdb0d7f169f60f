"""TensorBoard under the contract, read back with TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import (
    STORE_EVERYTHING_SIZE_GUIDANCE,
    EventAccumulator,
)

from etm_lightning.layout import RunFolder
from tests.contracts.case import Case, Curves


def event_folder(folder: RunFolder) -> Path:
    store = folder.path.parent.parent
    return store / ".tensorboard" / folder.path.relative_to(store)


def accumulated(folder: RunFolder) -> Any:
    return EventAccumulator(str(event_folder(folder)), STORE_EVERYTHING_SIZE_GUIDANCE).Reload()


def read(folder: RunFolder) -> Curves:
    events = accumulated(folder)
    return {
        tag: [(point.step, point.value) for point in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


TENSORBOARD = Case("tensorboard", read, single=True)
