"""What is kept of a run so that lists need not read its journal again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from etm_lightning.layout import Identity
from etm_lightning.params import experiment_fingerprint, flatten
from etm_lightning.records import (
    Ended,
    Header,
)
from etm_lightning.store.checkpoints import CheckpointView
from etm_lightning.store.edits import Edited
from etm_lightning.store.row import Row
from etm_lightning.store.state import State, Trace, state


class Life(msgspec.Struct, frozen=True):
    """What one writer's records say about its life: a `Trace` that can be kept."""

    header: Header
    first: float
    last: float
    ended: Ended | None
    asked: bool

    def trace(self) -> Trace:
        """The `Trace` that this was."""
        trace = Trace(self.header)
        trace.first, trace.last, trace.ended, trace.asked = self.first, self.last, self.ended, self.asked
        return trace


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """A run without its points.

    `config` are its settings, `headline` its values at the best checkpoint and `stages` where they were
    measured, `code` and `data` the versions of code and data, `lives` what its writers say of their lives.
    """

    identity: Identity
    edited: Edited
    state: State
    config: dict[str, Any]
    headline: dict[str, float | str]
    stages: dict[str, str]
    best: CheckpointView | None
    code: dict[str, Any]
    data: dict[str, Any]
    alerts: int
    damage: int
    lives: list[Life]
    touched: float

    def at(self, now: float, touched: float) -> State:
        """How the run stands then, if its files say what they said; both in Unix seconds."""
        return state([life.trace() for life in self.lives], touched=touched, now=now)

    def row(self, key: str, project: str, id: str) -> Row:
        """What a list says about the run."""
        one, edited, state = self.identity, self.edited, self.state
        return Row(
            key=key,
            project=project,
            id=id,
            name=edited.name,
            group=edited.group,
            status=state.status,
            reason=state.reason,
            created=one.created,
            started=state.started,
            ended=state.ended,
            duration=state.duration,
            attempts=state.attempts,
            tags=edited.tags,
            notes=edited.notes,
            archived=edited.archived,
            trashed=edited.trashed,
            question=one.question,
            forked_from=one.forked_from,
            evaluates=one.evaluates,
            replicates=experiment_fingerprint(self.config),
            seed=self.config.get("seed"),
            params=flatten(self.config),
            metrics=self.headline,
            monitor=self.best.watched() if self.best else None,
            alerts=self.alerts,
            damage=self.damage,
        )


decoder = msgspec.json.Decoder(Digest)


def code_of(start: Mapping[str, Any]) -> dict[str, Any]:
    """The version of the code: what git said at the start, less where it came from."""
    git = start.get("git")
    known = git if isinstance(git, Mapping) else {}
    return {name: value for name, value in known.items() if name not in ("branch", "remote")}


def data_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The version of the data: the recorded facts about it that are hashes."""
    return {name: value for name, value in flatten(facts).items() if "hash" in name or "sha256" in name}
