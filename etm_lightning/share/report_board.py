"""Which run is best: the opening figures, and the leaderboard with the rules of its ranking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from etm_lightning.evaluate.leaderboard import Row
from etm_lightning.evaluate.objective import Objective, value
from etm_lightning.evaluate.summaries import Spread
from etm_lightning.share.charts import Scale, swatch
from etm_lightning.share.report_html import Html, duration, element, join, number, row, table
from etm_lightning.share.report_story import Story, brief, setting
from etm_lightning.store.run import StoredRun

_COLUMNS = 6
_MORE = 3
_WIDTH = 150


def result(story: Story) -> Html:
    """The few figures that a hurried reader needs."""
    tiles = [*_scores(story), *_counts(story)]
    best = story.best
    lead = None
    if best and len(story.told) > 1:
        lead = element("p", "Best on validation: ", element("strong", best.label), ".", class_="lead")
    return element("section", lead, element("div", tiles, class_="tiles"), _unfinished(story), id="result")


def _scores(story: Story) -> list[Html]:
    winner, goal = story.board.winner, story.board.objective
    if not winner or not goal:
        return []
    n = winner.score.n
    over = f"validation, n\u00a0=\u00a0{n}, ±\u00a0sd" if n > 1 else "validation, one run"
    tiles = [_tile(goal.metric, spread(winner.score), over)]
    names = _test_names(winner, goal)[:2]
    note = "test data" if len(story.told) == 1 else "test data, winner only"
    tiles += [_tile(name, number(winner.tests[name]), note) for name in names]
    return tiles


def _counts(story: Story) -> list[Html]:
    ends = Counter(run.status for run in story.runs)
    total = sum(run.duration for run in story.runs)
    others = ", ".join(f"{count} {end}" for end, count in ends.most_common() if end != "finished")
    if len(story.told) == 1:
        return [
            _tile("status", story.runs[0].status, story.runs[0].reason),
            _tile("took", duration(total), ""),
        ]
    finished = f"{ends['finished']} of {len(story.runs)}"
    return [
        _tile("runs finished", finished, others or "all of them"),
        _tile("training time", duration(total), "all runs together"),
    ]


def _tile(name: str, figure: str, note: str) -> Html:
    return element("div", element("span", name), element("b", figure), element("small", note), class_="tile")


def _unfinished(story: Story) -> Html | None:
    running = sum(run.status == "running" for run in story.runs)
    if not running:
        return None
    verb = "run was" if running == 1 else "runs were"
    text = f"{running} {verb} still going when this was written: these numbers are not final."
    return element("p", text, class_="warning")


def spread(score: Spread) -> str:
    """Mean and standard deviation, the mean to the digits that the deviation leaves it.

    >>> spread(Spread(3, 0.94123, 0.00456)), spread(Spread(1, 0.94123, None))
    ('0.9412 ± 0.0046', '0.9412')
    """
    if score.sd is None:
        return number(score.mean)
    if score.sd == 0:
        return f"{number(score.mean)} ± 0"
    return f"{number(score.mean)} ± {number(score.sd, 2)}"


def board(story: Story) -> Html:
    """The leaderboard with its rules; nothing for a single run."""
    goal = story.board.objective
    if len(story.told) == 1:
        return Html()
    if goal is None:
        text = "No run recorded a best checkpoint with the metric that chose it, so nothing is ranked."
        return element("section", element("h2", "Leaderboard"), element("p", text), id="leaderboard")
    names = story.board.varying[:_COLUMNS]
    extra = _extra(story.board.rows, goal)
    winner = story.board.winner
    test = next(iter(_test_names(winner, goal)), "") if winner else ""
    head: list[str | Html] = ["Place", *brief(names), goal.metric]
    head += ["Each run", "n", *extra, *([test] if test else [])]
    scale = _scale(story, goal)
    rows = [_entry(entry, story, names, extra, test, scale) for entry in story.board.rows]
    return element(
        "section",
        element("h2", "Leaderboard"),
        element("p", rules(story), class_="note"),
        table(head, rows, caption=f"Settings ranked on {goal.metric}", class_="board numbers"),
        id="leaderboard",
    )


def _extra(rows: Sequence[Row], goal: Objective) -> list[str]:
    """Further validation metrics, by the ranked one's first part."""
    prefix = goal.metric.partition("/")[0] + "/"
    names = sorted({name for entry in rows for name in entry.metrics if name.startswith(prefix)})
    return [name for name in names if name != goal.metric][:_MORE]


