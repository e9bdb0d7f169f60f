"""A script's `main`: Hydra's, with errors that fit one screen and exit codes that tell the truth."""

from __future__ import annotations

import functools
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from etm_lightning.design.config import nearest
from etm_lightning.execute.build import InputError
from etm_lightning.execute.configs import register, write_down
from etm_lightning.execute.quiet import quiet
from etm_lightning.execute.several import as_multirun, several

Task = Callable[[DictConfig], Any]


def app(task: Task) -> Callable[[], None]:
    """Make a task that takes a config a script's `main`, with the configs in `conf/` beside the script.

    Exit codes: 0; 1 for an error, also when one run of a multirun failed; 130 for Ctrl-C; 143 for SIGTERM.
    ``HYDRA_FULL_ERROR=1`` shows the whole traceback of every error.
    """
    failed: list[str] = []
    full = os.environ.get("HYDRA_FULL_ERROR") == "1"

    @functools.wraps(task)
    def job(cfg: DictConfig) -> Any:
        if several(cfg):
            return as_multirun(job)
        # the log file is opened by the first who logs, which may be an import
        Path(HydraConfig.get().runtime.output_dir, "logs").mkdir(parents=True, exist_ok=True)
        from etm_lightning.execute.progress import hush  # loads Lightning, which sets its own levels

        hush()
        if HydraConfig.get().output_subdir is None:
            write_down(cfg)
        if HydraConfig.get().mode != RunMode.MULTIRUN or full:
            return task(cfg)
        try:
            return task(cfg)
        except Exception as error:  # the other runs of the multirun go on; the exit code tells of this one
            failed.append(str(error))
            tell(error)
            return None

    def main() -> None:
        register()
        sys.argv[1:] = custom(sys.argv[1:])
        if quiet():
            logging.getLogger("hydra").setLevel(logging.WARNING)
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra shall not print and exit by itself
        try:
            hydra.main(version_base="1.3", config_path="conf", config_name="config")(job)()
        except KeyboardInterrupt:
            sys.exit(130)
        except SystemExit as error:
            if type(error).__name__ == "SIGTERMException":
                sys.exit(143)
            if isinstance(error.__context__, KeyboardInterrupt):  # Lightning turns Ctrl-C into exit code 1
                sys.exit(130)
            raise
        except Exception as error:
            if full:
                raise
            tell(error)
            sys.exit(1)
        if failed:
            print(f"{len(failed)} of the runs failed", file=sys.stderr)
            sys.exit(1)

    return main


def custom(arguments: list[str]) -> list[str]:
    """A `_target_` of the user's own starts from nothing instead of from our default's arguments.

    >>> custom(["model._target_=my.Net", "lr=1"])
    ['model._target_=my.Net', 'lr=1', 'model=custom']
    """
    names = {argument.partition("=")[0] for argument in arguments}
    own = [group for group in ("data", "model") if f"{group}._target_" in names and group not in names]
    return arguments + [f"{group}=custom" for group in own]


def tell(error: Exception) -> None:
    """Print an error: what the user can mend in a few lines, anything else with its traceback."""
    theirs = type(error).__name__ == "MisconfigurationException"  # Lightning's word for a wrong setting
    if theirs or isinstance(error, InputError | HydraException | OmegaConfBaseException):
        print(f"error: {_words(error)}", file=sys.stderr, flush=True)
    else:
        traceback.print_exception(error)


def _words(error: Exception) -> str:
    ours = next((cause for cause in _causes(error) if isinstance(cause, InputError)), None)
    if ours is not None:
        return str(ours)
    for cause in _causes(error):
        if isinstance(cause, OmegaConfBaseException) and cause.full_key:
            return _of_key(cause)
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        options = list(error.options or [])
        return f"`{group}={name}` is none of {', '.join(options)}{nearest(name, options) or '.'}"
    return str(error).strip()


def _of_key(error: OmegaConfBaseException) -> str:
    """A wrong key or a wrong value, by its full name."""
    first = str(error.msg or error).splitlines()[0].strip()
    known = [str(key) for key in error.parent_node] if isinstance(error.parent_node, DictConfig) else []
    if "not in" in first and str(error.key) not in known:
        return f"`{error.full_key}` is not a key of the config{nearest(str(error.key), known) or '.'}"
    return f"`{error.full_key}`: {first}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
