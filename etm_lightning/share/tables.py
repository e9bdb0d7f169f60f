"""Runs and leaderboards as tables for people."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from etm_lightning.share.table import clean, show
from etm_lightning.store.values import field_of

if TYPE_CHECKING:
    from etm_lightning.evaluate.leaderboard import Leaderboard
    from etm_lightning.share.gc import Kept, Plan, Step
    from etm_lightning.share.sync import Synced
    from etm_lightning.store.row import Row
    from etm_lightning.store.run import StoredRun
    from etm_lightning.store.search import Field

_MOST_ROWS = 100
_MOST_METRICS = 6


def number(value: float | None) -> str:
    """A value as people read it.

    >>> number(0.123456789), number(None)
    ('0.1235', '')
    """
    return "" if value is None else f"{value:.4g}"


def span(seconds: float) -> str:
    """A duration as people read it.

    >>> span(3725.0), span(59.4)
    ('1h02m05s', '59s')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m{rest:02}s"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def moment(seconds: float | None) -> str:
    """A moment in local time; as it is a number that no calendar has, such as a damaged file may tell.

    >>> moment(None), moment(-1e30)
    ('', '-1e+30')
    """
    if seconds is None:
        return ""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (OverflowError, OSError, ValueError):
        return f"{seconds:g}"


def runs(found: Iterable[Row], columns: Sequence[Field] = ()) -> None:
    """A list of runs.

    Args:
        found: the runs.
        columns: what to show beside the id; by default what most people want to know.
    """
    if columns:
        heads = ("run", *(one.name for one in columns))
        show(heads, [(run.id, *(cell(field_of(run, one)) for one in columns)) for run in found])
        return
    rows = []
    for run in found:
        watched = run.monitor
        score = f"{watched.name}={number(watched.score)}" if watched else ""
        rows.append(
            (
                run.id,
                run.status,
                run.project,
                run.group,
                moment(run.created),
                span(run.duration),
                score,
                " ".join(run.tags),
            )
        )
    heads = ("run", "status", "project", "group", "created", "took", "best", "tags")
    show(heads, rows, spare=("created", "group", "took"))


def cell(value: Any) -> str:
    """A value of a run as a cell of a table.

    >>> cell(0.123456), cell(None), cell(("a", "b")), cell(3)
    ('0.1235', '', 'a b', '3')
    """
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return " ".join(str(part) for part in value)
    return "" if value is None else str(value)


def run(one: StoredRun) -> None:
    """All about a run that fits a screen or two."""
    from etm_lightning.params import flatten

    show(("", ""), _facts(one), title=one.id)
    metrics = list(one.metrics.items())
    rows = [
        (
            name,
            metric.stage,
            number(one.headline.get(name)),
            number(metric.latest.value),
            _at(metric.min),
            _at(metric.max),
            metric.count,
        )
        for name, metric in metrics[:_MOST_ROWS]
    ]
    if rows:
        heads = ("metric", "stage", "at best", "latest", "min (step)", "max (step)", "points")
        show(heads, rows, title="\nMetrics" + _more(len(metrics)))
    params = [(name, value) for name, value in flatten(one.params).items() if value not in (None, "", [], {})]
    if params:
        show(("param", "value"), params[:_MOST_ROWS], title="\nParams that are set" + _more(len(params)))
    if one.checkpoints:
        taken = [
            (c.id, c.step, number(c.score), "best" if c.best else "", c.path)
            for c in one.checkpoints[-_MOST_ROWS:]
        ]
        show(("checkpoint", "step", "score", "", "path"), taken, title="\nCheckpoints")
    if one.alerts:
        show(("level", "title", "text"), [(a.level, a.title, a.text) for a in one.alerts], title="\nAlerts")
    damage(one.damage)
    if one.traceback:
        print(f"\n{clean(one.traceback)}")


def damage(found: Iterable[Any]) -> None:
    """What cannot be read, with file and offset."""
    rows = [(one.path, one.offset, one.size, one.reason) for one in found]
    if rows:
        show(("damaged file", "offset", "bytes", "reason"), rows, title="\nDamage")


