"""Learning curves: one small chart per metric, all runs in it, in groups by the name's first part."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from etm_lightning.share.charts import SIGNS, Line, line_chart, swatch, thin
from etm_lightning.share.report_html import Html, element, join, number, row, table
from etm_lightning.share.report_story import Story, Told
from etm_lightning.store.series import Metric

CHARTS = 60
"""So many charts at most; what is beyond is listed with its values."""
SPOTS = 50_000
"""So many points in all the curves of a page."""
_ROWS = 60
_AXES = {"step": "step", "eval_batch": "evaluation batch"}
_STAGES = {"validate": "val"}
_HEADINGS = {"train": "Training", "val": "Validation", "test": "Test", "predict": "Prediction"}

Found = dict[str, list[tuple[Told, Metric]]]
"""Who recorded each metric."""


def curves(story: Story) -> Html:
    """The section, or nothing if no run recorded a number."""
    found = _found(story)
    if not found:
        return Html()
    drawn = [name for name, seen in found.items() if any(metric.count > 1 for _, metric in seen)]
    listed = [name for name in found if name not in drawn[:CHARTS]]
    most = _most(sum(len(found[name]) for name in drawn[:CHARTS]))
    groups = _grouped({name: found[name] for name in (*drawn[:CHARTS], *listed)})
    parts = [
        element(
            "section",
            element("h3", _HEADINGS.get(prefix, prefix)),
            _charts([name for name in names if name not in listed], found, most),
            _values([name for name in names if name in listed], found, _HEADINGS.get(prefix, prefix)),
            class_="curves",
        )
        for prefix, names in groups.items()
    ]
    return element("section", element("h2", "Learning curves"), _legend(story), parts, id="curves")


def _most(lines: int) -> int:
    """How many points a curve may have, so that the page stays small."""
    return max(24, min(320, SPOTS // max(1, lines)))


def _found(story: Story) -> Found:
    """Metrics by name: what was ranked on first, then losses, then the others."""
    found: Found = {}
    for told in story.told:
        for name, metric in told.run.metrics.items():
            found.setdefault(name, []).append((told, metric))
    goal = story.board.objective.metric if story.board.objective else ""
    order = sorted(found, key=lambda name: (name != goal, "loss" not in name, name))
    return {name: found[name] for name in order}


def _grouped(found: Found) -> dict[str, list[str]]:
    """Names by their part before the first slash, or else by stage: train, val, test, then the others."""
    groups: dict[str, list[str]] = {}
    for name, seen in found.items():
        stage = seen[0][1].stage
        prefix = name.partition("/")[0] if "/" in name else _STAGES.get(stage, stage) or "other"
        groups.setdefault(prefix, []).append(name)
    known = list(_HEADINGS)
    return {
        prefix: groups[prefix]
        for prefix in sorted(groups, key=lambda p: (known.index(p) if p in known else len(known), p))
    }


def _charts(names: Sequence[str], found: Found, most: int) -> Html | None:
    figures = [_figure(name, found[name], most) for name in names]
    return element("div", figures, class_="charts") if figures else None


def _figure(name: str, seen: Sequence[tuple[Told, Metric]], most: int) -> Html:
    lines = [_line(name, told, most) for told, _ in seen]
    axis = seen[0][1].axis
    odd = sum(metric.nonfinite for _, metric in seen)
    kinds = {str(value) for line in lines for _, value in line.spots if not math.isfinite(value)}
    signs = ", ".join(f"{sign} {number(float(kind))}" for kind, sign in SIGNS.items() if kind in kinds)
    note = element("span", f"{odd} not finite: {signs}", class_="odd") if odd else None
    return element(
        "figure",
        element("figcaption", element("span", name, class_="metric"), note),
        line_chart(name, lines, x_label=_AXES.get(axis, axis), summary=_summary(seen)),
    )


def _line(name: str, told: Told, most: int) -> Line:
    points = sorted(told.run.series(name), key=lambda point: point.step)
    spots = thin([(point.step, point.value) for point in points], most)
    return Line(told.label, spots, told.colour, told.dash, told.key)


def _summary(seen: Sequence[tuple[Told, Metric]]) -> str:
    """The chart in words."""
    low = min(
        ((metric.min, told) for told, metric in seen if metric.min),
        key=lambda pair: pair[0].value,
        default=None,
    )
    high = max(
        ((metric.max, told) for told, metric in seen if metric.max),
        key=lambda pair: pair[0].value,
        default=None,
    )
    runs = f"{len(seen)} runs" if len(seen) != 1 else "One run"
    if low is None or high is None:
        return f"{runs}, no number among the values."
    return (
        f"{runs}. Lowest {number(low[0].value)} at {low[0].step} ({low[1].label}), "
        f"highest {number(high[0].value)} at {high[0].step} ({high[1].label})."
    )


def _legend(story: Story) -> Html | None:
    if len(story.told) == 1:
        return None
    front = [told for told in story.told if told.colour is not None]
    items = [
        element(
            "li",
            swatch(told.colour, told.dash),
            told.label,
            element("small", " winner") if told is story.best else None,
            data_run=told.key,
            data_label=told.label,
        )
        for told in front
    ]
    others = len(story.told) - len(front)
    if others:
        items.append(element("li", swatch(None), f"{others} other runs"))
    return element("ul", items, class_=f"legend{' long' if len(items) > 8 else ''}", aria_label="Runs")


def _values(names: Sequence[str], found: Found, heading: str) -> Html | None:
    """Metrics without a curve, as numbers."""
    entries = list(_entries(names, found))
    if not entries:
        return None
    left = len(entries) - _ROWS
    more = element("p", f"{left} further values are left out here.", class_="note") if left > 0 else None
    head = ("Metric", "Run", "Step", "Value", "Lowest", "Highest", "Points")
    caption = f"{heading}: values without a curve"
    return join(table(head, entries[:_ROWS], caption=caption, class_="numbers"), more)


def _entries(names: Sequence[str], found: Mapping[str, Sequence[tuple[Told, Metric]]]) -> Iterator[Html]:
    for name in names:
        for told, metric in found[name]:
            ends = [number(point.value) if point else "—" for point in (metric.min, metric.max)]
            value = metric.latest.value
            cells = [
                told.label,
                number(metric.latest.step),
                element("span", number(value), class_=None if math.isfinite(value) else "odd"),
                *ends,
                str(metric.count),
            ]
            yield row(name, cells)
