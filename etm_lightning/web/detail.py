"""All about one run but its points."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from etm_lightning.attempts import find_writers
from etm_lightning.reading import Damage
from etm_lightning.records import Started
from etm_lightning.store.run import StoredRun
from etm_lightning.store.series import Metric
from etm_lightning.web import files
from etm_lightning.web.plain import plain
from etm_lightning.web.rows import Row

MOST_TEXTS = 2_000
MEDIA = ("name", "type", "stage", "step", "axis", "epoch", "size", "info", "time")


def detail(row: Row, run: StoredRun) -> dict[str, Any]:
    """What the page of a run shows.

    Args:
        row: its line of the table.
        run: the run.
    """
    found: dict[str, Any] = plain(
        {
            "row": row,
            "folder": str(run.folder.path),
            "method": run.method,
            "reason": run.reason,
            "traceback": run.traceback,
            "exit_code": run.exit_code,
            "signal": run.signal,
            "config": run.params,
            "info": {about: run.info(about) for about in run.abouts if about != "config"},
            "reproduce": reproduce(run),
            "series": series(run),
            "checkpoints": [_checkpoint(one) for one in run.checkpoints],
            "artifacts": [_artifact(id, one, run) for id, one in files.artifacts(run).items()],
            "media": [_media(id, one) for id, one in files.media(run).items()],
            "texts": [_record(one) for one in run.texts[-MOST_TEXTS:]],
            "alerts": [_record(one) for one in run.alerts],
            "gaps": [_record(one) for one in run.gaps],
            "damage": [_damage(one, run) for one in run.damage],
            "attempts": attempts(run),
            "edits": [_record(one) for one in run.edits],
            "logs": [{"id": id, "name": one.name, "size": one.size} for id, one in files.logs(run).items()],
        }
    )
    return found


def series(run: StoredRun) -> list[dict[str, Any]]:
    """Every series of every rank in a few numbers."""
    found = []
    for one in run.all_series(rank=None):
        metric = one.metric()
        if metric:
            found.append({"label": run.label(one), **_metric(metric)})
    return found


def _metric(metric: Metric) -> dict[str, Any]:
    about = {name: getattr(metric, name) for name in ("name", "stage", "axis", "rank", "count", "nonfinite")}
    ends = {name: point.value if (point := getattr(metric, name)) else None for name in ("min", "max")}
    return {**about, "latest": asdict(metric.latest), **ends}


def _record(record: Any) -> dict[str, Any]:
    """A record with the names of its fields in Python, which are whole words."""
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _checkpoint(one: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if name != "order"}


def _artifact(id: str, one: Any, run: StoredRun) -> dict[str, Any]:
    return {"id": id, **_record(one), "served": files.served(run, one.path)}


def _media(id: str, one: Any) -> dict[str, Any]:
    about = _record(one)
    info = about["info"]
    return {
        "id": id,
        **{name: about[name] for name in MEDIA},
        "caption": str(info.get("caption", "")),
        "index": info.get("index", 0),
        "suffix": Path(one.file).suffix.lower(),
    }


def _damage(one: Damage, run: StoredRun) -> dict[str, Any]:
    """With the name of the file alone where it is the run's."""
    path = one.path
    name = str(path.relative_to(run.folder.path)) if path.is_relative_to(run.folder.path) else path.name
    return {"file": name, "offset": one.offset, "size": one.size, "reason": one.reason}


def attempts(run: StoredRun) -> list[dict[str, Any]]:
    """The process lives of a run, first to last; the last one has the run's status."""
    found: dict[int, dict[str, Any]] = {}
    with suppress(OSError):  # a file that may not be read: the run's damage tells
        for writer in find_writers(run.folder.journal):
            header = writer.header
            if not header.attempt or header.role != "train" or header.rank:
                continue
            began = next((item for _, item in writer.read() if isinstance(item, Started)), None)
            about = found.setdefault(
                header.attempt,
                {"attempt": header.attempt, "started": header.time, "ended": None, "host": header.host,
                 "pid": header.pid, "parent": None, "checkpoint": "", "status": ""},
            )  # fmt: skip
            if began:
                about |= {"parent": began.parent, "checkpoint": began.checkpoint or ""}
    for attempt, (ended, status) in run.lives().items():
        if attempt in found:
            found[attempt] |= {"ended": ended, "status": status}
    return [found[attempt] for attempt in sorted(found)]


def reproduce(run: StoredRun) -> list[str]:
    """Lines for a shell that make such a run again, as far as it recorded where it came from."""
    start = run.info("start")
    lines = []
    git = start.get("git")
    if isinstance(git, dict) and git.get("remote"):
        lines.append(f"git clone {shlex.quote(str(git['remote']))}")
    if isinstance(git, dict) and git.get("commit"):
        dirty = "  # the tree had changes that are not in the commit" if git.get("dirty") else ""
        lines.append(f"git checkout {shlex.quote(str(git['commit']))}{dirty}")
    if start.get("cwd"):
        lines.append(f"cd {shlex.quote(str(start['cwd']))}")
    command = start.get("command")
    if isinstance(command, list) and command:
        lines.append(shlex.join(map(str, command)))
    return lines