def _test_names(winner: Row, goal: Objective) -> list[str]:
    """Its metrics on test data, the one that was ranked on first and losses last."""
    last = goal.metric.rpartition("/")[2]
    return sorted(winner.tests, key=lambda name: (name.rpartition("/")[2] != last, "loss" in name, name))


def _entry(
    entry: Row,
    story: Story,
    names: Sequence[str],
    extra: Sequence[str],
    test: str,
    scale: Scale,
) -> Html:
    won = entry is story.board.winner
    first = next(told for told in story.told if told.run is entry.best)
    mark = element("span", "winner", class_="badge") if won else None
    flags = [element("span", flag, class_="badge odd") for flag in (*_pruned(entry), *entry.flags)]
    cells: list[str | Html] = [setting(entry.params[name]) if name in entry.params else "—" for name in names]
    cells.append(join(element("strong", spread(entry.score)), flags))
    cells.append(_strip(entry, story, scale))
    cells.append(str(entry.score.n))
    cells += [number(entry.metrics.get(name)) for name in extra]
    if test:
        known = number(entry.tests[test]) if test in entry.tests else None
        cells.append(known or element("span", "not tested", class_="faint"))
    head = join(swatch(first.colour), str(entry.place), mark)
    return row(head, cells, class_="winner" if won else None)


def _pruned(entry: Row) -> list[str]:
    return [f"{entry.pruned} pruned"] if entry.pruned else []


def _scale(story: Story, goal: Objective) -> Scale:
    values = [
        score for row in story.board.rows for run in row.runs if (score := value(run, goal)) is not None
    ]
    low, high = min(values, default=0.0), max(values, default=1.0)
    return Scale(low, high, 6, _WIDTH - 6)


def _strip(entry: Row, story: Story, scale: Scale) -> Html:
    """A dot for each run's score and a stroke for their mean, on one scale for all rows."""
    goal = story.board.objective
    assert goal is not None
    values = [score for run in entry.runs if (score := value(run, goal)) is not None]
    mean = f"{scale(entry.score.mean):.1f}"
    return element(
        "svg",
        element("title", "each run: " + ", ".join(map(number, values))),
        element("line", x1=0, x2=_WIDTH, y1=9, y2=9, class_="grid"),
        element("line", x1=mean, x2=mean, y1=2, y2=16, class_="mean") if len(values) > 1 else None,
        [element("circle", cx=f"{scale(score):.1f}", cy=9, r=3.5) for score in values],
        viewBox=f"0 0 {_WIDTH} 18",
        role="img",
        class_="strip",
    )


def rules(story: Story) -> str:
    """What was ranked on what, and what was done with the test data."""
    goal = story.board.objective
    if goal is None:
        return on_test_data(story)
    better = "higher" if goal.mode == "max" else "lower"
    pruned = any(row.status == "pruned" for row in story.board.rows)
    return (
        f"Ranked on validation: {goal.metric} of each run’s best checkpoint, {better} is better; mean ± "
        f"sample standard deviation over runs that differ by seed only. "
        f"{'Pruned runs come after the finished ones. ' if pruned else ''}{on_test_data(story)}"
    )


def on_test_data(story: Story) -> str:
    """How often test data was looked at, and for which runs."""
    counts = {told.key: times for told in story.told if (times := _tests(told.run, story))}
    if not counts:
        return "It was not tested." if len(story.told) == 1 else "No run was tested."
    most = max(counts.values())
    often = "once" if most == 1 else f"{most} times"
    if len(story.told) == 1:
        return f"It was tested {often}."
    if story.best and set(counts) == {story.best.key}:
        return f"Only the winner was tested, {often}."
    some = f"{len(counts)} of {len(story.told)} runs were tested, {'each' if most == 1 else 'up to'} {often}"
    return f"{some}; test values took no part in the ranking."


def _tests(run: StoredRun, story: Story) -> int:
    """How many times a run's model met test data."""
    tests = [run, *(other for other in story.evaluations if other.evaluates == run.id)]
    return sum(
        max((m.count for m in one.metrics.values() if m.stage == "test" and m.axis == "step"), default=0)
        for one in tests
    )
