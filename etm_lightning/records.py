"""The facts a run consists of, and their JSON form. ``docs/format.md`` is the contract."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, isfinite
from typing import Any, Literal, get_args

import msgspec

FORMAT = 1

Status = Literal["running", "finished", "failed", "crashed", "interrupted", "preempted", "pruned"]
Stage = Literal["train", "validate", "test", "predict"]
Axis = Literal["step", "eval_batch"]
Nonfinite = Literal["nan", "inf", "-inf"]
Json = Any
"""What `json.dumps` takes: None, bool, int, str, finite float, list, and dict with str keys."""

_SHORT = {
    "time": "t",
    "step": "s",
    "axis": "a",
    "epoch": "e",
    "stage": "g",
    "values": "v",
    "nonfinite": "x",
}


class _Record(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="k", tag=str.lower, rename=_SHORT
):
    """What all facts share: when it was recorded, in Unix seconds."""

    time: float


class Header(_Record, frozen=True, kw_only=True):
    """First line of every segment: who writes it.

    `boot` and `born` (seconds from boot to the start of the process) tell one process from a later one
    with the same pid.
    """

    format: int
    run: str
    attempt: int
    role: str
    rank: int
    host: str
    boot: str
    pid: int
    born: float
    segment: int


class Started(_Record, frozen=True, kw_only=True):
    """An attempt begins; `parent` and `checkpoint` say what it goes on from, `info` where it came from."""

    attempt: int
    parent: int | None = None
    checkpoint: str | None = None
    info: dict[str, Json] = {}


class Params(_Record, frozen=True, kw_only=True):
    """Settings or facts known by name; later ones overwrite earlier ones key by key."""

    params: dict[str, Json]
    about: str = "config"


def milliseconds(time: float) -> float:
    """A time without what is below a millisecond, which is noise and takes as much room as half a value.

    Never later than `time`, but for a microsecond: no value seems to come after what came later.

    >>> milliseconds(1795460146.9538218), milliseconds(1795460146.953)
    (1795460146.953, 1795460146.953)
    """
    return floor(time * 1e3 + 1e-3) / 1e3 if abs(time) < 1e12 else time


class Scalars(_Record, frozen=True, kw_only=True):
    """Values measured together at one position. Values that JSON has no number for are in `nonfinite`."""

    step: int
    axis: str = "step"
    epoch: int | None = None
    stage: str = ""
    values: dict[str, float] = {}
    nonfinite: dict[str, Nonfinite] = {}

    @classmethod
    def of(
        cls, time: float, step: int, axis: str, epoch: int | None, stage: str, values: dict[str, float]
    ) -> Scalars:
        """From all values by name, NaN and infinities included; the time is cut to the millisecond."""
        finite, others = split(values)
        return cls(
            time=milliseconds(time),
            step=step,
            axis=axis,
            epoch=epoch,
            stage=stage,
            values=finite,
            nonfinite=others,
        )

    def items(self) -> dict[str, float]:
        """All values by name, NaN and infinities included."""
        return {**self.values, **{name: float(text) for name, text in self.nonfinite.items()}}


class Text(_Record, frozen=True, kw_only=True):
    """A piece of text logged under a name."""

    name: str
    text: str
    step: int | None = None
    axis: str = "step"
    epoch: int | None = None
    stage: str = ""


class Media(_Record, frozen=True, kw_only=True):
    """A picture, table or the like; `file` is relative to the run's folder."""

    name: str
    type: str
    file: str
    sha256: str
    size: int
    step: int | None = None
    axis: str = "step"
    epoch: int | None = None
    stage: str = ""
    info: dict[str, Json] = {}


class Artifact(_Record, frozen=True, kw_only=True):
    """A file that belongs to the run; `path` is relative to the run's folder, or absolute."""

    name: str
    type: str
    path: str
    sha256: str = ""
    size: int = 0
    aliases: tuple[str, ...] = ()
    info: dict[str, Json] = {}


class Checkpoint(_Record, frozen=True, kw_only=True):
    """A checkpoint was taken.

    The first record of an `id` is its mark: what the writer wrote after it is not in the checkpoint. Later
    records of the same id add where it lies and how good it is.
    """

    id: str
    step: int
    epoch: int | None = None
    path: str = ""
    monitor: str = ""
    mode: str = ""
    score: float | None = None
    best: bool = False


