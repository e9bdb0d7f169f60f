"""Recipes, `search=tpe`: what they come to, in the words that one would type without them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from etm_lightning.design.config import Search
from etm_lightning.design.space import Space, bare, same, values
from etm_lightning.optimize.given import enqueued
from etm_lightning.track.provenance import setting

_PLAIN = re.compile(r"[\w.+/@*-]+")


def spelled(script: str, typed: Sequence[str], recipe: str, settings: Search) -> str:
    """The command that does what a recipe does, without it.

    Args:
        script: the script.
        typed: the overrides that were typed.
        recipe: its name.
        settings: what came of it.

    >>> spelled("train.py", ["search=tpe", "lr=1,2"], "tpe", Search(sampler="tpe", n_trials=40))
    'python train.py -m lr=1,2 search.sampler=tpe search.n_trials=40'
    """
    usual = asdict(Search())
    named = {one.partition("=")[0] for one in typed}
    words = [
        f"search.{name}={grammar(value)}"
        for name, value in asdict(settings).items()
        if value != usual[name] and f"search.{name}" not in named
    ]
    kept = [setting(one) for one in typed if one != f"search={recipe}"]
    return shlex.join(["python", script, "-m", *kept, *words])


def grammar(value: Any) -> str:
    """A value in Hydra's grammar.

    >>> grammar({"name": "asha", "n": [1, None], "lr": "interval(0,1)"})
    "{name: asha, n: [1, null], lr: 'interval(0,1)'}"
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {grammar(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(grammar, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    return text if not isinstance(value, str) or _PLAIN.fullmatch(text) else f"'{quoted}'"


def fitting(when: Mapping[str, Any], offered: Mapping[str, Any], typed: Space) -> dict[str, Any]:
    """The conditions, less those on what a recipe offered and the command line has otherwise.

    Args:
        when: as in `search.when`.
        offered: as in `search.space`.
        typed: what varies without them.

    >>> from etm_lightning.design.space import Choice
    >>> when = {"model": {"small": {"lr": "1,2"}, "large": {"lr": 3}}}
    >>> fitting(when, {"model": "small,large"}, Space((Choice("model", ("small", "huge")),)))
    {'model': {'small': {'lr': '1,2'}}}
    """
    known = {bare(name): values(one) for one in typed.parameters for name in one.names}
    known |= {bare(name): [text[1:]] for name, text in typed.template if text is not None}
    found: dict[str, Any] = {}
    for name, cases in when.items():
        if name not in offered:
            found[name] = cases
        elif name in known:
            fits = {case: what for case, what in cases.items() if _fits(case, known[name])}
            found |= {name: fits} if fits else {}
    return found


def _fits(case: object, known: Sequence[object]) -> bool:
    return any(same(one, value) for one in str(case).split("|") for value in known)


def first(
    enqueue: Sequence[Mapping[str, Any]], offered: Mapping[str, Any], tried: Space
) -> list[dict[str, Any]]:
    """The points to try first, less what a recipe offered and the command line made impossible.

    Args:
        enqueue: as in `search.enqueue`.
        offered: as in `search.space`.
        tried: what varies.
    """
    varying = {bare(name) for parameter in tried.parameters for name in parameter.names}

    def fits(name: str, value: Any) -> bool:
        if bare(name) not in map(bare, offered):
            return True
        try:
            return bare(name) in varying and bool(enqueued(tried, {bare(name): value}))
        except ValueError:
            return False

    found = [{name: value for name, value in one.items() if fits(str(name), value)} for one in enqueue]
    return [one for one in found if one]
