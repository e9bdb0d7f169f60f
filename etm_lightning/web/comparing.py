"""Runs side by side, as the page reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from etm_lightning.evaluate.comparison import Comparison, Line, MetricLine, saved_diff
from etm_lightning.evaluate.comparison import compare as compared
from etm_lightning.evaluate.difference import Difference
from etm_lightning.evaluate.summaries import Spread
from etm_lightning.web.plain import plain
from etm_lightning.web.rows import Filter, rows
from etm_lightning.web.stores import Stores

MOST_RUNS = 200
LONGEST_DIFF = 200_000


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
    shown = [key for key in keys if key in known]
    found = compared([runs[key] for key in shown], baseline=runs[baseline or shown[0]])
    labels = [group.label for group in found.groups]
    answer: dict[str, Any] = plain(
        {
            "runs": [known[key] for key in shown],
            "config": [_line(one) for one in found.config],
            "info": [{"about": one.about, **_line(one)} for one in found.info],
            "packages": [_line(one) for one in found.packages],
            "code": _code(shown, found),
            "code_diff": found.code_diff[:LONGEST_DIFF] if found.code_diff else None,
            "metrics": [_metric(one, labels) for one in found.metrics],
        }
    )
    return answer


def _line(line: Line) -> dict[str, Any]:
    return {"name": line.name, "values": line.values, "differs": line.differs}


def _code(keys: Sequence[str], found: Comparison) -> list[dict[str, Any]]:
    answer = []
    for key, run, code in zip(keys, found.runs, found.code, strict=True):
        one = {"key": key, "commit": code["commit"] or None, "dirty": code["dirty"]}
        diff = saved_diff(run)
        answer.append(one | ({"diff": diff[:LONGEST_DIFF]} if diff else {}))
    return answer


def _metric(line: MetricLine, labels: Sequence[str]) -> dict[str, Any]:
    return {
        "name": line.name,
        "mode": line.mode or None,
        "values": line.values,
        "groups": [_group(*one) for one in zip(labels, line.groups, strict=True)],
        "delta": [_delta(one) for one in line.deltas],
    }


def _group(label: str, known: Spread | None) -> dict[str, Any]:
    if known is None:
        return {"label": label, "n": 0, "mean": None, "sd": None}
    return {"label": label, "n": known.n, "mean": known.mean, "sd": known.sd}


def _delta(known: Difference | None) -> dict[str, Any] | None:
    if known is None:
        return None
    return {"mean": known.mean, "ci": known.ci, "p": known.p, "test": known.test}
