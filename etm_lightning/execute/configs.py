"""Hydra's side of our configs: their schema, and the words they may use."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from etm_lightning.attempts import find_writers
from etm_lightning.design.config import NAME, OPEN, Config
from etm_lightning.execute.build import InputError
from etm_lightning.execute.conf import conf_folder
from etm_lightning.execute.ranks import Meeting
from etm_lightning.execute.resume import run_to_go_on_with
from etm_lightning.layout import RunFolder, new_run_id, new_store, project_folder
from etm_lightning.params import incidental
from etm_lightning.track.plain import plain
from etm_lightning.track.provenance import setting
from etm_lightning.track.redact import HIDDEN, redact

_LONGEST = 60
_UNNAMED = ("trainer", "debug", "search", "")
_STAND_IN = re.compile(r"\$\{(oc\.decode:\$\{)?oc\.env:ETM_SECRET_\d+\}+")  # of a trial's frozen config


def copy_to(folder: Path, force: bool = False) -> list[Path]:
    """Lay a `train.py` and a `conf/` into a user's project.

    Raises:
        FileExistsError: if a file is there already and `force` is not given; nothing is written.
    """
    source = conf_folder()
    script = source / "train.py.txt" if (source / "train.py.txt").exists() else source.parent / "train.py"
    pairs = {folder / "train.py": script}
    pairs |= {folder / "conf" / path.relative_to(source): path for path in sorted(source.rglob("*.yaml"))}
    taken = [str(path) for path in pairs if path.exists()]
    if taken and not force:
        raise FileExistsError(
            f"`folder` has these files already: {', '.join(taken[:3])}; use --force to replace"
        )
    for target, path in pairs.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return list(pairs)


def register() -> None:
    """Give Hydra the schema and the resolvers ``${etm.…:}``; may be called again."""
    schema = OmegaConf.structured(Config)
    for name in OPEN:
        schema[name] = {}
        OmegaConf.set_struct(schema[name], False)
    ConfigStore.instance().store(name=NAME, node=schema, provider="etm_lightning")
    for name, resolver in (
        ("store", _store),
        ("new_store", _new_store),
        ("run_dir", _run_dir),
        ("attempt", _attempt),
        ("basename", lambda path: Path(path).name),
    ):
        OmegaConf.register_new_resolver(f"etm.{name}", resolver, replace=True)


def _store() -> str:
    return str(Path(os.environ.get("ETM_STORE") or "etm_runs").expanduser().absolute())


def _new_store(path: str) -> str:
    """The store at `path`, made if missing."""
    try:
        return str(new_store(path))
    except OSError as error:
        raise InputError(str(error).replace("`save_dir`", "`paths.store` (ETM_STORE)")) from error


def _run_dir(*, _root_: DictConfig) -> str:
    """The folder of the run: that of the one to go on with, else a new one; the same on every rank."""
    project = project_folder(Path(_new_store(_root_.paths.store)), _root_.project)
    meeting = Meeting.of_this_process(project, str(_root_.hydra.job.get("num") or 0))
    if meeting is not None and meeting.rank:
        return meeting.wait()
    found = run_to_go_on_with(_root_)
    path = str(found.path if found else project / new_run_id(redact(_root_.name or _title(_root_))))
    if meeting is not None:
        meeting.tell(path)
    return path


def _title(cfg: DictConfig) -> str:
    """A name from what was typed: ``lr=1e-5,seed=1``; without overrides the project's."""
    words: list[str] = []
    for override in cfg.hydra.overrides.task:
        key, _, value = setting(str(override)).lstrip("+~").partition("=")
        if key == "experiment":
            words.insert(0, value)
        elif key == "seed" or not (key.partition("search.")[0] in _UNNAMED or incidental(key)):
            last = key.rpartition(".")[2]
            words.append(value.rpartition(".")[2] if last == "_target_" else f"{last}={Path(value).name}")
    while len(",".join(words)) > _LONGEST:
        words.pop()
    return ",".join(words) or cfg.project


def write_down(cfg: DictConfig) -> None:
    """Keep what Hydra composed in the run's folder, as Hydra would but without secrets; on rank 0 only.

    Raises:
        OSError: if the folder cannot be written.
    """
    if any(os.environ.get(rank, "0") != "0" for rank in ("RANK", "LOCAL_RANK", "SLURM_PROCID")):
        return
    known: Any = HydraConfig.instance().cfg
    run = Path(known.hydra.runtime.output_dir)
    folder = run / "hydra" / str(_attempt(str(run)))
    folder.mkdir(parents=True, exist_ok=True)
    overrides = [setting(str(typed)) for typed in known.hydra.overrides.task]
    for name, part in (("config", cfg), ("hydra", known), ("overrides", OmegaConf.create(overrides))):
        (folder / f"{name}.yaml").write_text(without_secrets(part))
    swept = Path(known.hydra.sweep.dir or "", "multirun.yaml")
    if known.hydra.mode == RunMode.MULTIRUN and known.hydra.job.num == 0 and swept.exists():
        swept.write_text(without_secrets(OmegaConf.load(swept)))  # Hydra's sweeper asks nobody


def without_secrets(config: Any) -> str:
    """A config as YAML, as it was written, with every secret hidden."""
    return _STAND_IN.sub(HIDDEN, OmegaConf.to_yaml(OmegaConf.create(plain(OmegaConf.to_container(config)))))


def _attempt(run_dir: str) -> int:
    """The number of the attempt that begins in this folder."""
    folder = RunFolder(Path(run_dir))
    return max((writer.header.attempt for writer in find_writers(folder.journal)), default=0) + 1
