"""Which run is best, and how all of them went: the opening figures, the leaderboard, the list of runs."""

from __future__ import annotations

from collections.abc import Sequence

from etm_lightning.evaluate.leaderboard import Row
from etm_lightning.evaluate.objective import Objective, value
from etm_lightning.evaluate.summaries import Spread
from etm_lightning.share.charts import Scale, swatch
from etm_lightning.share.report_html import Html, duration, element, escape, join, moment, number, row, table
from etm_lightning.share.report_story import Story, Told, setting
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
    over = f"mean ± sd of {n} seeds" if n > 1 else "one run"
    tiles = [_tile(f"{goal.metric}, validation", spread(winner.score), over)]
    metric = goal.metric.rpartition("/")[2]
    names = sorted(winner.tests, key=lambda name: (name.rpartition("/")[2] != metric, "loss" in name, name))
    for name in names[:2]:
        tiles.append(_tile(f"{name}, test", number(winner.tests[name]), "the winner's best checkpoint"))
    return tiles


def _counts(story: Story) -> list[Html]:
    finished = sum(run.status == "finished" for run in story.runs)
    total = sum(run.duration for run in story.runs)
    runs = _tile("finished", f"{finished} of {len(story.runs)}", "runs")
    return [runs, _tile("training time", duration(total), "all runs together")]


def _tile(name: str, figure: str, note: str) -> Html:
    return element(
        "div", element("span", name), element("b", figure), element("small", note), class_="tile"
    )


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
    tested = _test_name(winner, goal) if winner else None
    head: list[str | Html] = ["Place", *(name.rpartition(".")[2] for name in names), goal.metric]
    head += ["Each run", "n", *extra, *([tested] if tested else [])]
    scale = _scale(story, goal)
    rows = [_entry(entry, story, names, extra, tested, scale) for entry in story.board.rows]
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


def _test_name(winner: Row, goal: Objective) -> str | None:
    last = goal.metric.rpartition("/")[2]
    names = sorted(winner.tests, key=lambda name: (name.rpartition("/")[2] != last, "loss" in name, name))
    return names[0] if names else None


def _entry(
    entry: Row,
    story: Story,
    names: Sequence[str],
    extra: Sequence[str],
    tested: str | None,
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
    if tested:
        test = entry.tests.get(tested)
        cells.append(element("span", "not tested", class_="faint") if test is None else number(test))
    head = join(swatch(first.colour), str(entry.place), mark)
    return row(head, cells, class_="winner" if won else None)


def _pruned(entry: Row) -> list[str]:
    return [f"{entry.pruned} pruned"] if entry.pruned else []


def _scale(story: Story, goal: Objective) -> Scale:
    values = [score for row in story.board.rows for run in row.runs if (score := value(run, goal)) is not None]
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
        element("line", x1=mean, x2=mean, y1=2, y2=16, class_="mean"),
        [element("circle", cx=f"{scale(score):.1f}", cy=9, r=3.5) for score in values],
        viewBox=f"0 0 {_WIDTH} 18",
        role="img",
        class_="strip",
    )


def rules(story: Story) -> str:
    """What was ranked on what, and what was done with the test data."""
    goal = story.board.objective
    if goal is None:
        return tested(story)
    better = "higher" if goal.mode == "max" else "lower"
    return (
        f"Ranked on validation: {goal.metric} of each run’s best checkpoint, {better} is better; mean ± sample "
        f"standard deviation over runs that differ by seed only. {tested(story)}"
    )


def tested(story: Story) -> str:
    """How often test data was looked at, and for which runs."""
    counts = {told.key: times for told in story.told if (times := _tests(told.run, story))}
    if not counts:
        return "No run was tested."
    times = "once" if max(counts.values()) == 1 else f"{max(counts.values())} times"
    if len(story.told) == 1:
        return f"It was tested {times}."
    if story.best and set(counts) == {story.best.key}:
        return f"Only the winner was tested, {times}."
    return (
        f"{len(counts)} of {len(story.told)} runs were tested, up to {times}; test values took no part in the ranking."
        if times != "once"
        else f"{len(counts)} of {len(story.told)} runs were tested, each once; test values took no part in the ranking."
    )


def _tests(run: StoredRun, story: Story) -> int:
    """How many times a run's model met test data."""
    of = [run, *(other for other in story.evaluations if other.evaluates == run.id)]
    return sum(
        max((metric.count for metric in one.metrics.values() if metric.stage == "test" and metric.axis == "step"), default=0)
        for one in of
    )


