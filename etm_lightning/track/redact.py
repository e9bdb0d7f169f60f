"""What comes from outside, without secrets: by their names, their shapes and what the environment holds."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote

from etm_lightning.track.shapes import DOUBTFUL, NAME, SHAPES, Shape, drawn, nameless

HIDDEN = "<hidden>"
_LEAST = 8
_NAME = re.compile(f"{NAME}$", re.IGNORECASE)
_DOUBTFUL = re.compile(f"{DOUBTFUL}$", re.IGNORECASE)
_VARIABLE = re.compile(r"(?:^|_)(?:token|key|pass|pwd|auth|pat|dsn|webhook(?:_url)?)$", re.IGNORECASE)
_PLACE = re.compile(r"[~.]{0,2}/|[A-Za-z]:\\")
_PASSWORD = re.compile(r"://[^\s/:@]*:([^\s/@]+)@")
_CLUES = [(clue, number) for number, shape in enumerate(SHAPES) for clue in shape.clues]


def secret(name: str, value: object = None) -> bool:
    """Whether a setting of this name, with this value, is not to be written down.

    >>> secret("wandb.api_key"), secret("mask_token"), secret("mask_token", "[MASK]")
    (True, False, False)
    """
    if _NAME.search(name):
        return True
    return isinstance(value, str) and _DOUBTFUL.search(name) is not None and drawn(value)


def redact(text: str) -> str:
    """`text` with every secret in it as ``<hidden>``; hashes, ids, names and paths stay.

    A secret is what has the shape of a known token, key or password, what stands behind the name of one, and
    what is the value of a variable of the environment whose name tells of one.

    >>> redact("cannot connect to postgres://ada:lovelace@db/runs")
    'cannot connect to postgres://ada:<hidden>@db/runs'
    >>> redact("commit 3fc1d3ce0a2c6e8c0cbbc3b0d0a4ab3b0a3e7a51")
    'commit 3fc1d3ce0a2c6e8c0cbbc3b0d0a4ab3b0a3e7a51'
    """
    if len(text) < _LEAST:
        return text
    values = _of_environment()
    if values is not None:
        text = values.sub(HIDDEN, text)
    low = text.lower()
    for number in sorted({number for clue, number in _CLUES if clue in low}):
        text = _without(text, SHAPES[number])
    return nameless(text, HIDDEN)


def _without(text: str, shape: Shape) -> str:
    parts, end = [], 0
    for found in shape.expression.finditer(_lower(text) if shape.any_case else text):
        start, stop = found.span(2)
        if not shape.drawn or drawn(text[start:stop]):
            parts += [text[end:start], HIDDEN]
            end = stop
    return "".join([*parts, text[end:]])


def _lower(text: str) -> str:
    """`text` in lower case, every character in its place."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)


def _of_environment() -> re.Pattern[str] | None:
    """What finds the secrets of the environment; None if it has none."""
    # the mapping behind os.environ holds the same objects from call to call, so that this costs microseconds
    raw = getattr(os.environ, "_data", os.environ)
    return _expression(tuple(raw), tuple(raw.values()))


@lru_cache(maxsize=1)
def _expression(names: tuple[str | bytes, ...], values: tuple[str | bytes, ...]) -> re.Pattern[str] | None:
    pairs = zip(map(os.fsdecode, names), map(os.fsdecode, values), strict=True)
    found = {spelled for name, value in pairs for one in _secrets(name, value) for spelled in _spelled(one)}
    return re.compile("|".join(map(re.escape, sorted(found, key=len, reverse=True)))) if found else None


def _secrets(name: str, value: str) -> Iterator[str]:
    """What of a variable's value must not be shown."""
    yield from (password for password in _PASSWORD.findall(value) if len(password) >= _LEAST)
    value = value.strip()
    if len(value) < _LEAST:
        return
    if _NAME.search(name):
        if not (_PLACE.match(value) and name.lower().endswith(("credential", "credentials"))):
            yield value
    elif _VARIABLE.search(name) and not _PLACE.match(value) and not _word(name, value):
        yield value


def _word(name: str, value: str) -> bool:
    """Whether a key is one to sort or look something up by."""
    return name.lower().endswith("key") and re.search(r"\d", value) is None


def _spelled(value: str) -> set[str]:
    """A value as it stands in addresses, in JSON and in Python's own spelling."""
    sound = value.encode("utf-8", "backslashreplace").decode()
    return {value, sound, quote(sound), quote(sound, safe=""), json.dumps(sound)[1:-1], repr(sound)[1:-1]}
