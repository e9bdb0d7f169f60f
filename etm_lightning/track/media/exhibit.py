"""Pictures, tables and files of a run by their content: written once, named by their hash."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from etm_lightning.layout import RunFolder
from etm_lightning.records import Artifact, Json, Media


class Drawn(NamedTuple):
    """What is to be in a file, the suffix of the file's name, and what a reader should know beforehand."""

    content: bytes
    suffix: str
    info: Mapping[str, Json] = MappingProxyType({})


class Copy(NamedTuple):
    """What was logged, out of the caller's reach: how to make a file of it, and how many bytes it keeps."""

    draw: Callable[[], Drawn]
    size: int


@dataclass(frozen=True)
class Exhibit:
    """A record that names a file, as yet without the file."""

    record: Media
    copy: Copy

    @property
    def size(self) -> int:
        return max(self.copy.size, 1)

    def store(self, folder: RunFolder) -> Media:
        """Write the file, whole or not at all; the record that names it.

        Raises:
            OSError: if the folder cannot be written.
        """
        drawn = self.copy.draw()
        digest = hashlib.sha256(drawn.content).hexdigest()
        file = f"media/{digest}.{drawn.suffix}"
        if not (folder.path / file).exists():
            _write(folder.path / file, drawn.content)
        return msgspec.structs.replace(
            self.record,
            file=file,
            sha256=digest,
            size=len(drawn.content),
            info={**drawn.info, **self.record.info},
        )


@dataclass(frozen=True)
class Parcel:
    """A file or folder that belongs to the run, not hashed yet; `copy`: the run wants one of its own."""

    record: Artifact
    source: Path
    copy: bool = False
    size: int = 0

    def copied(self, folder: RunFolder) -> Parcel:
        """The same with a copy in the run's folder, made now.

        Raises:
            OSError: if it cannot be copied.
        """
        if not self.copy:
            return self
        target = _free(folder.artifacts, self.record.name)
        temporary = folder.artifacts / f".{secrets.token_hex(8)}"
        folder.artifacts.mkdir(parents=True, exist_ok=True)
        try:
            if self.source.is_dir():
                shutil.copytree(self.source, temporary)
            else:
                shutil.copyfile(self.source, temporary)
            temporary.rename(target)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.unlink(missing_ok=True)
            raise
        return replace(self, source=target, copy=False)

    def store(self, folder: RunFolder) -> Artifact:
        """Hash it; the record.

        Raises:
            OSError: if it cannot be read or copied.
        """
        source = self.copied(folder).source
        try:
            sha256, size, files = sha256_of(source)
        except FileNotFoundError:  # it was there, and has been removed, as ModelCheckpoint does
            sha256, size, files = "", 0, None
        count: dict[str, Json] = {} if files is None else {"files": files}
        return msgspec.structs.replace(
            self.record,
            path=relative(folder, source),
            sha256=sha256,
            size=size,
            info={**self.record.info, **count},
        )


def encoded(content: Any) -> Drawn:
    """Plain data as a JSON file."""
    return Drawn(msgspec.json.encode(content), "json")


def given(content: bytes, suffix: str, info: dict[str, Json] | None = None) -> Drawn:
    """A file as it is."""
    return Drawn(content, suffix, info or {})


def sha256_of(path: Path) -> tuple[str, int, int | None]:
    """SHA-256 and bytes of a file; of a folder SHA-256 over what is in it, bytes, and number of files.

    Of a folder the hashed text has a line for each file, sorted: its SHA-256 as hex, two spaces, its path in
    the folder with slashes. That is what ``sha256sum`` prints.

    Raises:
        OSError: if it cannot be read.
    """
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size, None
    files = sorted(
        (found.relative_to(path).as_posix(), found) for found in path.rglob("*") if found.is_file()
    )
    lines, total = hashlib.sha256(), 0
    for name, found in files:
        digest, size, _ = sha256_of(found)
        lines.update(f"{digest}  {name}\n".encode("utf-8", "surrogateescape"))
        total += size
    return lines.hexdigest(), total, len(files)


def relative(folder: RunFolder, path: Path) -> str:
    """`path` from the run's folder if it lies inside, else absolute."""
    path = path.absolute()
    return str(path.relative_to(folder.path)) if path.is_relative_to(folder.path) else str(path)


def _write(path: Path, content: bytes) -> None:
    """Put `content` there for good, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{secrets.token_hex(8)}"
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _free(folder: Path, name: str) -> Path:
    """A path in `folder` that nothing has, for something called `name`."""
    safe = quote(name, safe=" !#$&'()+,;=@[]{}~")
    path = folder / ("%2E" + safe[1:] if safe.startswith(".") else safe)
    stem, suffix, version = path.stem, path.suffix, 1
    while path.exists():
        version += 1
        path = folder / f"{stem}-{version}{suffix}"
    return path
