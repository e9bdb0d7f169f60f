"""Figures of matplotlib and plotly."""

from __future__ import annotations

import io
import sys
from functools import partial
from types import ModuleType
from typing import Any

from etm_lightning.track.media.exhibit import Copy, given
from etm_lightning.track.media.images import kind_and_size


def is_figure(value: Any) -> bool:
    """Whether it is a figure of matplotlib, its pyplot, or a figure of plotly."""
    return value is sys.modules.get("matplotlib.pyplot") or hasattr(value, "savefig") or _of_plotly(value)


def figure(value: Any) -> tuple[str, Copy]:
    """The type of a figure, ``figure`` or ``plotly``, and a copy of it.

    A figure of matplotlib is drawn at once, since only the thread that made it may; it stays open.

    Raises:
        TypeError: if it is none.
    """
    if _of_plotly(value):
        content = value.to_json().encode()
        return "plotly", Copy(partial(given, content, "json"), len(content))
    if isinstance(value, ModuleType):
        value = value.gcf()
    if not hasattr(value, "savefig"):
        raise TypeError(f"must be a figure of matplotlib or plotly but got {type(value).__name__}")
    file = io.BytesIO()
    value.savefig(file, format="png", pil_kwargs={"compress_level": 1})
    content = file.getvalue()
    found = kind_and_size(content)
    assert found is not None
    _, width, height = found
    return "figure", Copy(partial(given, content, "png", {"width": width, "height": height}), len(content))


def _of_plotly(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "plotly" and hasattr(value, "to_json")
