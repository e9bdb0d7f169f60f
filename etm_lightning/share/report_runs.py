"""How every run went: settings, end, and all that a reader should know before trusting it."""

from __future__ import annotations

from etm_lightning.evaluate.objective import value
from etm_lightning.records import Alert
from etm_lightning.share.charts import swatch
from etm_lightning.share.report_html import Html, duration, element, join, moment, number, row, table
from etm_lightning.share.report_story import Story, Told, brief, setting
from etm_lightning.store.run import StoredRun


def listing(story: Story) -> Html:
    """Every run with the settings that differ, its end, and what went wrong."""
    goal = story.board.objective
    names = story.differing
    head = ["Run", "Status", *brief(names)]
    head += [goal.metric] if goal else []
    head += ["Started", "Took", "Attempts", "Remarks"]
    rows = [_run(told, story) for told in story.told]
    rows += [_evaluation(run, story) for run in story.evaluations]
    heading = "Runs" if len(story.told) > 1 else "The run"
    caption = "Every run, with the settings that differ between them" if names else heading
    return element(
        "section", element("h2", heading), table(head, rows, caption=caption, class_="runs"), id="runs"
    )


def _run(told: Told, story: Story) -> Html:
    run, goal = told.run, story.board.objective
    cells: list[str | Html] = [status(run)]
    cells += [setting(told.settings[name]) if name in told.settings else "—" for name in story.differing]
    cells += [number(value(run, goal))] if goal else []
    why = {other.id: text for other, text in story.board.unranked}
    said = [*remarks(run), *([why[run.id]] if run.id in why and why[run.id] != run.status else [])]
    cells += [moment(run.started), duration(run.duration), str(run.attempts), "; ".join(said) or "—"]
    won = told is story.best and len(story.told) > 1
    name = join(swatch(told.colour, told.dash), element("code", run.id), _about(run, story, won))
    return row(name, cells, class_="winner" if won else None)


def _about(run: StoredRun, story: Story, won: bool) -> Html | None:
    """A run's own name, tags and notes, where they are not those of all."""
    words = [run.name] if run.name and run.name not in run.id else []
    words += [f"#{tag}" for tag in run.tags if not all(tag in other.tags for other in story.runs)]
    if run.notes and not all(run.notes == other.notes for other in story.runs):
        words.append(run.notes)
    mark = element("span", "winner", class_="badge") if won else None
    return element("small", mark, " · ".join(words), class_="about") if words or won else None


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
    alerts = len(_warnings(run))
    found = [
        (alerts, f"{alerts} alert{'s' * (alerts != 1)}"),
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
    return bool(run.status not in ("finished", "running") or _warnings(run) or run.gaps or run.damage)


def _warnings(run: StoredRun) -> list[Alert]:
    """The alerts that are more than information, such as that it finished."""
    return [alert for alert in run.alerts if alert.level != "info"]


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
