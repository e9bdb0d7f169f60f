"""The results of `tracking.py` as text and as a picture."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import quiet
from overhead import Found
from overhead import table as training_table

Facts = Mapping[str, Any]
Pairs = Sequence[tuple[Facts, Facts]]
"""Ours and the peer's, right after each other, of each round."""

Kills = Sequence[Facts]

ENOUGH = 1000
"""Quiet calls that are told of."""

OURS = ("ours", "ours-journal", "ours-logger")


def middle(pairs: Pairs, name: str) -> float:
    """Median of a peer's figure."""
    return statistics.median(peer[name] for _, peer in pairs)


def ratio(pairs: Pairs, name: str) -> float:
    """Median of how many times ours the peer's figure is."""
    return statistics.median(peer[name] / own[name] for own, peer in pairs)


def cost_table(calls: Mapping[str, Pairs], titles: Mapping[str, str]) -> str:
    """What a call costs, the cheapest first."""
    columns = ("p50 µs", "ratio", "p99 µs", "p99.9 µs", "CPU µs", "bytes", "import s", "first s")
    lines = [f"{'10 scalars a call':<34}" + "".join(f"{column:>10}" for column in columns)]
    for name in by_cost(calls):
        pairs = calls[name]
        figures = [
            *(middle(pairs, "p50"), ratio(pairs, "p50"), middle(pairs, "p99"), middle(pairs, "p99.9")),
            *(middle(pairs, "cpu"), middle(pairs, "bytes"), middle(pairs, "import"), middle(pairs, "first")),
        ]
        lines.append(f"{titles[name]:<34}" + "".join(f"{short(figure):>10}" for figure in figures))
    return "\n".join(lines)


def by_cost(calls: Mapping[str, Pairs]) -> list[str]:
    return sorted(calls, key=lambda name: middle(calls[name], "p50"))


def kept_table(durable: Mapping[str, Pairs], killed: Mapping[str, Kills], titles: Mapping[str, str]) -> str:
    """What survives SIGKILL, the fastest first."""
    columns = f"{'durable/s':>12}{'ours is':>10}{'accepted':>12}{'lost':>10}"
    lines = [f"{'scalars, killed with all it started':<36}{columns}"]
    for name in sorted({*durable, *killed}, key=lambda name: -rate_of(durable, name)):
        row = f"{titles[name]:<36}"
        if name in durable:
            own, rate = statistics.median(own["rate"] for own, _ in durable[name]), rate_of(durable, name)
            times = own / rate if rate else math.inf
            row += f"{rate:>12,.0f}{short(times) + ' x':>10}"
        else:
            row += f"{'':>22}"
        if name in killed:
            accepted = sum(facts["accepted"] for facts in killed[name])
            row += f"{accepted:>12,.0f}{sum(lost(facts) for facts in killed[name]):>10,.0f}"
        lines.append(row)
    return "\n".join(lines)


def rate_of(durable: Mapping[str, Pairs], name: str) -> float:
    return middle(durable[name], "rate") if name in durable else 0


def lost(facts: Facts) -> float:
    """Accepted values that are gone; those of a call that had not returned may be there as well."""
    return max(0, facts["accepted"] - facts["found"])


def own_table(own: Mapping[str, Sequence[Facts]], most: Sequence[Facts]) -> str:
    """Variants of our own call, as they came, and those only that the machine left alone."""
    columns = ("p50 µs", "p99 µs", "p99.9 µs", "CPU µs", "bytes", "quiet p50", "p99", "calls")
    lines = [f"{'etm_lightning':<40}" + "".join(f"{column:>10}" for column in columns)]
    least = least_loop([*itertools.chain(*own.values()), *most])
    for title, rounds in own.items():
        row = f"{title:<40}"
        for name in ("p50", "p99", "p99.9", "cpu", "bytes"):
            figures = [facts[name] for facts in rounds if name in facts]
            row += f"{short(statistics.median(figures)) if figures else '-':>10}"
        calm = quiet_calls(rounds, least)
        shown = [short(quiet.quantile(calm, q)) if len(calm) >= ENOUGH else "-" for q in (0.5, 0.99)]
        lines.append(row + "".join(f"{one:>10}" for one in (*shown, f"{len(calm):,}")))
    lines.append(
        f"\nQuiet: calls between two loops of fixed work that took {quiet.SLACK} times the least or less."
    )
    if most:
        lines.append(most_line(most, least))
    return "\n".join(lines)


def least_loop(rounds: Iterable[Facts]) -> float:
    return min(took for facts in rounds for took, _ in facts["blocks"])


