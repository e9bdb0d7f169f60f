"""A run as a small table of HTML, for the last line of a notebook's cell."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etm_lightning.store.run import StoredRun

MOST = 12


def as_html(run: StoredRun) -> str:
    """Who a run is, how it stands and what it came to; every text of it is only a text."""
    rows = [
        ("run", f"{run.name} · {run.id}" if run.name else run.id),
        ("project", " / ".join(filter(None, (run.project, run.group)))),
        ("status", " · ".join(filter(None, (run.status, run.reason)))),
        ("tags", " ".join(run.tags)),
        ("notes", run.notes),
        *((name, f"{value:.6g}") for name, value in list(run.headline.items())[:MOST]),
    ]
    more = len(run.headline) - MOST
    if more > 0:
        rows.append(("", f"and {more} more: run.headline"))
    cells = "".join(
        f"<tr><th>{escape(head)}</th><td>{escape(text)}</td></tr>" for head, text in rows if text or not head
    )
    return f"<table>{cells}</table>"