class Saved(_Record, frozen=True, kw_only=True):
    """A checkpoint lies at `path`, but what belongs to it is still being logged: its mark is to come.

    Fields as those of `Checkpoint`. If the process dies before the mark, all that it wrote belongs to it.
    """

    id: str
    step: int
    epoch: int | None = None
    path: str = ""
    monitor: str = ""
    mode: str = ""
    score: float | None = None
    best: bool = False


class Alert(_Record, frozen=True, kw_only=True):
    """Something a person should know."""

    title: str
    text: str = ""
    level: str = "warning"
    name: str = ""
    step: int | None = None


class Edit(_Record, frozen=True, kw_only=True):
    """A person's change to a run.

    `op` is `tag`, `untag`, `note`, `rename`, `group`, `archive`, `unarchive`, `trash` or `restore`.
    """

    op: str
    value: str = ""


class Gap(_Record, frozen=True, kw_only=True):
    """`lost` records could not be written since `since` (Unix seconds)."""

    lost: int
    since: float
    reason: str = ""


class Ended(_Record, frozen=True, kw_only=True):
    """The attempt ended; a record after it reopens the run. `status` is a `Status`, or a later version's.

    `summary` is the headline, `stages` the stage of each of its values.
    """

    status: str
    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    traceback: str = ""
    summary: dict[str, Json] = {}
    stages: dict[str, str] = {}


class Unknown(msgspec.Struct, frozen=True):
    """A record of a kind that this version does not know, with its fields as they stand in the file."""

    kind: str
    fields: dict[str, Json]

    @property
    def time(self) -> float:
        """When it was recorded, in Unix seconds; 0.0 if it does not say so as records do."""
        time = self.fields.get("t")
        return float(time) if isinstance(time, int | float) else 0.0


Known = (
    Header
    | Started
    | Params
    | Scalars
    | Text
    | Media
    | Artifact
    | Checkpoint
    | Saved
    | Alert
    | Edit
    | Gap
    | Ended
)
Record = Known | Unknown

KINDS: Mapping[str, type[Known]] = {kind.__name__.lower(): kind for kind in get_args(Known)}
STATUSES: tuple[Status, ...] = get_args(Status)

_encoder = msgspec.json.Encoder()
_decoders = {name: msgspec.json.Decoder(kind) for name, kind in KINDS.items()}


def encode(record: Known) -> bytes:
    """The record as one JSON object whose first key is its kind.

    Raises:
        TypeError: if a field holds something JSON has no form for.
        ValueError: if a number is NaN or infinite, or a text holds half of a surrogate pair.

    >>> encode(Gap(time=1.5, lost=3, since=1.0))
    b'{"k":"gap","t":1.5,"lost":3,"since":1.0}'
    """
    body = _encoder.encode(record)
    # the encoder silently makes null of a number that JSON does not have
    if type(record) is Scalars:
        suspicious = not isfinite(sum(record.values.values(), record.time))
    else:
        suspicious = b"null" in body
    if suspicious:
        _check(msgspec.to_builtins(record), type(record).__name__)
    return body


def _check(value: Json, where: str) -> None:
    """Raise ValueError if there is a number that is not finite in `value`."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"`{where}` must be finite but got {value}: give {str(value)!r} as a text instead")
    if isinstance(value, dict):
        for key, part in value.items():
            _check(part, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for part in value:
            _check(part, where)


def decode(kind: str, line: bytes) -> Record:
    """The record that `line` holds; a kind this version does not know comes back as `Unknown`.

    Raises:
        ValueError: if `line` is not a record of that kind.
    """
    decoder = _decoders.get(kind)
    if decoder is not None:
        return decoder.decode(line)
    fields = msgspec.json.decode(line)
    return Unknown(kind, {name: value for name, value in fields.items() if name not in ("c", "k", "n")})


def split(values: dict[str, float]) -> tuple[dict[str, float], dict[str, Nonfinite]]:
    """Values in finite ones, `values` itself if all are, and, by name, those that JSON has no number for.

    >>> split({"loss": 0.5, "grad": float("inf")})
    ({'loss': 0.5}, {'grad': 'inf'})
    """
    total = sum(values.values())
    if total - total == 0.0:
        return values, {}
    finite: dict[str, float] = {}
    nonfinite: dict[str, Nonfinite] = {}
    for name, value in values.items():
        if isfinite(value):
            finite[name] = value
        else:
            nonfinite[name] = "nan" if value != value else "inf" if value > 0 else "-inf"
    return finite, nonfinite
