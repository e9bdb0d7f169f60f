"""What people change about runs here: edits in the journal, and the end of what is in the trash."""

from __future__ import annotations

import secrets
import shutil

import msgspec

from etm_lightning.store import edits
from etm_lightning.web.rows import Row, row
from etm_lightning.web.stores import Stores

LONGEST = 100_000


class Tags(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tags to put on and to take off."""

    add: list[str] = []
    remove: list[str] = []


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be different; what is left out stays."""

    name: str | None = None
    notes: str | None = None
    tags: Tags = Tags()
    archived: bool | None = None
    trashed: bool | None = None

    def check(self) -> None:
        """Raise ValueError if it cannot be."""
        if self.name is not None and not 0 < len(self.name) <= 1000:
            raise ValueError(f"`name` must have 1 to 1000 letters but has {len(self.name)}")
        if self.notes is not None and len(self.notes) > LONGEST:
            raise ValueError(f"`notes` may have {LONGEST} letters but have {len(self.notes)}")
        for tag in (*self.tags.add, *self.tags.remove):
            if not tag.strip() or len(tag) > 200:
                raise ValueError(f"`tags` must be words of up to 200 letters but got {tag[:40]!r}")


def change(stores: Stores, key: str, asked: Change) -> Row:
    """Write down a change, and say how the run stands then.

    Raises:
        MissingError: if there is no such run.
        ValueError: if it cannot be.
        OSError: if the run's folder cannot be written.
    """
    asked.check()
    found = stores.run(key)
    folder = found.run.folder
    if asked.name is not None:
        edits.rename(folder, asked.name)
    if asked.notes is not None:
        edits.note(folder, asked.notes)
    if asked.tags.add:
        edits.tag(folder, *asked.tags.add)
    if asked.tags.remove:
        edits.untag(folder, *asked.tags.remove)
    if asked.archived is not None:
        edits.archive(folder, undo=not asked.archived)
    if asked.trashed is not None:
        (edits.trash if asked.trashed else edits.restore)(folder)
    found.place.catalogue.refresh()
    return row(stores, key)


class ConflictError(RuntimeError):
    """It may not be now."""


def delete(stores: Stores, key: str) -> None:
    """Delete a run for good. It goes under a hidden name first, so that half of a run is never shown.

    Raises:
        MissingError: if there is no such run.
        ConflictError: if it is not in the trash, or still running.
        OSError: if the folder cannot be removed.
    """
    found = stores.run(key)
    run = found.run
    if not run.trashed:
        raise ConflictError("only a run in the trash is deleted: put it there first")
    if run.status == "running":
        raise ConflictError("it is still running")
    path = run.folder.path
    gone = path.with_name(f".deleted-{secrets.token_hex(8)}")
    path.rename(gone)
    shutil.rmtree(gone)
    found.place.catalogue.refresh()
