"""Where a run comes from: the command, the code, the packages, the machine."""

from __future__ import annotations

import getpass
import os
import platform
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from etm_lightning.process import host
from etm_lightning.track.code import Code, code
from etm_lightning.track.machine import machine, scheduler
from etm_lightning.track.plain import plain
from etm_lightning.track.redact import HIDDEN, redact, secret

VARIABLES = (
    "CUDA_*",
    "NVIDIA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "CUBLAS_WORKSPACE_CONFIG",
    "PYTHONHASHSEED",
    "PYTHONPATH",
    "PL_GLOBAL_SEED",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "HF_DATASETS_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "TOKENIZERS_PARALLELISM",
    "NCCL_*",
    "GLOO_SOCKET_IFNAME",
    "TORCH_*",
    "PYTORCH_*",
    "WANDB_MODE",
    "WANDB_PROJECT",
    "WANDB_ENTITY",
    "MLFLOW_TRACKING_URI",
    "CONDA_DEFAULT_ENV",
    "VIRTUAL_ENV",
)
"""The variables of the environment that are recorded; no other one is."""


def provenance(now: Code | None = None) -> dict[str, Any]:
    """Command, code, packages and machine of this process, without secrets.

    Args:
        now: the state of the code; by default as it is.
    """
    asked: dict[str, Callable[[], Any]] = {
        "command": lambda: command(sys.argv),
        "overrides": overrides,
        "cwd": _cwd,
        "git": lambda: (code() if now is None else now).facts,
        "seeds": seeds,
        "python": platform.python_version,
        "prefix": lambda: sys.prefix,
        "torch": _torch,
        "host": host,
        "user": _user,
        "machine": machine,
        "scheduler": scheduler,
        "environment": environment,
    }
    told = {name: _told(ask) for name, ask in asked.items()}
    for several in ("machine", "scheduler"):
        if isinstance(told[several], dict):
            told |= told.pop(several)
    found: dict[str, Any] = plain(told)
    # names and versions: nothing to hide, and more than `plain` lets through
    return found | {"packages": _told(packages)}


def _told(ask: Callable[[], Any]) -> Any:
    """An answer, or why there is none: no fact about where a run comes from may keep it from beginning."""
    try:
        return ask()
    except Exception as error:
        return f"<cannot be told: {type(error).__name__}: {error}>"


def command(arguments: Sequence[str]) -> list[str]:
    """A process's arguments as they were typed, `python` first; secrets hidden.

    >>> command(["train.py", "lr=1", "hf_token=x", "--api-key", "y"])
    ['python', 'train.py', 'lr=1', 'hf_token=<hidden>', '--api-key', '<hidden>']
    """
    shown, option = ["python"], ""
    for argument in arguments:
        if option and not argument.startswith("-") and secret(option, argument):
            shown.append(HIDDEN)
        else:
            shown.append(setting(argument))
        option = argument if argument.startswith("-") and "=" not in argument else ""
    return shown


def setting(typed: str) -> str:
    """An argument such as ``name=value`` without a secret in it.

    >>> setting("+model.hub_token=x"), setting("lr=1")
    ('+model.hub_token=<hidden>', 'lr=1')
    """
    name, _, value = typed.partition("=")
    told = value.lower() in ("", "null", "none", "true", "false")
    return redact(typed) if told or not secret(name, value) else f"{redact(name)}={HIDDEN}"


def overrides() -> list[str]:
    """What was typed to change a config of Hydra's; nothing without Hydra."""
    module = sys.modules.get("hydra.core.hydra_config")
    if module is None or not module.HydraConfig.initialized():
        return []
    return [setting(str(override)) for override in module.HydraConfig.get().overrides.task]


def seeds() -> dict[str, int]:
    """The seeds that are known: Lightning's, and what torch's own generator began with."""
    found = {}
    typed = os.environ.get("PL_GLOBAL_SEED", "")
    if re.fullmatch(r"\d{1,18}", typed):
        found["lightning"] = int(typed)
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "initial_seed"):
        found["torch"] = int(torch.initial_seed())
    return found


@cache
def packages() -> dict[str, str]:
    """The packages that this process can import, with their versions, by their folders' names."""
    found: dict[str, str] = {}
    for place in sys.path:
        for name, version in _installed(place or os.curdir):
            found.setdefault(name, version)
    return dict(sorted(found.items()))


def _installed(place: str) -> Iterator[tuple[str, str]]:
    # the names say it all; opening the metadata in each would take a hundred times as long
    try:
        names = [
            entry.name for entry in os.scandir(place) if entry.name.endswith((".dist-info", ".egg-info"))
        ]
    except OSError:  # a place that is not there, or an archive
        return
    for name in names:
        package, dash, version = name.rpartition(".")[0].partition("-")
        if dash:
            yield re.sub(r"[-_.]+", "-", package).lower(), re.sub(r"-py\d.*$", "", version)


def environment() -> dict[str, str]:
    """Those variables of the environment that tell how a training runs, without secrets in them."""
    known = (name for name in VARIABLES if "*" not in name)
    patterns = [name for name in VARIABLES if "*" in name]
    names = dict.fromkeys(known) | dict.fromkeys(
        name for name in os.environ if any(fnmatchcase(name, pattern) for pattern in patterns)
    )
    return {name: setting_of(name) for name in names if name in os.environ}


def setting_of(variable: str) -> str:
    """The value of a variable without a secret in it."""
    value = os.environ[variable]
    return HIDDEN if secret(variable, value) else redact(value)


def _torch() -> dict[str, Any] | None:
    """What torch was built with, if it is loaded."""
    torch = sys.modules.get("torch")
    built = getattr(torch, "version", None)
    if torch is None or built is None:
        return None
    cudnn = torch.backends.cudnn.version() if getattr(built, "cuda", None) else None
    return {"cuda": getattr(built, "cuda", None), "cudnn": cudnn, "hip": getattr(built, "hip", None)}


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed under us
        return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may have no name for the user
        return str(os.getuid())
