"""A recorded figure of plotly as a page for a frame; plotly.js is that of the Python package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import BinaryIO

import msgspec

from etm_lightning.web.served import MOST_TABLE
from etm_lightning.web.stores import MissingError

_PAGE = """<!doctype html><meta charset="utf-8"><title>Figure</title>
<style>html, body, #figure { height: 100%; margin: 0 }</style>
<div id="figure"></div>
<script id="given" type="application/json">GIVEN</script>
<script>LIBRARY</script>
<script>
const { data, layout } = JSON.parse(document.getElementById("given").textContent);
const { width, height, ...rest } = layout ?? {};
Plotly.newPlot("figure", data ?? [], { ...rest, autosize: true }, { responsive: true, displaylogo: false });
</script>
"""


def plotly_js() -> Path | None:
    """plotly.js of the installed package; None if there is none."""
    found = importlib.util.find_spec("plotly")
    for place in (found.submodule_search_locations or ()) if found else ():
        path = Path(place) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path
    return None


def page(file: BinaryIO) -> bytes:
    """A page that draws a figure, as its `to_json` wrote it. It is closed when it was read.

    Raises:
        MissingError: if plotly is not installed.
        ValueError: if it is no figure.
    """
    with file:
        content = file.read(MOST_TABLE + 1)
    script = plotly_js()
    if script is None:
        raise MissingError("the figure is drawn by plotly, which is missing here: pip install plotly")
    if len(content) > MOST_TABLE:
        raise ValueError(f"the figure has more than the {MOST_TABLE} bytes that are drawn")
    try:
        given = msgspec.json.encode(msgspec.json.decode(content, type=dict[str, msgspec.Raw]))
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"the figure is damaged: {error}") from error
    before, between, behind = (part.encode() for part in _PAGE.replace("LIBRARY", "GIVEN").split("GIVEN"))
    # in JSON this sign is in texts only: written so, no text ends the element
    return b"".join((before, given.replace(b"<", b"\\u003c"), between, script.read_bytes(), behind))
