"""A small table of HTML, for the last line of a notebook's cell."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

MOST = 12


def as_html(facts: Mapping[str, str], values: Mapping[str, float]) -> str:
    """What is known of a run, less what is empty, and its first values; every text of it is only a text."""
    rows = [*facts.items(), *((name, f"{value:.6g}") for name, value in list(values.items())[:MOST])]
    more = len(values) - MOST
    if more > 0:
        rows.append(("", f"and {more} more: run.headline"))
    cells = "".join(
        f"<tr><th>{escape(head)}</th><td>{escape(text)}</td></tr>" for head, text in rows if text or not head
    )
    return f"<table>{cells}</table>"
