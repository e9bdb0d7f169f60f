"""The results of `tracking.py` as text and as a picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from overhead import Found
from overhead import table as training_table

Facts = Mapping[str, float]
Pairs = Sequence[tuple[Facts, Facts]]
"""Ours and the peer's, right after each other, of each round."""

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
    lines = [f"{'10 scalars a call':<34}" + "".join(f"{column:>9}" for column in columns)]
    for name in by_cost(calls):
        pairs = calls[name]
        figures = [
            *(middle(pairs, "p50"), ratio(pairs, "p50"), middle(pairs, "p99"), middle(pairs, "p99.9")),
            *(middle(pairs, "cpu"), middle(pairs, "bytes"), middle(pairs, "import"), middle(pairs, "first")),
        ]
        lines.append(f"{titles[name]:<34}" + "".join(f"{short(figure):>9}" for figure in figures))
    return "\n".join(lines)


def by_cost(calls: Mapping[str, Pairs]) -> list[str]:
    return sorted(calls, key=lambda name: middle(calls[name], "p50"))


def kept_table(durable: Mapping[str, Pairs], killed: Mapping[str, Pairs], titles: Mapping[str, str]) -> str:
    """What survives SIGKILL, the fastest first."""
    lines = [f"{'killed with all it started':<34}{'durable/s':>12}{'ours is':>10}{'accepted':>10}{'lost':>8}{'':>8}"]
    names = sorted({*durable, *killed}, key=lambda name: -middle(durable[name], "rate") if name in durable else 1)
    for name in names:
        row = f"{titles[name]:<34}"
        if name in durable:
            rate = middle(durable[name], "rate")
            times = statistics.median(
                own["rate"] / peer["rate"] if peer["rate"] else math.inf for own, peer in durable[name]
            )
            row += f"{rate:>12,.0f}{short(times) + ' x':>10}"
        else:
            row += f"{'':>22}"
        if name in killed:
            accepted = sum(peer["accepted"] for _, peer in killed[name])
            # a last call that had not returned may be there as well
            lost = sum(max(0, peer["accepted"] - peer["found"]) for _, peer in killed[name])
            row += f"{accepted:>10,.0f}{lost:>8,.0f}{lost / accepted:>8.1%}"
        lines.append(row)
    return "\n".join(lines)


def own_table(own: Mapping[str, Sequence[Facts]]) -> str:
    """Variants of our own call."""
    columns = ("p50 µs", "p99 µs", "p99.9 µs", "CPU µs", "bytes")
    lines = [f"{'etm_lightning':<44}" + "".join(f"{column:>10}" for column in columns)]
    for title, rounds in own.items():
        figures = [
            statistics.median(facts[name] for facts in rounds)
            for name in ("p50", "p99", "p99.9", "cpu", "bytes")
        ]
        lines.append(f"{title:<44}" + "".join(f"{short(figure):>10}" for figure in figures))
    return "\n".join(lines)


def text(
    heading: str,
    titles: Mapping[str, str],
    calls: Mapping[str, Pairs],
    durable: Mapping[str, Pairs],
    killed: Mapping[str, Pairs],
    own: Mapping[str, Sequence[Facts]],
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
        parts.append(own_table(own))
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


def picture(path: Path, calls: Mapping[str, Pairs], titles: Mapping[str, str], caption: str) -> None:
    """Bars of the median call, on white and on black alike."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "tracking", "svg.fonttype": "none", "font.family": "sans-serif"})
    import matplotlib.pyplot as plt

    names = [name for name in reversed(by_cost(calls)) if name != "ours-journal"]
    costs = [middle(calls[name], "p50") for name in names]
    ink, ours, theirs = "#808890", "#e8590c", "#8fa3b8"
    figure, axes = plt.subplots(figsize=(8, 0.34 * len(names) + 1.1), layout="constrained")
    bars = axes.barh(
        [titles[name] for name in names], costs, color=[ours if name in OURS else theirs for name in names]
    )
    axes.bar_label(bars, [f"{short(cost)} µs" for cost in costs], padding=4, color=ink)
    axes.set_xscale("log")
    axes.set_xlim(min(costs) / 2, max(costs) * 4)
    for label, name in zip(axes.get_yticklabels(), names, strict=True):
        label.set(color=ours if name in OURS else ink, fontweight="bold" if name in OURS else "normal")
    axes.tick_params(axis="x", colors=ink, which="both")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(caption, color=ink, fontsize=9)
    axes.set_title("What a call with 10 scalars holds up the training", color=ink, loc="left", fontsize=12)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(ink)
    figure.savefig(path, transparent=True, metadata={"Date": None})
    plt.close(figure)