def _facts(run: StoredRun) -> list[tuple[str, object]]:
    from etm_lightning.share.origin import origin

    best = run.best_checkpoint
    score = f"{best.monitor} = {number(best.score)} at step {best.step}" if best and best.monitor else ""
    facts: list[tuple[str, object]] = [
        ("name", run.name),
        ("project", run.project),
        ("group", run.group),
        ("status", run.status),
        ("reason", run.reason),
        ("signal", run.signal or ""),
        ("created", moment(run.created)),
        ("took", f"{span(run.duration)} in {run.attempts} attempt{'s' * (run.attempts != 1)}"),
        ("best", score),
        ("tags", " ".join(run.tags)),
        ("question", run.question),
        ("method", run.method),
        ("notes", run.notes),
        ("forked from", run.forked_from),
        ("evaluates", run.evaluates),
        *origin(run.info("start")),
        ("state", " ".join(["archived"] * run.archived + ["in the trash"] * run.trashed)),
        ("folder", run.folder.path),
    ]
    return [(name, value) for name, value in facts if value != ""]


def _at(point: Any) -> str:
    return f"{number(point.value)} ({point.step})" if point else ""


def _more(total: int) -> str:
    return f" ({_MOST_ROWS} of {total}; --json has all)" if total > _MOST_ROWS else ""


def synced(one: Synced) -> None:
    """How a run stands with a sink, in a line."""
    parts = [f"{one.run} {one.sink}", *([f"{one.delivered:,} delivered"] if one.delivered else [])]
    parts.append(f"{one.behind:,} behind" if one.behind else "complete")
    parts += [clean(one.error)] if one.error else []
    parts += [f"process {one.deliverer} delivers now"] if one.deliverer else []
    print(" · ".join(parts), flush=True)


def room(one: Step | Kept) -> None:
    """One step of making room, in a line; of what stays, why."""
    from etm_lightning.share.gc import Step

    what = f"{one.kind} {bytes_of(one.frees)}" if isinstance(one, Step) else "stays"
    parts = (one.run, what, one.path.name, one.why)
    print(" · ".join(clean(part) for part in parts if part), flush=True)


def room_total(found: Plan, done: Sequence[Step | Kept], budget: int | None, *, applied: bool) -> None:
    """What a store has and what making room frees."""
    frees = sum(getattr(one, "frees", 0) for one in done)
    print(f"{bytes_of(found.size)} in the store, {bytes_of(frees)} {'freed' if applied else 'to free'}")
    if budget is not None and found.size - frees > budget:
        print(f"{bytes_of(found.size - frees - budget)} more than the budget stay: give more rules")
    if not applied and found.steps:
        print("nothing was changed; --apply does it")


def bytes_of(count: int) -> str:
    """A number of bytes to read.

    >>> bytes_of(1_530_000), bytes_of(12)
    ('1.5 MB', '12 B')
    """
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if abs(size) < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.1f} {unit}" if unit != "B" else f"{count} B"


def leaderboard(title: str, found: Leaderboard) -> None:
    """A leaderboard, and beneath it the runs without a place."""
    if found.objective and found.rows:
        goal = found.objective
        names = _columns(found)
        heads = ["#", goal.metric, "n", *found.varying, *names, "best run", ""]
        rows = [
            [
                row.place,
                row.score,
                row.score.n,
                *(row.params.get(name, "") for name in found.varying),
                *(number({**row.metrics, **row.tests}.get(name)) for name in names),
                row.best.id,
                "; ".join([*(["pruned"] if row.status == "pruned" else []), *row.flags]),
            ]
            for row in found.rows
        ]
        direction = "largest" if goal.mode == "max" else "smallest"
        show(
            heads,
            rows,
            spare=names[::-1],
            title=f"{title}: {direction} {goal.metric} at the best checkpoint, mean ± sd",
        )
    if found.unranked:
        show(("not ranked", "why"), [(run.id, why) for run, why in found.unranked], title="")


def _columns(found: Leaderboard) -> list[str]:
    """Test values first, then others that more rows have; as many as a screen takes."""
    goal = found.objective.metric if found.objective else ""
    tests = dict.fromkeys(name for row in found.rows for name in row.tests)
    others = dict.fromkeys(name for row in found.rows for name in row.metrics if name != goal)
    return [*tests, *(name for name in others if name not in tests)][:_MOST_METRICS]
