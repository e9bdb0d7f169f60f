"""What people change about a run: edits are records too, each call in a file of its own."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from etm_lightning.journal import Journal
from etm_lightning.layout import Identity, RunFolder
from etm_lightning.reading import Damage, follow, writers
from etm_lightning.records import Edit


@dataclass(frozen=True)
class Edited:
    """What people may change about a run, as it stands after their edits."""

    name: str
    tags: tuple[str, ...]
    notes: str
    group: str = ""
    archived: bool = False
    trashed: bool = False


def read_edits(folder: RunFolder) -> list[Edit]:
    """The edits of a run, in the order of their times."""
    found = [
        item
        for writer, segments in writers(folder.journal).items()
        if writer.startswith("edits-")
        for _, item in follow(segments)
        if not isinstance(item, Damage) and isinstance(item, Edit)
    ]
    return sorted(found, key=lambda edit: edit.time)


def apply(identity: Identity, edits: Iterable[Edit]) -> Edited:
    """A run's name, tags and notes after `edits`; an operation of a later version is passed over."""
    now = Edited(identity.name, tuple(identity.tags), identity.notes, identity.group)
    for edit in edits:
        now = _applied(now, edit)
    return now


def _applied(now: Edited, edit: Edit) -> Edited:
    match edit.op:
        case "tag":
            return replace(now, tags=tuple(dict.fromkeys((*now.tags, edit.value))))
        case "untag":
            return replace(now, tags=tuple(tag for tag in now.tags if tag != edit.value))
        case "note":
            return replace(now, notes=edit.value)
        case "rename":
            return replace(now, name=edit.value)
        case "group":
            return replace(now, group=edit.value)
        case "archive" | "unarchive":
            return replace(now, archived=edit.op == "archive")
        case "trash" | "restore":
            return replace(now, trashed=edit.op == "trash")
    return now


def write(folder: RunFolder, op: str, *values: str) -> None:
    """Append one edit per value.

    Raises:
        OSError: if the run's folder cannot be written.
    """
    journal = Journal(folder.journal, run=folder.path.name, attempt=0, role="edits")
    try:
        for value in values or ("",):
            journal.append(Edit(time=time.time(), op=op, value=value))
    finally:
        journal.close()


def tag(folder: RunFolder, *tags: str) -> None:
    """Add `tags` to a run."""
    write(folder, "tag", *_named(tags))


def untag(folder: RunFolder, *tags: str) -> None:
    """Take `tags` from a run."""
    write(folder, "untag", *_named(tags))


def _named(tags: tuple[str, ...]) -> tuple[str, ...]:
    if not tags or not all(tag.strip() for tag in tags):
        raise ValueError(f"`tags` must be one word or more but got {list(tags)!r}")
    return tags


def note(folder: RunFolder, text: str) -> None:
    """Replace the notes of a run by `text`."""
    write(folder, "note", text)


def rename(folder: RunFolder, name: str) -> None:
    """Give a run another name; its id stays."""
    write(folder, "rename", name)


def group(folder: RunFolder, name: str) -> None:
    """Put a run in a group, or with an empty name in none."""
    write(folder, "group", name)


def archive(folder: RunFolder, *, undo: bool = False) -> None:
    """Leave a run out of ordinary lists."""
    write(folder, "unarchive" if undo else "archive")


def trash(folder: RunFolder) -> None:
    """Put a run in the trash: nothing is deleted, and `restore` brings it back."""
    write(folder, "trash")


def restore(folder: RunFolder) -> None:
    """Take a run out of the trash."""
    write(folder, "restore")


def delete(folder: RunFolder, *, trashed: bool, running: bool) -> None:
    """Delete a run from the disk, all of it, for ever.

    Args:
        folder: the run.
        trashed: whether it is in the trash: nothing else is deleted.
        running: whether it is running.

    Raises:
        ValueError: if it is not in the trash, or running.
        OSError: if a file cannot be deleted.
    """
    if not trashed:
        raise ValueError(f"only what is in the trash is deleted: `etm rm {folder.path.name}` comes first")
    if running:
        raise ValueError(f"`run` must have ended but {folder.path.name} is running")
    # out of sight at once: what is left of it after an error is no run
    hidden = folder.path.with_name(f".deleted-{folder.path.name}")
    folder.path.rename(hidden)
    shutil.rmtree(hidden)
