"""Files of a run by their content: written once, named by their hash."""

from __future__ import annotations

import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from etm_lightning.layout import RunFolder


@dataclass(frozen=True)
class Stored:
    """Where content lies, relative to the run's folder, and what it is."""

    file: str
    sha256: str
    size: int


def store_bytes(folder: RunFolder, content: bytes, extension: str) -> Stored:
    """Put `content` under `media/`, whole or not at all."""
    digest = hashlib.sha256(content).hexdigest()
    path = folder.media / f"{digest}.{extension.lstrip('.')}"
    if not path.exists():
        folder.media.mkdir(parents=True, exist_ok=True)
        temporary = folder.media / f".{secrets.token_hex(8)}"
        temporary.write_bytes(content)
        os.replace(temporary, path)
    return Stored(f"media/{path.name}", digest, len(content))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def relative(folder: RunFolder, path: Path) -> str:
    """`path` from the run's folder if it lies inside, else absolute."""
    path = path.absolute()
    return str(path.relative_to(folder.path)) if path.is_relative_to(folder.path) else str(path)
