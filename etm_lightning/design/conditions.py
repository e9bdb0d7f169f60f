"""Parameters that go together, and parameters under a condition: `search.zip`, `search.when`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from etm_lightning.design.config import nearest
from etm_lightning.design.space import (
    Choice,
    Interval,
    Parameter,
    Range,
    Space,
    Tied,
    When,
    bare,
    parameter_of,
    same,
)

Parse = Callable[[list[str]], Iterable[Any]]
"""Hydra's parser of overrides: what was typed, to its `Override`s."""


def conditioned(space: Space, zip: Sequence[Any], when: Mapping[str, Any], parse: Parse) -> Space:
    """A space whose parameters are tied together, and joined by some that vary only under a condition.

    Args:
        space: what was typed.
        zip: lists of names that go together.
        when: by the name of a parameter and by its value (or several: ``a|b``), what varies then; a value
            is written as one types it, ``interval(0,1)``, or is plain: then it is set. May be nested.
        parse: Hydra's parser.

    Raises:
        ValueError: naming what does not fit, and the cure.
    """
    branches = list(_branches(when, (), parse))
    parameters = [one for one in (_decided(branch, space) for branch in branches) if one is not None]
    known = [*space.parameters, *parameters]
    for parameter in parameters:
        _refuse_unknown(parameter.when, known)
    for names in zip:
        known = _tied([str(name) for name in names], known)
    template = dict(space.template)
    for parameter in parameters:
        for name in parameter.names:
            template.setdefault(name, None)
    return Space(tuple(_ordered(known)), tuple(template.items()))


def _branches(tree: Mapping[str, Any], outer: When, parse: Parse) -> Iterable[Choice | Range | Interval]:
    for name, cases in tree.items():
        if not isinstance(cases, Mapping) or not all(isinstance(one, Mapping) for one in cases.values()):
            raise ValueError(
                f"`search.when.{name}` must be by value what varies then but got {cases!r}: "
                f"search.when={{{name}: {{sgd: {{momentum: 'interval(0,1)'}}}}}}"
            )
        for value, varied in cases.items():
            condition = (*outer, (bare(str(name)), tuple(str(value).split("|"))))
            for inner, what in varied.items():
                if inner == "when":
                    yield from _branches(what, condition, parse)
                else:
                    yield _parameter(str(inner), what, condition, parse)


def _parameter(name: str, value: Any, when: When, parse: Parse) -> Choice | Range | Interval:
    text = {None: "null", True: "true", False: "false"}.get(value, value) if _single(value) else value
    (override,) = parse([f"{name}={text}"])
    if override.is_sweep_override():
        return replace(parameter_of(name, override), when=when)
    return Choice(name, (str(override.input_line).partition("=")[2],), when)


def _single(value: Any) -> bool:
    return value is None or isinstance(value, bool)


def _decided(parameter: Choice | Range | Interval, space: Space) -> Choice | Range | Interval | None:
    """A parameter less what fixed settings decide of its condition; None if they rule it out."""
    varying = {bare(name) for parameter in space.parameters for name in parameter.names}
    fixed = {bare(name): value[1:] for name, value in space.template if value is not None}
    left = []
    for name, allowed in parameter.when:
        if name in varying or name not in fixed:
            left.append((name, allowed))
        elif not any(same(fixed[name], value) for value in allowed):
            return None
    return replace(parameter, when=tuple(left))


def _refuse_unknown(when: When, known: Sequence[Parameter]) -> None:
    for name, allowed in when:
        found = [part for one in known for part in _parts(one) if bare(part.name) == name]
        if not found:
            names = [bare(part.name) for one in known for part in _parts(one)]
            raise ValueError(
                f"`search.when` looks at {name!r}, which does not vary and is not typed"
                f"{nearest(name, names) or '; what varies: ' + (', '.join(names) or 'nothing')}"
            )
        texts = [value for part in found for value in part.values or ()]
        odd = [value for value in allowed if texts and not any(same(value, text) for text in texts)]
        if odd and all(part.values is not None for part in found):
            raise ValueError(
                f"`search.when.{name}` has a case {odd[0]!r}, but {name} is one of {', '.join(texts)}"
                f"{nearest(odd[0], texts)}"
            )


def _parts(parameter: Parameter) -> tuple[Choice | Range | Interval, ...]:
    return parameter.parts if isinstance(parameter, Tied) else (parameter,)


def _tied(names: Sequence[str], known: Sequence[Parameter]) -> list[Parameter]:
    """The parameters, those of the names as one in the place of the first."""
    parts = []
    for name in names:
        found = [one for one in known if bare(name) in map(bare, one.names)]
        if len(found) != 1 or isinstance(found[0], Tied | Interval):
            said = (
                "does not vary"
                if not found
                else f"is a {found[0]}: give it as choice(…) or range(…)"
                if isinstance(found[0], Interval)
                else "is named twice"
            )
            varying = [bare(one.name) for one in known]
            raise ValueError(f"`search.zip`: {name!r} {said}{nearest(name, varying) if not found else ''}")
        parts.append(found[0])
    if len(parts) < 2 or len({len(part.values) for part in parts}) > 1:
        counts = ", ".join(f"{part.name} has {len(part.values)}" for part in parts)
        raise ValueError(f"`search.zip` needs two or more parameters with as many values each but {counts}")
    if len({part.when for part in parts}) > 1:
        raise ValueError(f"`search.zip`: {', '.join(names)} do not vary under the same condition")
    tied = Tied(tuple(parts), parts[0].when)
    return [tied if one is parts[0] else one for one in known if one is parts[0] or one not in parts]


def _ordered(known: Sequence[Parameter]) -> Iterable[Parameter]:
    """The parameters, each after those that its condition looks at, one without a condition last of its name.

    Raises:
        ValueError: if conditions look at one another in a circle.
    """
    left = list(known)
    while left:
        ready = next((one for one in left if not any(_before(other, one) for other in left)), None)
        if ready is None:
            names = ", ".join(bare(one.name) for one in left)
            raise ValueError(f"`search.when`: the conditions of {names} look at one another in a circle")
        left.remove(ready)
        yield ready


def _before(other: Parameter, one: Parameter) -> bool:
    if other is one:
        return False
    looked_at = {name for name, _ in one.when}
    rival = bool(set(other.names) & set(one.names)) and bool(other.when) and not one.when
    return rival or any(bare(name) in looked_at for name in other.names)
