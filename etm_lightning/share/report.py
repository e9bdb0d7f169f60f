"""The report: one HTML file that tells a run or a sweep to somebody who has nothing else."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from etm_lightning.share.report_board import board, on_test_data, result
from etm_lightning.share.report_curves import curves
from etm_lightning.share.report_html import Html, element, escape, join, moment
from etm_lightning.share.report_runs import listing, troubles
from etm_lightning.share.report_story import Story, tell
from etm_lightning.share.report_winner import again, config, confusion, data, model
from etm_lightning.store.run import StoredRun


def write_report(runs: Sequence[StoredRun], path: Path, *, title: str = "", now: float | None = None) -> Path:
    """Write the report of `runs` to `path`, whole or not at all, and return where it is.

    Args:
        runs: one run, or those of a sweep or group, with the runs that test one of them.
        path: the file; its folder is made if missing.
        title: the heading; by default the group's or run's name.
        now: when this is, in Unix seconds.

    Raises:
        ValueError: if there are no runs.
        OSError: if the file cannot be written.
    """
    text = render_report(runs, title=title, now=now)
    return write_whole(text, path)


def write_whole(text: str, path: Path) -> Path:
    """Write a page whole or not at all; where it is.

    Raises:
        OSError: if the file cannot be written.
    """
    path = path.expanduser().absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.html")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def render_report(runs: Sequence[StoredRun], *, title: str = "", now: float | None = None) -> str:
    """The report of `runs` as one HTML page, which refers to nothing outside itself.

    Raises:
        ValueError: if there are no runs.
    """
    story = tell(runs)
    heading = title or _title(story)
    style, script = _part("report.css"), _part("report.js")
    return Template(_part("report.html")).substitute(
        policy=escape(_policy(style, script)),
        title=escape(heading),
        style=style,
        script=script,
        body=join(_sections(story, heading, time.time() if now is None else now)),
    )


def _part(name: str) -> str:
    return files("etm_lightning.share").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """What the page may do: its own style and script, by their hashes, and nothing else."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _sections(story: Story, heading: str, now: float) -> Iterator[Html]:
    yield _header(story, heading)
    yield result(story)
    yield board(story)
    yield curves(story)
    yield confusion(story)
    yield config(story)
    yield again(story)
    yield data(story)
    yield model(story)
    yield listing(story)
    yield troubles(story)
    yield _footer(story, now)


def _title(story: Story) -> str:
    """The group if all share one, the run's name or id if there is one, else the project."""
    first = story.runs[0]
    if len(story.runs) == 1:
        return first.name or first.id
    groups = _all(story, "group")
    return groups[0] if len(groups) == 1 else " · ".join(_all(story, "project"))


def _all(story: Story, field: str) -> list[str]:
    """The distinct values of a field of the runs, as texts."""
    return list(dict.fromkeys(text for run in story.runs if (text := str(getattr(run, field)))))


def _header(story: Story, heading: str) -> Html:
    projects = " · ".join(_all(story, "project"))
    tags = list(dict.fromkeys(tag for run in story.runs for tag in run.tags))
    notes = _all(story, "notes")
    # notes that belong to one run of several are told in the list of runs
    shared = notes if len(notes) == 1 and all(run.notes for run in story.runs) else []
    return element(
        "header",
        element("p", f"Experiment report · {projects}", class_="eyebrow"),
        element("h1", heading),
        [element("p", question, class_="question") for question in _all(story, "question")],
        [element("p", element("b", "Method. "), method, class_="prose") for method in _all(story, "method")],
        [element("p", element("b", "Notes. "), note, class_="prose") for note in shared],
        element("ul", [element("li", tag) for tag in tags], class_="tags", aria_label="Tags")
        if tags
        else None,
        element("p", _meta(story), class_="meta"),
    )


def _meta(story: Story) -> Html:
    count = len(story.runs)
    starts = [run.started for run in story.runs if run.started is not None]
    when = join(", started ", moment(min(starts))) if starts else Html()
    text = "One run" if count == 1 else f"{count} runs"
    return join(text, when, ". ", on_test_data(story) if count == 1 else None)


def _footer(story: Story, now: float) -> Html:
    count = len(story.runs) + len(story.evaluations)
    text = f" by etm_lightning from the journal{'s' * (count != 1)} of {count} run{'s' * (count != 1)}."
    return element(
        "footer", element("p", "Written ", moment(now), text, " The file needs nothing but itself.")
    )
