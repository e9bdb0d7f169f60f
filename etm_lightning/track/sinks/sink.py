"""What a sink is: somewhere else that the records of a run go to."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from etm_lightning.layout import Identity, RunFolder
from etm_lightning.records import Json, Record

KINDS = {
    "tensorboard": "etm_lightning.track.sinks.tensorboard.open",
    "wandb": "etm_lightning.track.sinks.wandb.open",
    "mlflow": "etm_lightning.track.sinks.mlflow.open",
    "lightning": "etm_lightning.track.sinks.lightning.open",
    "webhook": "etm_lightning.track.sinks.webhook.open",
}


class StartOverError(Exception):
    """What was delivered cannot be built on: deliver everything anew, to a fresh place."""


class RefusedError(Exception):
    """The sink cannot be used until somebody does something, which the message says in one line."""


@dataclass(frozen=True)
class Target:
    """What a sink is told when it is opened.

    Attributes:
        folder: the run's folder; media and artifacts are relative to it.
        identity: who the run is.
        options: the sink's own settings.
        state: what the last `flush` returned; empty when the sink is to begin anew.
        generation: how often it was begun anew.
        superseded: the last state of the generation before, whose values do not count any more.
    """

    folder: RunFolder
    identity: Identity
    options: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Json] = field(default_factory=dict)
    generation: int = 0
    superseded: Mapping[str, Json] = field(default_factory=dict)


class Sink(Protocol):
    """Takes the records of one run that count, each once, in order, in batches.

    A sink takes what it knows of and passes over the rest; it need not be thread-safe, for it lives in one
    thread. Whatever it raises, it is closed, and opened again later from the last state that was stored.
    """

    def write(self, records: Sequence[Record]) -> None:
        """Take records."""

    def flush(self) -> Mapping[str, Json]:
        """Return when what was written survives SIGKILL of this process, with what `open` is to know then."""

    def close(self) -> None:
        """Let go of everything; nothing may be promised here that `flush` did not."""


Open = Callable[[Target], Sink]


def opener(kind: str) -> Open:
    """The function that opens sinks of a kind: a word we know, or the dotted path of a user's own function.

    Raises:
        ValueError: if it is neither.
    """
    module, _, name = KINDS.get(kind, kind).rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        if kind in KINDS:
            raise
        raise ValueError(
            f"`sink` must be one of {', '.join(KINDS)} or the dotted path of a function that takes a Target "
            f"and returns a Sink, but got {kind!r}: {error}"
        ) from error
    return found  # type: ignore[no-any-return]


def specifications(sinks: Any) -> dict[str, dict[str, Any]]:
    """`sinks` as given to a logger, by name: ``{"kind": …, and the sink's options}``.

    Args:
        sinks: words such as ``tensorboard``, or mappings with ``sink`` and options, in a list or by name.

    Raises:
        ValueError: if one of them says not what it is, or two have one name.

    >>> specifications(["tensorboard", {"sink": "mlflow", "tracking_uri": "sqlite:///x.db"}])
    {'tensorboard': {'sink': 'tensorboard'}, 'mlflow': {'sink': 'mlflow', 'tracking_uri': 'sqlite:///x.db'}}
    """
    if isinstance(sinks, str):
        sinks = [sinks]
    named = sinks.items() if isinstance(sinks, Mapping) else ((None, sink) for sink in sinks or ())
    found: dict[str, dict[str, Any]] = {}
    for name, given in named:
        options = {"sink": given} if isinstance(given, str) else dict(given or {"sink": name})
        options.setdefault("sink", name)
        if not isinstance(options["sink"], str) or not options["sink"]:
            raise ValueError(f"`sinks` must be words or mappings with the key `sink` but got {given!r}")
        if options["sink"] not in KINDS and "." not in options["sink"]:
            raise ValueError(
                f"`sink` must be {', '.join(KINDS)} or the dotted path of a function that opens one, "
                f"but got {options['sink']!r}"
            )
        name = str(name or options["sink"].rpartition(".")[0].rpartition(".")[2] or options["sink"])
        if "/" in name or name.startswith("."):
            raise ValueError(f"`sinks` must have names that a file can have but got {name!r}")
        if name in found:
            raise ValueError(f"`sinks` has two called {name!r}: give them names, {{{name!r}: …, 'other': …}}")
        found[name] = options
    return found
