"""Where a resumed training comes from: what its checkpoint says, and whether it is still the same run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from etm_lightning.attempts import Fact, facts, find_writers
from etm_lightning.layout import RunFolder, project_folder
from etm_lightning.params import flatten, run_fingerprint
from etm_lightning.process import this_process
from etm_lightning.records import Ended, Params
from etm_lightning.track.run import Run


class Origin(msgspec.Struct, frozen=True):
    """What a checkpoint says in ``checkpoint["etm"]``, once for each ETMLogger: where it was taken."""

    project: str
    run: str
    attempt: int
    checkpoint: str


def origins(checkpoint: Mapping[str, Any]) -> list[Origin]:
    """What a loaded checkpoint says; nothing if it was taken without us or cannot be understood."""
    try:
        return msgspec.convert(checkpoint.get("etm", []), list[Origin])
    except msgspec.ValidationError:
        return []


def fork_reason(run: Run, origin: Origin, params: Mapping[str, Any], *, pinned: bool) -> str:
    """Why `run`, which has not started, cannot be the next attempt of the run at `origin`; "" if it can.

    Args:
        run: where the training would be recorded.
        origin: where its checkpoint was taken.
        params: its settings.
        pinned: the run's id was asked for.
    """
    folder = RunFolder(project_folder(run.store, origin.project) / origin.run)
    if not folder.identity_file.exists():
        return "it is not in this store"
    if origin.project != run.identity.project:
        return "it is in another project"
    if pinned and origin.run != run.id:
        return "another version was asked for"
    recorded = list(facts(folder.journal))
    if _runs_elsewhere(folder):
        return "it is still running"
    if not _same(params, _settings(recorded)):
        return "its settings differ"
    return ""


def run_of(path: str | Path | None) -> str:
    """Id of the run in whose folder a checkpoint lies; "" if in none."""
    for folder in Path(path).absolute().parents if path else ():
        if (folder / "run.json").exists():
            return RunFolder(folder).identity().id
    return ""


def move_checkpoints(callbacks: Iterable[Any], old: Path, new: Path) -> None:
    """Let the ModelCheckpoints that save in folder `old` save in folder `new`."""
    for callback in callbacks:
        dirpath = getattr(callback, "dirpath", None)
        if dirpath and Path(dirpath).is_relative_to(old):
            callback.dirpath = str(new / Path(dirpath).relative_to(old))


def _runs_elsewhere(folder: RunFolder) -> bool:
    """Whether another process of this machine writes for the run and has not ended."""
    me = this_process().pid
    for writer in find_writers(folder.journal):
        if writer.header.role == "train" and writer.header.pid != me and writer.alive():
            items = [item for _, item in writer.read()]
            if not items or not isinstance(items[-1], Ended):
                return True
    return False


def _same(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Whether the settings are equal but for length and place; what only they have may still come."""
    known = flatten(mine)
    common = {name: value for name, value in flatten(theirs).items() if name in known}
    return not theirs or run_fingerprint(known) == run_fingerprint(common)


def _settings(recorded: Iterable[Fact]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for fact in recorded:
        if isinstance(fact.item, Params) and fact.item.about == "config":
            params.update(fact.item.params)
    return params
