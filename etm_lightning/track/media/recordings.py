"""Pages, sounds and films."""

from __future__ import annotations

import io
import os
import wave
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etm_lightning.records import Json
from etm_lightning.track.media.arrays import array
from etm_lightning.track.media.exhibit import Copy, Drawn, given
from etm_lightning.track.plain import sound

if TYPE_CHECKING:
    from etm_lightning.track.media.arrays import Array

_FILES = {
    "audio": ("wav", "mp3", "flac", "ogg", "opus", "m4a"),
    "video": ("mp4", "webm", "gif", "mov", "mkv", "avi"),
}


def html(page: str) -> Copy:
    """A page or a piece of one."""
    if not isinstance(page, str):
        raise TypeError(f"`page` must be a text but got {type(page).__name__}")
    content = sound(page).encode()
    return Copy(partial(given, content, "html"), len(content))


def file(kind: str, path: str | os.PathLike[str]) -> Copy:
    """A copy of a file of sound (`kind` ``audio``) or of a film (``video``).

    Raises:
        OSError: if it cannot be read.
        TypeError: if its name ends unlike one.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in _FILES[kind]:
        raise TypeError(
            f"`{kind}` must be a file that ends in {', '.join(_FILES[kind])} but got {str(path)!r}"
        )
    content = Path(path).read_bytes()
    return Copy(partial(given, content, suffix), len(content))


def videos(paths: Any) -> list[Copy]:
    """Copies of one film or of several, by the paths of their files."""
    return [file("video", path) for path in (paths if isinstance(paths, list | tuple) else [paths])]


def audios(audio: Any, rate: int | Sequence[int] | None) -> list[Copy]:
    """Copies of one sound or of a list of them; see `_audio`."""
    several = isinstance(audio, list | tuple) and not isinstance(audio[0], int | float)
    sounds = audio if several else [audio]
    rates = rate if isinstance(rate, list | tuple) else [rate] * len(sounds)
    if len(rates) != len(sounds):
        raise TypeError(f"`sample_rate` must be one number, or {len(sounds)}, but got {len(rates)}")
    return [_audio(samples, one) for samples, one in zip(sounds, rates, strict=True)]


def _audio(samples: Any, rate: int | None) -> Copy:
    """A copy of sound: the path of a file, or samples and how many of them are a second.

    Args:
        samples: of shape (frames,), (channels, frames) or (frames, channels), of which the shorter are the
            channels; floats in [-1, 1], or int16.
        rate: samples a second.

    Raises:
        OSError: if the file cannot be read.
        TypeError: if it is no sound.
    """
    if isinstance(samples, str | os.PathLike):
        return file("audio", samples)
    if rate is None or int(rate) < 1:
        raise TypeError(f"`sample_rate` must be samples a second but got {rate}")
    copied = array(samples)
    if copied.ndim not in (1, 2) or 0 in copied.shape:
        raise TypeError(f"must be of shape (frames,) or (channels, frames) but got {copied.shape}")
    if copied.dtype.kind != "f" and copied.dtype.name != "int16":
        raise TypeError(f"must be floats in [-1, 1] or int16 but got {copied.dtype}")
    frames = copied[:, None] if copied.ndim == 1 else copied
    if frames.shape[0] < frames.shape[1]:
        frames = frames.T
    return Copy(partial(_wav, frames, int(rate)), copied.nbytes)


def _wav(frames: Array, rate: int) -> Drawn:
    """A WAV file of 16 bits a sample."""
    import numpy as np

    if frames.dtype.kind == "f":
        wide = np.clip(np.nan_to_num(frames.astype(np.float64), nan=0.0), -1, 1)
        frames = np.rint(wide * 32767)
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(frames.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.ascontiguousarray(frames, dtype="<i2").tobytes())
    info: dict[str, Json] = {"sample_rate": rate, "channels": frames.shape[1], "frames": frames.shape[0]}
    return Drawn(content.getvalue(), "wav", info)
