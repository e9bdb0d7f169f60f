"""Which study a command means: one that is unfinished, one that its folder names, or a new one."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, open_dict, read_write

from etm_lightning.design.space import Space
from etm_lightning.execute.build import InputError
from etm_lightning.execute.configs import without_secrets
from etm_lightning.execute.lock import Lock
from etm_lightning.optimize.folder import About, StudyFolder
from etm_lightning.optimize.freeze import Freezer
from etm_lightning.optimize.plan import Plan
from etm_lightning.track.plain import plain
from etm_lightning.track.provenance import setting


def study_folder(config: DictConfig, tried: Space, plan: Plan, freezer: Freezer) -> tuple[StudyFolder, Lock]:
    """The folder of the study, that of an unfinished one of the same command or a new one, and its lock."""
    folder = StudyFolder(Path(config.hydra.sweep.dir).absolute())
    signature = _signature(config, tried, plan)
    if folder.about_file.exists():
        _refuse_other(folder.about(), signature, tried, plan)
    elif plan.settings.resume and (found := _unfinished(folder.path.parent, signature)):
        _move(config, found[0])
        return found
    folder.path.mkdir(parents=True, exist_ok=True)
    lock = folder.take()
    if lock is None:
        raise InputError(
            f"`hydra.sweep.dir`: study {folder.id} runs already; see it with etm study show {folder.id}"
        )
    if not folder.about_file.exists():
        groups = freezer.groups(name for name, _ in tried.template)
        folder.describe(_about(config, tried, plan, signature, groups))
        (folder.path / "multirun.yaml").write_text(without_secrets(config))
    return folder, lock


def _unfinished(parent: Path, signature: str) -> tuple[StudyFolder, Lock] | None:
    """The newest study of this signature that is not over and that nobody controls, and its lock."""
    for path in sorted(parent.glob("*/study.json"), reverse=True):
        folder = StudyFolder(path.parent)
        try:
            same = folder.about().signature == signature
        except ValueError:  # damaged: it cannot be gone on with
            continue
        if same and not folder.history().over and (lock := folder.take()) is not None:
            return folder, lock
    return None


def _move(config: DictConfig, folder: StudyFolder) -> None:
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.sweep.dir = str(folder.path)


def _signature(config: DictConfig, tried: Space, plan: Plan) -> str:
    """Equal for commands that search the same."""
    sources = [str(source.path) for source in config.hydra.runtime.config_sources]
    # what is said to the sweeper is in the settings; where trials run may change
    other = ("hydra.swe", "hydra.mode=", "hydra/launcher=", "hydra.launcher.")
    hydra = [one for one in config.hydra.overrides.hydra if not one.lstrip("+~").startswith(other)]
    known = {
        "script": os.path.abspath(sys.argv[0]),
        "config": [config.hydra.job.config_name, *sources, *hydra],
        "fixed": list(tried.fixed),
        "space": tried.describe(),
        "search": plan.kept(),
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _about(config: DictConfig, tried: Space, plan: Plan, signature: str, groups: list[str]) -> About:
    return About(
        signature=signature,
        command=[sys.executable, *(setting(word) for word in sys.argv)],
        cwd=os.getcwd(),
        project=str(config.get("project") or "") if "project" in config else "",
        created=time.time(),
        space=tried.describe(),
        fixed=[setting(one) for one in tried.fixed],
        settings=plain(plan.kept()),
        monitor=plan.goal.names[0],
        direction=plan.goal.direction,
        objectives=dict(zip(*(plan.goal.names, plan.goal.directions), strict=True))
        if plan.goal.several
        else {},
        groups=groups,
        experiment="experiment" if "experiment" in config.hydra.runtime.choices else "+experiment",
    )


def _refuse_other(about: About, signature: str, tried: Space, plan: Plan) -> None:
    """Going on with a study by its folder needs the same space."""
    if about.signature == signature:
        return
    before = {**about.space, **dict(_parts(about.fixed)), **_named(about.settings)}
    now = {
        **tried.describe(),
        **dict(_parts(setting(one) for one in tried.fixed)),
        **_named(plain(plan.kept())),
    }
    lines = [
        f"  {name}: was {before.get(name, 'not there')}, is {now.get(name, 'not there')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]
    what = "\n".join(lines) or "  the script or its config files are others"
    raise InputError(
        f"`hydra.sweep.dir` holds a study of something else:\n{what}\nGive another folder, or none."
    )


def _parts(fixed: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, value or "deleted") for name, _, value in (one.partition("=") for one in fixed)]


def _named(settings: Mapping[str, Any]) -> dict[str, str]:
    return {f"search.{name}": str(value) for name, value in settings.items()}
