"""Where things lie: the store, its projects, the folder of a run, and the run's identity."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import msgspec

from etm_lightning.disk import LOCAL
from etm_lightning.records import FORMAT

STORE = "etm_runs"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What `run.json` says: who a run is, written once and never changed. `created` is in Unix seconds."""

    format: int = FORMAT
    id: str
    project: str
    created: float
    name: str = ""
    group: str = ""
    tags: tuple[str, ...] = ()
    notes: str = ""
    question: str = ""
    method: str = ""
    forked_from: str = ""
    evaluates: str = ""


@dataclass(frozen=True)
class RunFolder:
    """The folder that holds a whole run."""

    path: Path

    @property
    def identity_file(self) -> Path:
        return self.path / "run.json"

    @property
    def journal(self) -> Path:
        return self.path / "journal"

    @property
    def media(self) -> Path:
        return self.path / "media"

    @property
    def artifacts(self) -> Path:
        return self.path / "artifacts"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def cursors(self) -> Path:
        return self.path / "cursors"

    @property
    def cache(self) -> Path:
        """Derived; safe to delete."""
        return self.path / "cache"

    @property
    def hydra(self) -> Path:
        return self.path / "hydra"

    def identity(self) -> Identity:
        """What `run.json` says.

        Raises:
            FileNotFoundError: if this is not the folder of a run.
            ValueError: if the file is damaged.
        """
        try:
            return msgspec.json.decode(self.identity_file.read_bytes(), type=Identity)
        except msgspec.DecodeError as error:
            raise ValueError(f"{self.identity_file} is damaged: {error}") from error

    def create(self, identity: Identity) -> None:
        """Write `run.json`, whole and durable, unless the run has one already.

        Raises:
            OSError: if the folder cannot be written.
        """
        self.journal.mkdir(parents=True, exist_ok=True)
        temporary = self.path / f".run.json.{os.urandom(4).hex()}"
        with temporary.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(identity)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, self.identity_file)
        except FileExistsError:
            return
        except OSError:  # a file system without hard links
            if not self.identity_file.exists():
                temporary.rename(self.identity_file)
        finally:
            temporary.unlink(missing_ok=True)
        LOCAL.sync_folder(self.path)
        LOCAL.sync_folder(self.path.parent)

    def attempts(self) -> int:
        """The highest number of an attempt that wrote a file; 0 if none did."""
        numbers = (path.name.partition("-")[0] for path in self.journal.glob("*-*"))
        return max((int(number) for number in numbers if number.isdecimal()), default=0)


def new_store(path: str | Path | None = None) -> Path:
    """The folder that new runs go to, made if missing, with a `.gitignore` that keeps it out of git.

    Args:
        path: the folder; by default `ETM_STORE`, else `./etm_runs`.

    Raises:
        NotADirectoryError: if something there is not a folder.
    """
    root = Path(path or os.environ.get("ETM_STORE") or STORE).expanduser().absolute()
    for part in (root, *root.parents):
        if part.exists() and not part.is_dir():
            raise NotADirectoryError(
                f"`save_dir` must be a folder but got {str(root)!r}: {str(part)!r} is a file. "
                "Give another folder, or move the file away."
            )
    root.mkdir(parents=True, exist_ok=True)
    ignore = root / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    return root


def find_store(path: str | Path | None = None) -> Path:
    """The store to read: `path`, else `ETM_STORE`, else the nearest `etm_runs` upward, as git does.

    Raises:
        FileNotFoundError: if there is none.
    """
    given = path or os.environ.get("ETM_STORE")
    if given:
        root = Path(given).expanduser().absolute()
        if root.is_dir():
            return root
        kind = "a file" if root.exists() else "not there"
        raise FileNotFoundError(f"`store` must be a folder of projects but {str(root)!r} is {kind}")
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / STORE).is_dir():
            return folder / STORE
    raise FileNotFoundError(
        f"no store: there is no {STORE!r} in {str(here)!r} or above. Train something first, "
        "or name a store with --store or ETM_STORE."
    )


def project_folder(store: Path, project: str) -> Path:
    """The folder of a project; distinct names have distinct folders.

    Raises:
        ValueError: if the name is empty.

    >>> project_folder(Path("etm_runs"), "bert/bbc").name
    'bert%2Fbbc'
    """
    if not isinstance(project, str) or not project.strip():
        raise ValueError(f"`project` must be a name but got {project!r}; a folder is `save_dir`")
    name = quote(project, safe=" !#$&'()+,;=@[]{}~")
    return store / ("%2E" + name[1:] if name.startswith(".") else name)


def run_folders(store: Path, project: str | None = None) -> Iterator[RunFolder]:
    """The runs of a store, or of one of its projects, in no particular order."""
    projects = [project_folder(store, project)] if project else sorted(store.iterdir())
    for folder in projects:
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        for path in folder.iterdir():
            if not path.name.startswith(".") and (path / "run.json").exists():
                yield RunFolder(path)


def new_run_id(name: str = "", now: float | None = None) -> str:
    """An id that sorts by time, can be read, and is not given twice: `<date-time>-<name>-<4 hex>`.

    Args:
        name: a name or overrides such as ``lr=1e-5,seed=1``; what a folder's name cannot hold becomes ``_``.
        now: Unix seconds; the local time goes into the id.

    >>> new_run_id("lr=1e-5,seed=1", now=0.0)[15:-5]
    '-lr=1e-5_seed=1'
    """
    moment = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    readable = re.sub(r"[^\w.=+-]+", "_", name, flags=re.ASCII).strip("_.-")[:60] or "run"
    return f"{moment}-{readable}-{os.urandom(2).hex()}"
