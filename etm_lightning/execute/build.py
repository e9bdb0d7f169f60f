"""Objects from config nodes, with the wrong argument named before anything is built."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import hydra.utils
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from etm_lightning.design.config import TrainerConfig, nearest

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

EXTRAS = {
    **{"transformers": "text", "torchmetrics": "text"},
    **{"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"},
}
"""By package, the extra of ours that brings it."""


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
        taken = accepted(target)
        fill = {
            key: value
            for key, value in given.items()
            if (taken is None or key in taken) and node.get(key) is None
        }
        return hydra.utils.instantiate(node, **fill)


def build_each(nodes: Any, name: str) -> list[Any]:
    """The objects of a node that holds one by name; null and an empty node are none."""
    items = nodes.items() if OmegaConf.is_config(nodes) else ()
    return [build(node, f"{name}.{key}") for key, node in items if node is not None]


def build_trainer(node: DictConfig, **given: Any) -> Any:
    """The Trainer: only what differs from Lightning's defaults is passed on, so that older ones work too."""
    usual = asdict(TrainerConfig())
    given_here = OmegaConf.to_container(node, resolve=True)
    assert isinstance(given_here, dict)
    told = {name: value for name, value in given_here.items() if name not in usual or value != usual[name]}
    return build(OmegaConf.create({**told, "_target_": node._target_}), "trainer", **given)


def _target(node: DictConfig, name: str) -> Any:
    try:
        return hydra.utils.get_object(node._target_)
    except Exception as error:
        reason = _missing(error) or str(error.__cause__ or error).splitlines()[0]
        raise InputError(
            f"`{name}._target_` must be importable but got {node._target_!r}: {reason}"
        ) from error


def _missing(error: BaseException | None) -> str:
    """What to install if a package of ours is not there."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
            return f"{error.name} is not installed: pip install 'etm-lightning[{EXTRAS[error.name]}]'"
        error = error.__cause__ or error.__context__
    return ""


def takes(node: Any, name: str, argument: str) -> bool:
    """Whether what a node describes takes an argument."""
    taken = accepted(_target(node, name))
    return taken is None or argument in taken


def accepted(target: Any) -> Mapping[str, Any] | None:
    """Names of the arguments that `target` takes; None if any.

    Our own classes pass what is left over on to their parent, so the parent's arguments count too.
    """
    makers = target.__mro__[:-1] if inspect.isclass(target) else [target]
    taken: dict[str, Any] = {}
    for maker in makers:
        parameters = inspect.signature(maker).parameters
        taken.update((name, value) for name, value in parameters.items() if value.kind in _NAMED)
        if not any(value.kind is value.VAR_KEYWORD for value in parameters.values()):
            return taken
        if not maker.__module__.startswith("etm_lightning."):
            return None
    return None


def _check(node: DictConfig, name: str, target: Any) -> None:
    taken = accepted(target)
    for key in map(str, node):
        if taken is not None and not key.startswith("_") and key not in taken:
            raise InputError(
                f"`{name}.{key}` is not an argument of {node._target_}"
                f"{nearest(key, taken) or '.'} It takes: {', '.join(taken)}"
            )
