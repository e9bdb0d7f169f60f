"""What people name on the command line: a run, a group or a project."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from etm_lightning.layout import RunFolder
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store


@dataclass(frozen=True)
class Selection:
    """Runs and what they are together: ``run``, ``group`` or ``project`` of the name `title`."""

    kind: str
    title: str
    runs: tuple[StoredRun, ...]


def select(store: Store, target: str = "") -> Selection:
    """The runs that `target` names, newest first, with the runs that evaluate them.

    Args:
        store: where to look.
        target: whole name of a run, group or project, or a part of it that no other has; by default the group
            of the newest run, or that run if it has none.

    Raises:
        LookupError: if it names nothing, or more than one thing.
    """
    return _select(store.still(), target)


def _select(store: Store, target: str) -> Selection:
    if not target:
        newest = store.run("latest")
        return _group(store, newest.group) if newest.group else Selection("run", newest.id, (newest,))
    ids, groups = store.catalogue.called()
    if target in groups - ids:
        return _group(store, target)
    if target in set(store.projects()) - ids:
        return Selection("project", target, tuple(store.runs(project=target)))
    part = [group for group in groups if target in group and not any(target in id for id in ids)]
    if len(part) == 1:
        return _group(store, part[0])
    if target != "latest" and not any(target in id for id in ids):
        names = sorted({*groups, *store.projects(), *ids})
        near = difflib.get_close_matches(target, names, 3, 0.4)
        hint = f"Did you mean {', '.join(near)}?" if near else "`etm ls` lists what there is."
        where = str(store.path)
        raise LookupError(
            f"`target` must name a run, group or project of {where!r} but got {target!r}. {hint}"
        )
    run = store.run(target)
    return Selection("run", run.id, _with_evaluations(store, [run]))


def several(store: Store, targets: Iterable[str]) -> list[StoredRun]:
    """The runs that several targets name, each once; without the runs that evaluate them.

    Raises:
        LookupError: if a target names nothing, or more than one thing.
    """
    found: dict[RunFolder, StoredRun] = {}
    store = store.still()
    for target in targets:
        chosen = _select(store, target)
        wanted = chosen.runs[:1] if chosen.kind == "run" else chosen.runs
        found.update({run.folder: run for run in wanted if run.folder not in found})
    return list(found.values())


def field(store: Store, target: str = "", query: str = "") -> Selection:
    """What a leaderboard ranks, with the runs that evaluate it.

    Args:
        store: where to look.
        target: what `select` takes; for a run its group, or its project if it has none.
        query: only the runs that fit this search; of the whole store, without a target.

    Raises:
        LookupError: if `target` names nothing, or more than one thing.
        ValueError: for a query that cannot be read.
    """
    store = store.still()
    if not query:
        return _field(store, target)
    fit = store.runs(query)
    if not target:
        return Selection("runs", query, _with_evaluations(store, fit))
    found, folders = _field(store, target), {run.folder for run in fit}
    kept = [run for run in found.runs if run.folder in folders]
    return Selection(found.kind, f"{found.title}, {query}", _with_evaluations(store, kept))


def _field(store: Store, target: str) -> Selection:
    found = _select(store, target)
    if found.kind != "run":
        return found
    run = found.runs[0]
    if run.group:
        return _group(store, run.group, run.project)
    return Selection("project", run.project, tuple(store.runs(project=run.project)))


def _group(store: Store, group: str, project: str | None = None) -> Selection:
    runs = store.runs(group=group, project=project)
    return Selection("group", group, _with_evaluations(store, runs))


def _with_evaluations(store: Store, runs: list[StoredRun]) -> tuple[StoredRun, ...]:
    """`runs`, and the others that evaluate one of them."""
    ids = {run.id for run in runs}
    others = store.runs("has evaluates")
    return (*runs, *(run for run in others if run.evaluates in ids and run.id not in ids))