def runs(story: Story) -> Html:
    """Every run with the settings that differ, its end, and what went wrong."""
    goal = story.board.objective
    names = story.differing
    head = ["Run", "Status", *(name.rpartition(".")[2] for name in names)]
    head += [goal.metric] if goal else []
    head += ["Started", "Took", "Attempts", "Remarks"]
    rows = [_run(told, story) for told in story.told]
    rows += [_evaluation(run, story) for run in story.evaluations]
    heading = "Runs" if len(story.told) > 1 else "The run"
    caption = "Every run, with the settings that differ between them" if names else "Every run"
    return element(
        "section", element("h2", heading), table(head, rows, caption=caption, class_="runs"), id="runs"
    )


def _run(told: Told, story: Story) -> Html:
    run, goal = told.run, story.board.objective
    cells: list[str | Html] = [status(run)]
    cells += [setting(told.settings[name]) if name in told.settings else "—" for name in story.differing]
    cells += [number(value(run, goal))] if goal else []
    why = dict(((other.id, text) for other, text in story.board.unranked))
    said = [*remarks(run), *([why[run.id]] if run.id in why and why[run.id] != run.status else [])]
    cells += [moment(run.started), duration(run.duration), str(run.attempts), "; ".join(said) or "—"]
    mark = element("span", "winner", class_="badge") if told is story.best and len(story.told) > 1 else None
    name = join(swatch(told.colour, told.dash), element("code", run.id), mark, _about(run, story))
    return row(name, cells, class_="winner" if mark else None)


def _about(run: StoredRun, story: Story) -> Html | None:
    """A run's own name, tags and notes, where they are not those of all."""
    words = [run.name] if run.name and run.name not in run.id else []
    words += [f"#{tag}" for tag in run.tags if not all(tag in other.tags for other in story.runs)]
    if run.notes and not all(run.notes == other.notes for other in story.runs):
        words.append(run.notes)
    return element("small", " · ".join(words), class_="about") if words else None


def _evaluation(run: StoredRun, story: Story) -> Html:
    of = next((told for told in story.told if told.run.id == run.evaluates), None)
    goal = ["—"] if story.board.objective else []
    cells: list[str | Html] = [status(run), *["—"] * len(story.differing), *goal]
    said = [f"tests {of.label if of else run.evaluates}", *remarks(run)]
    cells += [moment(run.started), duration(run.duration), str(run.attempts), "; ".join(said)]
    return row(element("code", run.id), cells)


def status(run: StoredRun) -> Html:
    """How a run ended, with a mark that does not rest on colour."""
    return element("span", run.status, class_=f"status {run.status}")


def remarks(run: StoredRun) -> list[str]:
    """What a reader should know before trusting a run, in a few words each."""
    lost = sum(gap.lost for gap in run.gaps)
    odd = sum(metric.nonfinite for metric in run.metrics.values())
    found = [
        (len(run.alerts), f"{len(run.alerts)} alert{'s' * (len(run.alerts) != 1)}"),
        (lost, f"{lost} records lost"),
        (len(run.damage), f"damaged in {len(run.damage)} place{'s' * (len(run.damage) != 1)}"),
        (odd, f"{odd} value{'s' * (odd != 1)} not finite"),
    ]
    return [text for count, text in found if count]


def troubles(story: Story) -> Html:
    """Alerts, errors, gaps and damage in full; says so where there is none."""
    everyone = [*story.runs, *story.evaluations]
    boxes = [_trouble(run, story) for run in everyone if _troubled(run)]
    calm = element("p", "No error, alert, lost record or damaged file in any of these runs.", class_="note")
    return element("section", element("h2", "What went wrong"), boxes or calm, id="troubles")


def _troubled(run: StoredRun) -> bool:
    return bool(run.status not in ("finished", "running") or run.alerts or run.gaps or run.damage)


def _trouble(run: StoredRun, story: Story) -> Html:
    items: list[Html] = []
    if run.status not in ("finished", "running"):
        ended = [run.reason] if run.reason else []
        ended += [f"exit code {run.exit_code}"] if run.exit_code is not None else []
        ended += [f"signal {run.signal}"] if run.signal is not None else []
        items.append(element("li", status(run), ": " if ended else "", ", ".join(ended)))
    for alert in run.alerts:
        at = f" (step {alert.step})" if alert.step is not None else ""
        text = f": {alert.text}" if alert.text else ""
        items.append(element("li", element("strong", alert.title), text, at, f" [{alert.level}]"))
    for gap in run.gaps:
        why = f": {gap.reason}" if gap.reason else ""
        items.append(element("li", f"{gap.lost} records lost since ", moment(gap.since), why))
    for damage in run.damage:
        place = f"{damage.path.name}, {damage.size} bytes at {damage.offset}: {damage.reason}"
        items.append(element("li", "cannot be read: ", element("code", place)))
    trace = element("pre", run.traceback) if run.traceback else None
    title = element("summary", element("strong", story.label(run)), " ", element("code", run.id))
    return element("details", title, element("ul", items), trace, open=True)


