"""One HTML file that is the dashboard with some runs in it: it opens from the disk and asks for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from etm_lightning.share.report import write_whole
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from etm_lightning.web.built import HOW, built, static_folder
from etm_lightning.web.curves import MOST_POINTS
from etm_lightning.web.document import Document
from etm_lightning.web.embedded import gather
from etm_lightning.web.stores import Stores

MOST_EXPORTED = 1_000


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which runs, under which heading, and how many points of each series at most."""

    keys: list[str]
    title: str = ""
    points: int = 1000

    def check(self) -> None:
        """Raise ValueError if it makes no sense."""
        if not 1 <= len(self.keys) <= MOST_EXPORTED:
            raise ValueError(f"`keys` must be 1 to {MOST_EXPORTED} runs but got {len(self.keys)}")
        if not 10 <= self.points <= MOST_POINTS:
            raise ValueError(f"`points` must be in [10, {MOST_POINTS}] but got {self.points}")


class UnbuiltError(RuntimeError):
    """There is no built page to put runs into."""


def write_page(
    stores: Stores, keys: Sequence[str], path: Path, *, title: str = "", points: int = 1000
) -> Path:
    """Write the page of some runs to `path`, whole or not at all, and return where it is.

    Args:
        stores: where they are.
        keys: the runs, in the order in which they are shown.
        path: the file; its folder is made if missing.
        title: the heading; by default the group's or run's name.
        points: of each series at most.

    Raises:
        UnbuiltError: if the front end is not built.
        OSError: if the file cannot be written.
    """
    return write_whole(export(stores, keys, title=title, points=points), path)


def write_selection(store: Store, runs: Sequence[StoredRun], path: Path, *, title: str = "") -> Path:
    """The same for runs of one store."""
    stores = Stores([store])
    keys = [stores.key(run) for run in runs]
    return write_page(stores, keys, path, title=title)


def export(
    stores: Stores, keys: Sequence[str], *, title: str = "", points: int = 1000, static: Path | None = None
) -> str:
    """The page of some runs; arguments as those of `write_page`."""
    root = static or static_folder()
    if not built(root):
        raise UnbuiltError(f"the front end is not built. In a clone: {HOW}")
    return render(gather(stores, keys, title=title, points=points), root)


def render(data: dict[str, Any], root: Path) -> str:
    """The built page with `data` in it."""
    try:
        page = Document.read(root)
    except ValueError as error:
        raise UnbuiltError(f"the front end cannot be exported: {error}. In a clone: {HOW}") from error
    policy = (
        f"default-src 'none'; {page.sources}; img-src data: blob:; media-src data: blob:; "
        "frame-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return page.filled(data["title"], {"etm-data": data}, policy)
