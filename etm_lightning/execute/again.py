"""`etm resume RUN`: the recorded command again, as the next attempt of the run."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from etm_lightning.attempts import facts
from etm_lightning.execute.resume import last_checkpoint
from etm_lightning.records import Started
from etm_lightning.store.run import StoredRun
from etm_lightning.track.redact import HIDDEN

_VALUED = ("--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd")


@dataclass(frozen=True)
class Again:
    """A command that makes the next attempt of a run.

    Attributes:
        command: its arguments, Python first.
        cwd: the folder it runs in.
        store: the store that it is to write into.
        checkpoint: the checkpoint that it goes on from; None begins the run anew.
    """

    command: tuple[str, ...]
    cwd: Path
    store: Path
    checkpoint: Path | None

    def shown(self) -> str:
        """As one would type it in a shell."""
        variable = "" if self.store == self.cwd / "etm_runs" else f"ETM_STORE={shlex.quote(str(self.store))} "
        return f"cd {shlex.quote(str(self.cwd))} && {variable}{shlex.join(self.command)}"

    def run(self) -> None:
        """Become that command: signals and the exit code are its own."""
        os.chdir(self.cwd)
        os.execve(self.command[0], self.command, os.environ | {"ETM_STORE": str(self.store)})


def again(run: StoredRun, extra: Sequence[str] = (), cwd: Path | None = None) -> Again:
    """The command that makes the next attempt of `run`.

    Args:
        run: a run of a script whose `main` is `etm_lightning.execute.app.app`'s.
        extra: further overrides; they replace recorded ones of the same key.
        cwd: where the script is now, if it was moved.

    Raises:
        ValueError: if the run cannot be gone on with; the message says what to do.
    """
    _refuse(run, extra)
    checkpoint = last_checkpoint(run)
    recorded = _overrides(run)
    info = _start(run, recorded[0] if recorded else 0)
    arguments, place = [str(part) for part in info.get("command", [])], Path(cwd or info.get("cwd", ""))
    if recorded is None:
        raise ValueError(_by_hand(run, arguments, place, checkpoint))
    script = _script(run, arguments, place)
    overrides, study = recorded[1], _study(arguments)
    mine = [f"ckpt_path={quoted(checkpoint)}" if checkpoint else f"resume={quoted(run.id)}"]
    if study or _in_multirun(run):  # in a multirun nothing touches the test split but the winner's test
        mine.append("test=false")
    given = {_key(override) for override in (*mine, *extra)} | {"ckpt_path", "resume", "paths.store"}
    kept = [override for override in overrides if _key(override) not in given]
    mine = [override for override in mine if _key(override) not in {_key(one) for one in extra}]
    words = [*_options(study or arguments), *kept, *mine, *extra]
    hidden = [word for word in words if HIDDEN in word]
    if hidden:
        keys = ", ".join(_key(word) for word in hidden)
        raise ValueError(f"run {run.id}: secrets are not recorded; give {keys} again, as KEY=VALUE")
    store = run.folder.path.parents[1].absolute()
    return Again((sys.executable, script, *words), place.absolute(), store, checkpoint)


def _refuse(run: StoredRun, extra: Sequence[str]) -> None:
    if run.evaluates:
        raise ValueError(f"run {run.id} is a test of run {run.evaluates}: resume that one, or test anew")
    if run.status == "running":
        raise ValueError(f"run {run.id} is still running. Wait for its end, or end it, and resume then.")
    if run.status in ("finished", "pruned") and not extra:
        raise ValueError(
            f"run {run.id} has {run.status}: nothing to resume. To train on, say how far: "
            f"etm resume {run.id[-4:]} max_epochs={_more(run)}"
        )


def _more(run: StoredRun) -> int:
    epochs = run.params.get("max_epochs")
    return 2 * epochs if isinstance(epochs, int) and epochs > 0 else 10


def _overrides(run: StoredRun) -> tuple[int, list[str]] | None:
    """The newest attempt that Hydra kept overrides for, and they; None if it is no application of Hydra's."""
    numbers = [int(path.name) for path in run.folder.hydra.glob("*") if path.name.isdecimal()]
    for attempt in sorted(numbers, reverse=True):
        file = run.folder.hydra / str(attempt) / "overrides.yaml"
        if file.is_file():
            return attempt, [str(override) for override in _read(file)]
    return None


def _in_multirun(run: StoredRun) -> bool:
    """Whether the run began as a job of a multirun."""
    file = run.folder.hydra / "1" / "hydra.yaml"
    known: Any = _read(file) if file.is_file() else {}
    return "MULTIRUN" in str(known.get("hydra", {}).get("mode"))


def _study(arguments: list[str]) -> list[str]:
    """The command of the study whose trial these arguments ran; none if they ran no trial."""
    options = _options(arguments)
    place = Path(options[1]) if len(options) > 1 and options[0] in ("--config-path", "-cp") else None
    file = place.parents[1] / "study.json" if place is not None and place.parent.name == "trials" else None
    return list(json.loads(file.read_bytes())["command"]) if file is not None and file.is_file() else []


def _read(file: Path) -> Any:
    return OmegaConf.to_container(OmegaConf.load(file))


def _start(run: StoredRun, attempt: int) -> dict[str, Any]:
    """Where that attempt came from; where it left no word, what is known of the run."""
    for fact in facts(run.folder.journal, superseded=True):
        if isinstance(fact.item, Started) and fact.item.attempt == attempt:
            return fact.item.info
    return run.info("start")


def _script(run: StoredRun, arguments: list[str], place: Path) -> str:
    if not place.is_dir():
        raise ValueError(
            f"run {run.id} was started in {str(place)!r}, which is gone. "
            "If it was moved, say where: --cwd FOLDER"
        )
    script = arguments[1] if len(arguments) > 1 else "train.py"
    if not (place / script).is_file():
        raise ValueError(
            f"run {run.id}: its script {script!r} is not in {str(place)!r} any more. "
            "Put it back, or say which folder it is in: --cwd FOLDER"
        )
    return script


def _options(arguments: list[str]) -> list[str]:
    """Which configs the command named."""
    kept: list[str] = []
    for i, argument in enumerate(arguments):
        if argument in _VALUED:
            kept += arguments[i : i + 2]
        elif argument.partition("=")[0] in _VALUED:
            kept.append(argument)
    return kept


def _key(override: str) -> str:
    """What an override sets.

    >>> _key("+model.width=8"), _key("~trainer.profiler"), _key("data@val=csv")
    ('model.width', 'trainer.profiler', 'data@val')
    """
    return override.lstrip("+~").partition("=")[0]


def quoted(value: object) -> str:
    r"""A value that Hydra reads back as it is.

    >>> quoted("a=b, it's")
    "'a=b, it\\'s'"
    """
    return "'" + str(value).replace("'", "\\'") + "'"


def _by_hand(run: StoredRun, arguments: list[str], place: Path, checkpoint: Path | None) -> str:
    lines = [f"run {run.id} is not of train.py: only its own script knows how to go on."]
    if arguments:
        lines.append(f"  it was: cd {shlex.quote(str(place))} && {shlex.join(arguments)}")
    if checkpoint:
        lines.append(f"  give the Trainer its checkpoint: trainer.fit(model, ckpt_path={str(checkpoint)!r})")
        lines.append(f"  or a LightningCLI: fit --ckpt_path={shlex.quote(str(checkpoint))}")
    else:
        lines.append(f"  it has no checkpoint; begin it anew: ETMLogger({run.project!r}, version={run.id!r})")
    return "\n".join(lines)
