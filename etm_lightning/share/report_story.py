"""What a report tells, before it is written: its runs in order, their names, colours and the best."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etm_lightning.evaluate.leaderboard import Leaderboard, leaderboard, varying
from etm_lightning.params import flatten
from etm_lightning.share.charts import COLOURS
from etm_lightning.store.run import StoredRun

_CHANCE = frozenset({"seed", "seeds", "fold", "folds"})


@dataclass(frozen=True)
class Told:
    """A run as the report shows it; `colour` None puts its curves in the background."""

    run: StoredRun
    label: str
    key: int
    colour: int | None
    dash: int
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Story:
    """`told` are the trainings, the best first; `evaluations` test one of them.

    `best` is the winner of the leaderboard, or the only run there is.
    """

    told: tuple[Told, ...]
    evaluations: tuple[StoredRun, ...]
    board: Leaderboard
    differing: tuple[str, ...]
    best: Told | None

    @property
    def runs(self) -> tuple[StoredRun, ...]:
        """The trainings."""
        return tuple(told.run for told in self.told)

    def label(self, run: StoredRun) -> str:
        """What the report calls a run."""
        return next((told.label for told in self.told if told.run is run), run.name or run.id)


def tell(runs: Iterable[StoredRun]) -> Story:
    """Put runs in order for a report.

    Raises:
        ValueError: if there are none.
    """
    given = list(runs)
    ids = {run.id for run in given}
    # a test of a run that is not in the report stands for itself
    evaluations = tuple(run for run in given if run.evaluates in ids)
    trained = [run for run in given if run not in evaluations]
    if not trained:
        raise ValueError("`runs` must hold a run at least but got none")
    board = leaderboard([*trained, *evaluations])
    names = differing([run.params for run in trained])
    told = _told(_ordered(trained, board), names)
    chosen = board.winner.best if board.winner else trained[0] if len(trained) == 1 else None
    best = next((one for one in told if one.run is chosen), None)
    return Story(tuple(told), evaluations, board, names, best)


def differing(configs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The settings, by dotted name, that tell the runs apart; seeds and folds last.

    >>> differing([{"lr": 1, "seed": 1}, {"lr": 2, "seed": 1}, {"lr": 2, "seed": 2}])
    ('lr', 'seed')
    """
    flat = [flatten(config) for config in configs]
    chance: dict[tuple[str, str], str] = {}
    for name in sorted({name for one in flat for name in one}, key=lambda name: (name.count("."), name)):
        last = name.rpartition(".")[2]
        values = [_exact(one.get(name)) for one in flat]
        if last in _CHANCE and len(set(values)) > 1:
            chance.setdefault((last, "\0".join(values)), name)
    return (*varying(configs), *chance.values())


def brief(names: Sequence[str]) -> list[str]:
    """Dotted names by their last part, where no two have the same.

    >>> brief(["model.lr", "seed", "data.name", "model.name"])
    ['lr', 'seed', 'data.name', 'model.name']
    """
    often = Counter(name.rpartition(".")[2] for name in names)
    return [last if often[last := name.rpartition(".")[2]] == 1 else name for name in names]


def setting(value: object) -> str:
    """A setting as people type it; of a drawn number its first four digits, for the config has them all.

    >>> setting(1e-05), setting(0.0007382920051807577), setting(None), setting("bert"), setting([1, 2])
    ('1e-05', '0.0007383', 'null', 'bert', '[1, 2]')
    """
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return repr(value) if len(repr(value)) <= 8 else f"{value:.4g}"
    return _exact(value)


def _exact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _ordered(trained: Sequence[StoredRun], board: Leaderboard) -> list[StoredRun]:
    """Runs by place, the best of each row first; then those without a place, oldest first."""
    ranked = [run for row in board.rows for run in sorted(row.runs, key=lambda run: run is not row.best)]
    rest = [run for run in trained if run not in ranked]
    return ranked + sorted(rest, key=lambda run: (run.created, run.id))


def _told(runs: Sequence[StoredRun], names: Sequence[str]) -> list[Told]:
    flat = [flatten(run.params) for run in runs]
    settings = [{name: one[name] for name in names if name in one} for one in flat]
    texts = _labels(runs, settings)
    teams = [_team(run, one) for run, one in zip(runs, settings, strict=True)]
    order = list(dict.fromkeys(teams))
    seen: Counter[str] = Counter()
    told = []
    for key, (run, label, team, mine) in enumerate(zip(runs, texts, teams, settings, strict=True)):
        # replicates share a colour and differ by dashes, unless there is nothing but replicates
        colour, dash = (key, 0) if len(order) == 1 else (order.index(team), seen[team])
        seen[team] += 1
        told.append(Told(run, label, key, colour if colour < COLOURS else None, dash, mine))
    return told


def _team(run: StoredRun, settings: Mapping[str, Any]) -> str:
    """Equal for runs that differ by chance only; a run without settings is alone."""
    plain = {name: value for name, value in settings.items() if name.rpartition(".")[2] not in _CHANCE}
    return _exact(plain) if run.params else run.id


def _labels(runs: Sequence[StoredRun], settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names that tell the runs apart: the settings that differ, else name or id."""
    texts = []
    for run, mine in zip(runs, settings, strict=True):
        words = [
            f"{name}={setting(value)}" for name, value in zip(brief(list(mine)), mine.values(), strict=True)
        ]
        texts.append(" ".join(words) if 0 < len(words) <= 4 else run.name or run.id)
    often = Counter(texts)
    return [
        text if often[text] == 1 else f"{text} ·{run.id[-4:]}" for text, run in zip(texts, runs, strict=True)
    ]
