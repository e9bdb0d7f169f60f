"""Whether anything is to be said."""

from __future__ import annotations

import os


def quiet() -> bool:
    """Whether ``ETM_QUIET`` asks for silence."""
    return os.environ.get("ETM_QUIET", "0") not in ("", "0")
