"""Where the built front end lies, if it is there."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

HOW = "python -m etm_lightning.web.build"
"""How a clone builds the page; a wheel has it."""


def static_folder() -> Path:
    """Where the built page lies."""
    return Path(__file__).parent / "static"


def built(folder: Path | None = None) -> bool:
    """Whether there is a built page."""
    return ((folder or static_folder()) / "index.html").is_file()


def exportable(folder: Path | None = None) -> bool:
    """Whether runs can be put into a copy of the page: it is built, and what thins curves is installed."""
    return built(folder) and find_spec("tsdownsample") is not None
