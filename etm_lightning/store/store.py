"""A store: the runs of all projects."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from etm_lightning.layout import RunFolder, find_store, project_folder
from etm_lightning.store.catalogue import Catalogue
from etm_lightning.store.looking import is_run, is_text, visible

if TYPE_CHECKING:
    from etm_lightning.store.frame import Kind
    from etm_lightning.store.run import StoredRun


class Store:
    """A folder of projects, as a reader sees it.

    Args:
        path: the store; by default `ETM_STORE`, else the nearest `etm_runs` upward.

    Raises:
        FileNotFoundError: if there is none.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = find_store(path)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    def projects(self) -> list[str]:
        """Names of the projects."""
        return sorted(unquote(folder.name) for folder in _folders(self.path))

    def folders(self, project: str | None = None) -> Iterator[RunFolder]:
        """The folders of runs, in no particular order, also of runs that lost their `run.json`."""
        projects = _folders(self.path) if project is None else [project_folder(self.path, project)]
        for folder in projects:
            for path in _folders(folder):
                if is_run(path):
                    yield RunFolder(path)

    @cached_property
    def catalogue(self) -> Catalogue:
        """What all runs are, without reading their journals again."""
        return Catalogue(self.path)

    def still(self) -> Store:
        """The same runs as they are now: after this look its lists and searches look no more."""
        self.catalogue.refresh()
        same = copy(self)
        same.__dict__["catalogue"] = self.catalogue.known()
        return same

    def runs(
        self,
        query: str = "",
        *,
        project: str | None = None,
        group: str | None = None,
        status: str | None = None,
        tags: Iterable[str] = (),
        archived: bool = False,
        trashed: bool = False,
        sort: str = "-created",
        limit: int | None = None,
    ) -> list[StoredRun]:
        """Runs, newest first.

        Args:
            query: in the search language, such as ``lr > 1e-4 and val/f1 > 0.9`` (`docs/store.md`).
            project: of this project only.
            group: of this group only.
            status: with this status only.
            tags: with all these tags.
            archived: with archived runs too.
            trashed: the runs in the trash instead.
            sort: a column, param or metric; with a ``-`` in front the largest first.
            limit: so many at most.

        Raises:
            ValueError: for a query or a column that is none; it says where, and what was meant.
        """
        from etm_lightning.store.run import StoredRun  # a list of rows, as `etm ls`, needs none

        found = self.catalogue.digests(
            query,
            project=project,
            group=group,
            status=status,
            tags=tags,
            archived=archived,
            trashed=trashed,
            sort=sort,
            limit=limit,
        )
        return [StoredRun(folder, known) for folder, known in found]

    def frame(
        self,
        names: str | Sequence[str],
        runs: str | Iterable[StoredRun] = "",
        *,
        params: Sequence[str] = (),
        to: Kind = "pandas",
    ) -> Any:
        """The points of one or several metrics of many runs as a data frame, a row for each point.

        Args:
            names: a metric, or several.
            runs: the runs, or a query for them; all by default.
            params: settings, by dotted name, to have as columns too.
            to: ``pandas``, ``polars`` or ``arrow``.

        Raises:
            ValueError: for a query that cannot be read.
            ImportError: without the library.
        """
        from etm_lightning.store.frames import metrics_frame

        chosen = self.runs(runs) if isinstance(runs, str) else runs
        return metrics_frame(chosen, [names] if isinstance(names, str) else names, params=params, to=to)

    def run(self, id: str) -> StoredRun:
        """A run by its id, by a part of the id that no other run has, or the newest one: ``latest``.

        Raises:
            LookupError: if there is none, or more than one.
        """
        from etm_lightning.store.run import StoredRun

        if id == "latest":
            return self._latest()
        found = self._called(id)
        if len(found) == 1:
            return StoredRun(RunFolder(found[0]))
        names = [path.name for path in found] or [folder.path.name for folder in self.folders()]
        raise LookupError(_unclear(id, self.path, names, bool(found)))

    def _called(self, id: str) -> list[Path]:
        """The folders of runs with this id, or else with this part of one; of others nothing is looked at."""
        projects = _folders(self.path)
        if id and os.path.basename(id) == id and not id.startswith(".") and is_text(id):
            whole = [path for project in projects if os.path.isdir(path := project / id) and is_run(path)]
            if whole:
                return whole
        parts = [
            project / name for project in projects for name in visible(str(project)) if id and id in name
        ]
        return [path for path in parts if is_run(path)]

    def _latest(self) -> StoredRun:
        found = self.runs(limit=1)
        if not found:
            raise LookupError(
                f"`run` is 'latest' but there is no run in {str(self.path)!r}. Train something first."
            )
        return found[0]


def _folders(path: Path) -> list[Path]:
    """The visible folders in `path`; none if it is not there."""
    return [path / name for name in visible(str(path))]


def _unclear(id: str, store: Path, names: list[str], several: bool) -> str:
    if several:
        shown = ", ".join(sorted(names)[-5:])
        return (
            f"`run` must name one run but {id!r} is in the ids of {len(names)}: {shown}. Give more of the id."
        )
    import difflib

    near = difflib.get_close_matches(id, names, 3, 0.4)
    hint = f"Did you mean {', '.join(near)}?" if near else "`etm ls` lists the runs."
    return f"`run` must be in the id of a run but no run in {str(store)!r} has {id!r}. {hint}"
