"""Runs in a notebook: the page of an exported file, in a frame that can reach nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store


@dataclass(frozen=True)
class Shown:
    """A page for a notebook; `height` in pixels."""

    page: str
    height: int

    def _repr_html_(self) -> str:
        # ASCII alone: the hashes of the page's policy hold whatever encoding is around it
        text = escape(self.page).encode("ascii", "xmlcharrefreplace").decode()
        # without `allow-same-origin` the page has an origin of its own: the notebook is out of its reach
        return (
            f'<iframe sandbox="allow-scripts" title="runs" width="100%" height="{int(self.height)}" '
            f'style="border:0" srcdoc="{text}"></iframe>'
        )


def show(runs: StoredRun | Iterable[StoredRun], *, height: int = 640, points: int = 1000) -> Shown:
    """Show runs in a notebook as the dashboard does: a run's page, a group's, or a comparison.

    Args:
        runs: one run, or several of one store.
        height: of the frame, in pixels.
        points: of each series at most.

    Raises:
        ValueError: if there are no runs, or they are of several stores.
        RuntimeError: if the front end is not built.
        ImportError: without the extra `web`.
    """
    from etm_lightning.web.export import export
    from etm_lightning.web.stores import Stores

    members = [runs] if isinstance(runs, StoredRun) else list(runs)
    places = {run.folder.path.parent.parent for run in members}
    if len(places) != 1:
        raise ValueError(f"`runs` must be runs of one store but are of {len(places)}")
    stores = Stores([Store(places.pop())])
    return Shown(export(stores, [stores.key(run) for run in members], points=points), height)
