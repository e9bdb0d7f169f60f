"""Where a resumed training comes from: what its checkpoint says, and whether it is still the same run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

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


class Decision(NamedTuple):
    """What rank 0 makes of a loaded checkpoint.

    Attributes:
        origin: where the checkpoint was taken.
        reason: why this cannot be the next attempt of that run; "" if it can.
        id: of the fork, if it is one.
        attempt: number of the next attempt, or of the fork's.
    """

    origin: Origin
    reason: str
    id: str
    attempt: int


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


def relocate(checkpoint: Mapping[str, Any], folder: RunFolder) -> None:
    """Let the states of ModelCheckpoints that a checkpoint holds know the run's folder if it was moved."""
    for state in checkpoint.get("callbacks", {}).values():
        old = _place(state.get("dirpath"), folder.path.name) if isinstance(state, dict) else None
        if old is None or old == folder.path:
            continue
        for name, value in state.items():
            if name == "best_k_models":
                state[name] = {_moved(path, old, folder.path): score for path, score in value.items()}
            elif name == "dirpath" or name.endswith("_path"):
                state[name] = _moved(value, old, folder.path)


def _place(dirpath: Any, run: str) -> Path | None:
    """The run's folder in the path of a folder below it."""
    if not isinstance(dirpath, str):
        return None
    return next((folder for folder in (Path(dirpath), *Path(dirpath).parents) if folder.name == run), None)


def _moved(path: Any, old: Path, new: Path) -> Any:
    if not isinstance(path, str) or not path or not Path(path).is_relative_to(old):
        return path
    return str(new / Path(path).relative_to(old))


def adopt(candidate: RunFolder, folder: RunFolder, attempt: int) -> None:
    """Move what others wrote below a candidate's folder into that of the run, and leave no empty folder.

    LightningCLI writes its config before the checkpoint is read. A name that is taken gets the attempt's
    number: ``config.2.yaml``.
    """
    if candidate.path == folder.path or not candidate.path.is_dir() or candidate.identity_file.exists():
        return
    for path in sorted(candidate.path.iterdir()):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
            continue
        target = folder.path / path.name
        if target.exists():
            target = folder.path / f"{path.stem}.{attempt}{path.suffix}"
        if not target.exists():
            folder.path.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    if not any(candidate.path.iterdir()):
        candidate.path.rmdir()


def _runs_elsewhere(folder: RunFolder) -> bool:
    """Whether another process of this machine writes for the run and has not ended."""
    me = this_process().pid
    for writer in find_writers(folder.journal):
        header = writer.header
        if header.role == "train" and not header.rank and header.pid != me and writer.alive():
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
