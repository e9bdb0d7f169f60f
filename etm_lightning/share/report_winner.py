"""The best run in full: its confusion matrix, config, checkpoint, data, model, and how to run it again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etm_lightning.records import Media
from etm_lightning.share.charts import heat_table
from etm_lightning.share.origin import origin
from etm_lightning.share.report_html import Html, element, escape, facts, join, number, row, table, yaml
from etm_lightning.share.report_story import Story, setting
from etm_lightning.store.run import StoredRun

CLASSES = 60
"""A confusion matrix with more classes is not drawn."""
_SPLITS = {"test": "test data", "validate": "validation data", "train": "training data"}


def confusion(story: Story) -> Html:
    """The confusion matrices of the best run, test data first; nothing where none was recorded."""
    if story.best is None:
        return Html()
    run = story.best.run
    tests = [other for other in story.evaluations if other.evaluates == run.id]
    found = {media.name: (owner, media) for owner in (run, *tests) for media in _matrices(owner)}
    if not found:
        return Html()
    order = sorted(found, key=lambda name: (not name.startswith("test"), name))
    parts = [_matrix(*found[name]) for name in order]
    return element(
        "section", element("h2", "Confusion matrix"), element("div", parts, class_="matrices"), id="confusion"
    )


def _matrices(run: StoredRun) -> list[Media]:
    """Of each name the matrix that belongs to the best checkpoint: the last one not after it."""
    best = run.best_checkpoint
    chosen: dict[str, Media] = {}
    for media in run.media:
        if media.type == "confusion_matrix":
            late = best and media.stage == "validate" and (media.step or 0) > best.step
            if not late or media.name not in chosen:
                chosen[media.name] = media
    return list(chosen.values())


def _matrix(run: StoredRun, media: Media) -> Html:
    stage = media.stage or {"val": "validate"}.get(media.name.partition("/")[0], media.name.partition("/")[0])
    caption = f"{media.name}: {_SPLITS.get(stage, stage)}; shade is the share of the true class"
    try:
        labels, counts = _read(run, media)
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"{media.name} was recorded but cannot be shown: {error}"
        return element("p", text, class_="warning")
    return heat_table(labels, counts, caption=caption)


def _read(run: StoredRun, media: Media) -> tuple[list[str], list[list[float]]]:
    """Labels and counts of a recorded matrix.

    Raises:
        ValueError: if the file does not hold a square matrix with a label for each row.
    """
    content = json.loads(run.file(media.file).read_bytes())
    labels = [str(label) for label in content["labels"]]
    counts = [[float(count) for count in line] for line in content["counts"]]
    if len(labels) > CLASSES:
        raise ValueError(f"it has {len(labels)} classes, and more than {CLASSES} do not fit on a page")
    if not labels or len(counts) != len(labels) or any(len(line) != len(labels) for line in counts):
        raise ValueError(f"{len(labels)} labels need as many rows and columns of counts")
    return labels, counts


def config(story: Story) -> Html:
    """Settings of the best run, all of them."""
    if story.best is None:
        return Html()
    run = story.best.run
    heading = "Winning config" if len(story.told) > 1 else "Config"
    text = yaml(run.params) if run.params else "# this run recorded no settings\n"
    return element(
        "section",
        element("h2", heading),
        element("p", "Of run ", element("code", run.id), ".", class_="note"),
        element("pre", text, class_="config", tabindex="0"),
        id="config",
    )


def again(story: Story) -> Html:
    """Command, code and packages of the best run, and its checkpoint."""
    if story.best is None:
        return Html()
    run = story.best.run
    start = run.info("start")
    lines = list(_commands(start))
    text = element("pre", "\n".join(lines) + "\n", tabindex="0") if lines else None
    unknown = None if lines else element("p", "This run did not record its command.", class_="note")
    return element(
        "section",
        element("h2", "How to run it again"),
        text,
        unknown,
        _dirty(run),
        facts([*_checkpoint(run), *_surroundings(start), ("Folder", element("code", str(run.folder.path)))]),
        id="again",
    )


def _commands(start: Mapping[str, Any]) -> Iterator[str]:
    command, git = start.get("command"), start.get("git")
    if start.get("cwd"):
        yield f"cd {shlex.quote(str(start['cwd']))}"
    if isinstance(git, Mapping) and git.get("commit"):
        branch = f"   # {git['branch']}" if git.get("branch") else ""
        yield f"git checkout {shlex.quote(str(git['commit']))}{branch}"
    if isinstance(command, str):
        yield command
    elif isinstance(command, Sequence) and command:
        yield shlex.join(str(word) for word in command)


def _dirty(run: StoredRun) -> Html | None:
    git = run.info("start").get("git")
    if not (isinstance(git, Mapping) and git.get("dirty")):
        return None
    text = "Tracked files had changes that are not in this commit, so the checkout is not exactly what ran."
    kept = any(one.name == "code.diff" for one in run.texts)
    where = " The changes were recorded as text code.diff." if kept else ""
    return element("p", text, where, class_="warning")


def _checkpoint(run: StoredRun) -> Iterator[tuple[str, Html]]:
    best = run.best_checkpoint
    if best is None:
        yield "Checkpoint", escape("none was recorded as the best")
        return
    path = run.file(best.path) if best.path else None
    gone = element("span", " is no longer there", class_="odd") if path and not path.exists() else None
    yield "Checkpoint", join(element("code", str(path) if path else best.id), gone)
    epoch = f", epoch {best.epoch}" if best.epoch is not None else ""
    score = f", {best.monitor} {number(best.score, 6)}" if best.monitor and best.score is not None else ""
    yield "TakenError at", escape(f"step {best.step:,}{epoch}{score}")


def _surroundings(start: Mapping[str, Any]) -> Iterator[tuple[str, Html]]:
    for name, text in origin(start):
        yield {"gpu": "GPU"}.get(name, name.capitalize()), escape(text)


def data(story: Story) -> Html:
    """What was recorded about the data of the best run, or else of the first that knows."""
    return _known(story, "data", "Data")


def model(story: Story) -> Html:
    """What was recorded about the model, likewise."""
    return _known(story, "model", "Model")


def _known(story: Story, about: str, heading: str) -> Html:
    asked = [*([story.best.run] if story.best else []), *story.runs]
    known = next((info for run in asked if (info := run.info(about))), None)
    if known is None:
        return Html()
    splits = known.get("splits")
    columns = (
        splits if isinstance(splits, Mapping) and all(isinstance(v, Mapping) for v in splits.values()) else {}
    )
    rest = [(path, value) for path, value in _leaves(known) if not columns or path[0] != "splits"]
    return element(
        "section",
        element("h2", heading),
        _splits(columns) if columns else None,
        facts((_words(path), _shown(value)) for path, value in rest),
        id=about,
    )


def _splits(splits: Mapping[str, Mapping[str, Any]]) -> Html:
    """Facts by split: one column each."""
    flat = {name: dict(_leaves(info)) for name, info in splits.items()}
    paths = list(dict.fromkeys(path for info in flat.values() for path in info))
    rows = [
        row(_words(path), [_shown(info[path]) if path in info else "—" for info in flat.values()])
        for path in paths
    ]
    return table(["", *flat], rows, caption="By split", class_="splits")


def _leaves(info: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in info.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value


def _words(path: Sequence[str]) -> str:
    """A fact's name: underscores are spaces in all but its last part, which may be a label.

    >>> _words(("token_lengths", "p95")), _words(("rows",)), _words(("max_length",))
    ('token lengths · p95', 'rows', 'max length')
    """
    first = path[0].replace("_", " ")
    return " · ".join([first, *path[1:]])


def _shown(value: object) -> Html:
    if isinstance(value, bool) or value is None:
        return escape(setting(value))
    if isinstance(value, int | float):
        return escape(number(value))
    if isinstance(value, list | tuple):
        return escape(", ".join(setting(item) for item in value))
    text = setting(value)
    return element("code", text) if len(text) >= 32 and " " not in text else escape(text)
