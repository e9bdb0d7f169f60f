"""Runs side by side: settings, facts, packages, code, and values with the differences between settings."""

from __future__ import annotations

import difflib
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from etm_lightning.evaluate.difference import difference
from etm_lightning.evaluate.leaderboard import varying
from etm_lightning.evaluate.replicates import chance
from etm_lightning.evaluate.summaries import spread
from etm_lightning.params import flatten
from etm_lightning.store.run import StoredRun
from etm_lightning.web.plain import plain
from etm_lightning.web.rows import Filter, Row, rows
from etm_lightning.web.stores import Stores

MOST_RUNS = 200
LONGEST_DIFF = 200_000
CODE = "code.diff"
"""Under which name a run records how its code differs from the commit."""


@dataclass(frozen=True)
class Member:
    """A run that is compared."""

    key: str
    row: Row
    run: StoredRun


@dataclass(frozen=True)
class Setting:
    """Runs of one setting; one that recorded none is alone."""

    label: str
    members: tuple[Member, ...]

    def values(self, metric: str) -> dict[Hashable, float]:
        """The finite values of a metric by what chance the runs had; equal seeds count once, the newest."""
        found = {}
        for member in sorted(self.members, key=lambda member: float(member.row["created"])):
            value = member.row["metrics"].get(metric)
            if isinstance(value, int | float) and math.isfinite(value):
                found[chance(member.run)] = float(value)
        return found


def compare(stores: Stores, keys: Sequence[str], baseline: str = "") -> dict[str, Any]:
    """Settings, facts, packages, code and headline values of runs.

    Args:
        stores: where they are.
        keys: which runs, in the order in which they are shown.
        baseline: the run whose setting the others are compared with; by default the first.

    Raises:
        MissingError: if there is no such run.
        ValueError: if there are none, or too many.
    """
    keys = list(dict.fromkeys(keys))
    if not 1 <= len(keys) <= MOST_RUNS:
        raise ValueError(f"`keys` must be 1 to {MOST_RUNS} runs but got {len(keys)}")
    if baseline and baseline not in keys:
        raise ValueError(f"`baseline` must be one of `keys` but got {baseline[:40]!r}")
    runs = {key: stores.run(key).run for key in keys}
    known = {one["key"]: one for one in rows(stores, Filter(keys=tuple(keys)))}
    members = [Member(key, known[key], runs[key]) for key in keys if key in known]
    abouts = list(dict.fromkeys(about for one in members for about in one.run.abouts if about != "config"))
    found: dict[str, Any] = plain(
        {
            "runs": [one.row for one in members],
            "config": _lines([flatten(one.run.params) for one in members]),
            "info": [
                {"about": about, **line}
                for about in abouts
                for line in _lines([_facts(one.run, about) for one in members])
            ],
            "packages": _lines([one.run.info("start").get("packages") or {} for one in members]),
            "code": [_code(one) for one in members],
            "code_diff": _code_diff(members, baseline or keys[0]),
            "metrics": _metrics(members, settings(members, baseline or keys[0])),
        }
    )
    return found


def settings(members: Sequence[Member], baseline: str) -> list[Setting]:
    """The runs by their setting, that of the baseline first."""
    together: dict[str, list[Member]] = {}
    for one in members:
        together.setdefault(one.row["replicates"] or one.key, []).append(one)
    names = varying([same[0].run.params for same in together.values()])
    found = [Setting(_label(same[0], names), tuple(same)) for same in together.values()]
    return sorted(found, key=lambda one: all(member.key != baseline for member in one.members))


def _label(member: Member, names: Sequence[str]) -> str:
    flat = flatten(member.run.params)
    words = ", ".join(f"{name}={flat[name]}" for name in names if name in flat)
    return words or member.row["name"] or member.row["id"]


def _facts(run: StoredRun, about: str) -> dict[str, Any]:
    return {
        name: value for name, value in flatten(run.info(about)).items() if not name.startswith("packages.")
    }


def _lines(columns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = list(dict.fromkeys(name for column in columns for name in column))
    lines = []
    for name in names:
        values = [column.get(name) for column in columns]
        lines.append({"name": name, "values": values, "differs": any(v != values[0] for v in values)})
    return lines


def _code(member: Member) -> dict[str, Any]:
    git = member.run.info("start").get("git")
    known = git if isinstance(git, Mapping) else {}
    found = {"key": member.key, "commit": known.get("commit"), "dirty": known.get("dirty")}
    diff = _recorded_diff(member)
    return found | ({"diff": diff[:LONGEST_DIFF]} if diff else {})


def _recorded_diff(member: Member) -> str:
    return next((one.text for one in reversed(member.run.texts) if one.name == CODE), "")


def _code_diff(members: Sequence[Member], baseline: str) -> str | None:
    """How the first run with other code than the baseline's differs from it, as far as that was recorded."""
    base = next((one for one in members if one.key == baseline), members[0])
    commit, text = _code(base)["commit"], _recorded_diff(base)
    for one in members:
        if _code(one)["commit"] != commit or (other := _recorded_diff(one)) == text:
            continue
        lines = difflib.unified_diff(
            text.splitlines(), other.splitlines(), base.row["id"], one.row["id"], lineterm=""
        )
        return "\n".join(lines)[:LONGEST_DIFF]
    return None


def _metrics(members: Sequence[Member], found: Sequence[Setting]) -> list[dict[str, Any]]:
    modes = {one.row["monitor"]["name"]: one.row["monitor"]["mode"] for one in members if one.row["monitor"]}
    return [
        {
            "name": name,
            "mode": modes.get(name) or None,
            "values": [one.row["metrics"].get(name) for one in members],
            **_by_setting(name, found),
        }
        for name in dict.fromkeys(name for one in members for name in one.row["metrics"])
    ]


def _by_setting(metric: str, found: Sequence[Setting]) -> dict[str, Any]:
    """Mean and spread over the seeds of each setting, and the difference to the first one."""
    groups, deltas = [], []
    base = found[0].values(metric)
    for number, setting in enumerate(found):
        values = setting.values(metric)
        known = spread(values.values()) if values else None
        groups.append(
            {
                "label": setting.label,
                "n": len(values),
                "mean": known.mean if known else None,
                "sd": known.sd if known else None,
            }
        )
        deltas.append(_delta(base, values) if number and base and values else None)
    return {"groups": groups, "delta": deltas}


def _delta(base: Mapping[Hashable, float], values: Mapping[Hashable, float]) -> dict[str, Any]:
    found = difference(base, values)
    ci = list(found.ci) if found.ci else None
    return {"mean": found.mean, "ci": ci, "p": found.p, "test": found.test}
