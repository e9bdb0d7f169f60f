"""Objects from config nodes, with the wrong argument named before anything is built."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import hydra.utils
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from etm_lightning.design.config import TrainerConfig, nearest

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class InputError(Exception):
    """What the user gave cannot be used; the message says what, and the cure."""


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Errors in here are the input's, not the program's: tell them in one screen."""
    try:
        yield
    except InputError:
        raise
    except InstantiationException as error:
        cause = error.__cause__
        raise InputError(f"{what}: {cause or error}") from (cause or error)
    except Exception as error:
        text = str(error) if isinstance(error, ValueError | OSError | ImportError | LookupError) else ""
        raise InputError(
            text if text and "`" in text else f"{what}: {type(error).__name__}: {error}"
        ) from error


def build(node: Any, name: str, **given: Any) -> Any:
    """The object that a config node describes.

    Args:
        node: a node with `_target_`.
        name: where it stands in the config, for errors.
        given: arguments for those that the target takes and the config leaves null.

    Raises:
        InputError: if there is no `_target_`, it cannot be imported, an argument is wrong, or it raises.
    """
    if not OmegaConf.is_config(node) or not node.get("_target_"):
        raise InputError(
            f"`{name}._target_` must name a class but is missing; e.g. {name}._target_=my_package.MyClass"
        )
    with reading(f"`{name}`"):
        target = _target(node, name)
        _check(node, name, target)
        accepted = _accepted(target)
        fill = {
            key: value
            for key, value in given.items()
            if (accepted is None or key in accepted) and node.get(key) is None
        }
        return hydra.utils.instantiate(node, **fill)


def build_each(nodes: Any, name: str) -> list[Any]:
    """The objects of a node that holds one by name; null and an empty node are none."""
    items = nodes.items() if OmegaConf.is_config(nodes) else ()
    return [build(node, f"{name}.{key}") for key, node in items if node is not None]


def build_trainer(node: DictConfig, **given: Any) -> Any:
    """The Trainer: only what differs from Lightning's defaults is passed on, so that older ones work too."""
    ours = OmegaConf.structured(TrainerConfig)
    arguments = {
        str(key): node[key]
        for key in node
        if key != "_target_" and (key not in ours or node[key] != ours[key])
    }
    return build(OmegaConf.create({"_target_": node._target_, **arguments}), "trainer", **given)


def _target(node: DictConfig, name: str) -> Any:
    try:
        return hydra.utils.get_object(node._target_)
    except Exception as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise InputError(
            f"`{name}._target_` must be importable but got {node._target_!r}: {reason}"
        ) from error


def _accepted(target: Any) -> Mapping[str, Any] | None:
    """Names of the arguments that `target` takes, those a subclass passes on included; None if any."""
    makers = target.__mro__[:-1] if inspect.isclass(target) else [target]
    accepted: dict[str, Any] = {}
    for maker in makers:
        parameters = inspect.signature(maker).parameters
        kinds = {parameter.kind for parameter in parameters.values()}
        accepted.update((name, value) for name, value in parameters.items() if value.kind in _NAMED)
        if inspect.Parameter.VAR_KEYWORD not in kinds:
            return accepted
    return None


def _check(node: DictConfig, name: str, target: Any) -> None:
    accepted = _accepted(target)
    for key in map(str, node):
        if accepted is not None and not key.startswith("_") and key not in accepted:
            raise InputError(
                f"`{name}.{key}` is not an argument of {node._target_}"
                f"{nearest(key, accepted) or '.'} It takes: {', '.join(accepted)}"
            )
