"""Runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etm_lightning.params import flatten
from etm_lightning.store.run import StoredRun
from etm_lightning.web.plain import plain
from etm_lightning.web.rows import Filter, rows
from etm_lightning.web.stores import Stores

MOST_RUNS = 200


def compare(stores: Stores, keys: Sequence[str], baseline: str = "") -> dict[str, Any]:
    """Settings, facts, packages, code and headline values of runs.

    Raises:
        MissingError: if there is no such run.
        ValueError: if there are none, or too many.
    """
    if not 1 <= len(keys) <= MOST_RUNS:
        raise ValueError(f"`keys` must be 1 to {MOST_RUNS} runs but got {len(keys)}")
    members = [stores.run(key).run for key in keys]
    known = {one["key"]: one for one in rows(stores, Filter(keys=tuple(keys)))}
    lines = [known[key] for key in keys]
    abouts = list(dict.fromkeys(about for run in members for about in run.abouts if about != "config"))
    found: dict[str, Any] = plain(
        {
            "runs": lines,
            "config": _lines([flatten(run.params) for run in members]),
            "info": [
                {"about": about, **line}
                for about in abouts
                for line in _lines([_facts(run, about) for run in members])
            ],
            "packages": _lines([run.info("start").get("packages") or {} for run in members]),
            "code": [_code(key, run) for key, run in zip(keys, members, strict=True)],
            "code_diff": None,
            "metrics": _metrics(lines),
        }
    )
    return found


def _facts(run: StoredRun, about: str) -> dict[str, Any]:
    return {
        name: value for name, value in flatten(run.info(about)).items() if not name.startswith("packages.")
    }


def _lines(columns: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    names = list(dict.fromkeys(name for column in columns for name in column))
    lines = []
    for name in names:
        values = [column.get(name) for column in columns]
        lines.append({"name": name, "values": values, "differs": any(v != values[0] for v in values)})
    return lines


def _code(key: str, run: StoredRun) -> dict[str, Any]:
    git = run.info("start").get("git")
    known = git if isinstance(git, dict) else {}
    return {
        "key": key,
        "commit": known.get("commit", ""),
        "dirty": known.get("dirty"),
        "diff": known.get("diff"),
    }


def _metrics(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    names = sorted({name for row in rows for name in row["metrics"]})
    modes = {row["monitor"]["name"]: row["monitor"]["mode"] for row in rows if row["monitor"]}
    return [
        {
            "name": name,
            "mode": modes.get(name, ""),
            "values": [row["metrics"].get(name) for row in rows],
            "groups": [],
            "delta": [],
        }
        for name in names
    ]