def quiet_calls(rounds: Iterable[Facts], least: float) -> list[float]:
    """µs of each."""
    return [one / 1e3 for facts in rounds for one in quiet.figures(facts["blocks"], least)]


def enough(own: Mapping[str, Sequence[Facts]], title: str) -> bool:
    """Whether there are enough quiet calls of a variant."""
    return len(quiet_calls(own[title], least_loop(itertools.chain(*own.values())))) >= ENOUGH


def most_line(most: Sequence[Facts], least: float) -> str:
    """Scalars a second, killed at the return of the last call.

    >>> rounds = [{"rate": 1.5e6, "share": 1.0, "blocks": [(100, [4000]), (200, [8000])]}]
    >>> print(most_line(rounds, 100))
    As fast as it goes, then SIGKILL: 1,500,000 scalars a second, 2,500,000 quiet; found again: 100.0 %
    """
    calm = quiet_calls(most, least)
    rate, share = (statistics.median(facts[name] for facts in most) for name in ("rate", "share"))
    still = f", {10e6 / statistics.median(calm) * share:,.0f} quiet" if calm else ""
    return (
        f"As fast as it goes, then SIGKILL: {rate:,.0f} scalars a second{still}; "
        f"found again: {min(facts['share'] for facts in most):.1%}".replace("%", " %")
    )


def text(
    heading: str,
    titles: Mapping[str, str],
    calls: Mapping[str, Pairs],
    durable: Mapping[str, Pairs],
    killed: Mapping[str, Kills],
    own: Mapping[str, Sequence[Facts]],
    most: Sequence[Facts],
    training: Found,
    notes: Sequence[str],
) -> str:
    """All tables that have something to show."""
    parts = [heading]
    if calls:
        parts.append(cost_table(calls, titles))
    if durable or killed:
        parts.append(kept_table(durable, killed, titles))
    if own:
        parts.append(own_table(own, most))
    if training:
        parts.append(training_table(training))
    if notes:
        parts.append("\n".join(notes))
    return "\n\n".join(parts) + "\n"


def short(figure: float) -> str:
    """Two digits or more, as few as tell enough.

    >>> [short(x) for x in (0.0412, 0.987, 3.914, 62.31, 6075.2, float("inf"))]
    ['0.041', '0.99', '3.9', '62', '6,075', '∞']
    """
    if not math.isfinite(figure):
        return "∞"
    if abs(figure) >= 10:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if abs(figure) >= 1 else f"{figure:.2f}" if abs(figure) >= 0.1 else f"{figure:.3f}"


def picture(
    path: Path,
    calls: Mapping[str, Pairs],
    killed: Mapping[str, Kills],
    titles: Mapping[str, str],
    caption: str,
) -> None:
    """Bars of the median call, and what was lost; readable on white and on black."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "tracking", "svg.fonttype": "none"})
    import matplotlib.pyplot as plt

    names = [name for name in reversed(by_cost(calls)) if name != "ours-journal"]
    costs = [middle(calls[name], "p50") for name in names]
    ink, ours, theirs = "#808890", "#e8590c", "#8fa3b8"
    figure, axes = plt.subplots(figsize=(8.5, 0.32 * len(names) + 1.1), layout="constrained")
    bars = axes.barh(
        [titles[name] for name in names], costs, color=[ours if name in OURS else theirs for name in names]
    )
    labels = [bar_label(cost, killed.get(name, ())) for name, cost in zip(names, costs, strict=True)]
    axes.bar_label(bars, labels, padding=4, color=ink, fontsize=9)
    axes.set_xscale("log")
    axes.set_xlim(min(costs) / 2, max(costs) * 60)
    axes.set_ylim(-0.6, len(names) - 0.4)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set(color=ours if name in OURS else ink, fontweight="bold" if name in OURS else "normal")
    axes.tick_params(axis="x", colors=ink, which="both")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(caption, color=ink, fontsize=8)
    title = "How long one call with 10 scalars holds up the training"
    axes.set_title(title, color=ink, loc="left", fontsize=12)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(ink)
    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)


def bar_label(cost: float, kills: Kills) -> str:
    """
    >>> bar_label(3.91, [{"accepted": 4000, "found": 4000}])
    '3.9 µs'
    >>> bar_label(19, [{"accepted": 4000, "found": 3520}])
    '19 µs · SIGKILL lost 480 values'
    """
    most = max((lost(facts) for facts in kills), default=0)
    return f"{short(cost)} µs" + (f" · SIGKILL lost {most:,.0f} values" if most else "")
