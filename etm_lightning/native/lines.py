"""What is compiled of writing and reading lines; without it, or with ``ETM_NATIVE=0``, Python does the same.

Attributes:
    Appender: what a `Journal` appends rows with; None where it is not compiled.
    rows: many lines in columns; None where it is not compiled.
    numbers: the numbers of a dict that is like those before; None where it is not compiled.
    add: adds weighted numbers to sums; None where it is not compiled.
    WHY_NOT: why it is not; "" where it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

Appender: type[Any] | None = None
rows: Callable[..., Any] | None = None
numbers: Callable[..., list[float] | None] | None = None
add: Callable[..., None] | None = None
WHY_NOT = ""

if os.environ.get("ETM_NATIVE", "1") == "0":
    WHY_NOT = "ETM_NATIVE=0"
else:
    try:
        import etm_lightning.native._lines as _lines

        Appender, rows, numbers, add = (
            getattr(_lines, name) for name in ("Appender", "rows", "numbers", "add")
        )
    except ModuleNotFoundError:
        WHY_NOT = "it was not built"
    except (ImportError, AttributeError) as error:  # of another machine, or of older sources
        WHY_NOT = str(error)
