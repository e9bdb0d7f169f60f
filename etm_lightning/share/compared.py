"""A comparison of runs as plain data, and as tables for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from etm_lightning.evaluate.comparison import Comparison, Line
from etm_lightning.evaluate.difference import Difference
from etm_lightning.params import incidental
from etm_lightning.share.table import clean, show
from etm_lightning.share.tables import cell, number

_MOST_LINES = 60


def data(found: Comparison) -> dict[str, Any]:
    """The comparison as JSON has it."""
    return {
        "runs": [run.id for run in found.runs],
        "baseline": found.baseline.id,
        "groups": [{"label": group.label, "runs": [run.id for run in group.runs]} for group in found.groups],
        "config": [_line(line) for line in found.config],
        "info": [{"about": line.about, **_line(line)} for line in found.info],
        "packages": [_line(line) for line in found.packages],
        "code": [{"run": run.id, **known} for run, known in zip(found.runs, found.code, strict=True)],
        "code_diff": found.code_diff,
        "metrics": metrics(found),
    }


def metrics(found: Comparison) -> list[dict[str, Any]]:
    """The metrics: values, spread in each group, and how far each group is from the baseline's."""
    labels = [group.label for group in found.groups]
    return [
        {
            "name": line.name,
            "mode": line.mode,
            "values": list(line.values),
            "groups": [
                {"label": label, **(asdict(known) if known else {"n": 0, "mean": None, "sd": None})}
                for label, known in zip(labels, line.groups, strict=True)
            ],
            "delta": [asdict(delta) if delta else None for delta in line.deltas],
        }
        for line in found.metrics
    ]


def _line(line: Line) -> dict[str, Any]:
    return {"name": line.name, "values": list(line.values), "differs": line.differs}


def tables(found: Comparison, *, every: bool = False) -> None:
    """Print what differs, or all."""
    names = _short([run.name or run.id for run in found.runs], [run.id for run in found.runs])
    shown = [line for line in found.config if every or (line.differs and not incidental(line.name))]
    if shown:
        show(("param", *names), [(line.name, *map(cell, line.values)) for line in shown], title="Config")
    _differing("Packages", names, found.packages, every)
    codes = [[str(known["commit"])[:10] + (" +changes" if known["dirty"] else "") for known in found.code]]
    if every or len(set(codes[0])) > 1:
        show(("", *names), [("commit", *codes[0])], title="\nCode")
    told = [line for line in found.info if line.about != "start"]
    _differing("Facts", names, told, every)
    _metrics(found, names)
    if found.code_diff:
        print("\nChanges since the commit, compared with the baseline's")
        print(clean(found.code_diff))


def _differing(title: str, names: list[str], lines: Any, every: bool) -> None:
    shown = [line for line in lines if every or line.differs][:_MOST_LINES]
    if shown:
        rows = [(line.name, *map(cell, line.values)) for line in shown]
        show(("", *names), rows, title=f"\n{title}")


def _metrics(found: Comparison, names: list[str]) -> None:
    if all(len(group.runs) == 1 for group in found.groups):
        rows = [(line.name, *_against(line.values, found)) for line in found.metrics]
        show(("metric", *names), rows, title="\nMetrics at the best checkpoint (n=1 each: no test)")
        return
    heads = ("metric", "setting", "mean ± sd", "n", "difference", "95 % interval", "p", "test")
    table: list[tuple[object, ...]] = []
    for line in found.metrics:
        for place, group in enumerate(found.groups):
            known, delta = line.groups[place], line.deltas[place]
            if known:
                table.append((line.name, group.label, known, known.n, *_delta(place, delta)))
    show(heads, table, spare=("test",), title="\nMetrics at the best checkpoint, over seeds")


def _against(values: tuple[float | None, ...], found: Comparison) -> list[str]:
    base = values[found.runs.index(found.baseline)] if found.baseline in found.runs else None
    return [
        number(value) + (f" ({value - base:+.3g})" if None not in (base, value) and value != base else "")  # type: ignore[operator]  # neither is None
        for value in values
    ]


def _delta(place: int, delta: Difference | None) -> tuple[str, str, str, str]:
    if delta is None:
        return "" if place else "baseline", "", "", ""
    interval = f"{delta.ci[0]:+.3g} … {delta.ci[1]:+.3g}" if delta.ci else ""
    return f"{delta.mean:+.3g}", interval, "" if delta.p is None else f"{delta.p:.2g}", delta.test


def _short(names: list[str], ids: list[str]) -> list[str]:
    """Names where they tell the runs apart, else ids."""
    return names if len(set(names)) == len(names) else ids
