"""The config of a trial, composed once and written down, and the command line that runs it."""

from __future__ import annotations

import copy
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from etm_lightning.track.provenance import setting
from etm_lightning.track.redact import redact, secret

FILE = "trial"
_DIRNAME = re.compile(r"\$\{hydra[.:]job\.override_dirname\}")
_KEPT = ("output_subdir", "verbose", "hydra_logging", "job_logging", "callbacks")
"""What of the node `hydra` a trial needs as it is; its sweeper, launcher and help it does not."""


@dataclass(frozen=True)
class Frozen:
    """A trial that is ready to run.

    Attributes:
        command: what runs it.
        output: Hydra's output folder, which is the run's where our `train.py` runs.
        env: variables that its config refers to: secrets are not written down.
    """

    command: tuple[str, ...]
    output: Path
    env: dict[str, str]


class Freezer:
    """Composes the configs of trials as Hydra would, and writes each where its process reads it.

    Args:
        context: Hydra's.
        config: of the multirun; `hydra.sweep.dir` is the folder of the study.
    """

    def __init__(self, context: HydraContext, config: DictConfig) -> None:
        self._loader, self._config = context.config_loader, config
        self._known: dict[tuple[str, ...], DictConfig] = {}
        self._sets: dict[str, bool] = {}

    def check(self, overrides: Sequence[str]) -> None:
        """Compose a config and forget it.

        Raises:
            hydra.errors.HydraException: if it does not compose.
        """
        self.compose(overrides)

    def groups(self, names: Iterable[str]) -> list[str]:
        """Those of the names that choose a file of a group, rather than set a value."""
        return [name for name in names if self._loader.get_group_options(name.lstrip("+").partition("@")[0])]

    def freeze(
        self,
        number: int,
        overrides: Sequence[str],
        place: Path,
        output: Path | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> Frozen:
        """Write the config of a trial into `place`.

        Args:
            number: of the trial.
            overrides: what was typed, with the trial's values.
            place: the trial's folder.
            output: its output folder, if that was decided before.
            extra: keys of the config to set besides, if it has them.

        Raises:
            hydra.errors.HydraException: if it does not compose.
        """
        cfg = self.compose(overrides)
        with read_write(cfg), open_dict(cfg):
            cfg.hydra.job.id, cfg.hydra.job.num = str(number), number
            cfg.hydra.sweep.dir = self._config.hydra.sweep.dir
            for key, value in (extra or {}).items():
                if key in cfg:
                    cfg[key] = value
            asked = OmegaConf.select(self._config, "search.objective")
            if asked is not None and OmegaConf.is_dict(cfg.get("search")):
                cfg.search.objective = asked  # what the run is to return
        where = output or _output(cfg)
        env: dict[str, str] = {}
        whole = _without_secrets({"hydra": _hydra(cfg), **_task(cfg)}, cfg, env)
        _place(whole["hydra"], cfg, where, place)
        text = OmegaConf.to_yaml(OmegaConf.create(whole, flags={"allow_objects": True}))
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{FILE}.yaml").write_text(text)
        return Frozen(command(place), where, env)

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """A config as Hydra composes it; what differs from a known one in plain values only is made of that.

        Raises:
            hydra.errors.HydraException: if it does not compose.
            omegaconf.errors.OmegaConfBaseException: if a value does not fit.
        """
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        loose = [one for one in parsed if self._loose(one)]
        tight = (
            *(one.get_key_element() for one in loose),
            *(str(one.input_line) for one in parsed if one not in loose),
        )
        if tight not in self._known:
            cfg = self._loader.load_sweep_config(self._config, list(overrides))
            if _DIRNAME.search(OmegaConf.to_yaml(cfg)):  # a word of Hydra's that comes from the values
                return cfg
            self._known[tight] = copy.deepcopy(cfg)
            return cfg
        cfg = copy.deepcopy(self._known[tight])
        for one in loose:
            OmegaConf.update(cfg, one.key_or_group, one.value())
        with read_write(cfg.hydra):
            cfg.hydra.overrides.task = list(overrides)
        OmegaConf.copy_cache(from_config=self._config, to_config=cfg)
        return cfg

    def _loose(self, override: Override) -> bool:
        """Whether an override sets one value, and so can be exchanged in a composed config."""
        if override.is_delete() or override.is_hydra_override() or isinstance(override.value(), dict):
            return False
        name = override.get_key_element()
        if name not in self._sets:
            self._sets[name] = not self.groups([name])
        return self._sets[name]


def command(place: Path) -> tuple[str, ...]:
    """The command line that runs the config in `place`."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    script = (
        ("-m", spec.name) if spec is not None and spec.name != "__main__" else (os.path.abspath(sys.argv[0]),)
    )
    return (sys.executable, *script, "--config-path", str(place), "--config-name", FILE)


def _output(cfg: DictConfig) -> Path:
    """Where Hydra would have put the job's output."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(cfg)
    try:
        return Path(str(cfg.hydra.sweep.dir), str(cfg.hydra.sweep.subdir)).absolute()
    finally:
        HydraConfig.instance().cfg = before


def _task(cfg: DictConfig) -> dict[str, Any]:
    container: Any = OmegaConf.to_container(cfg, resolve=False, enum_to_str=True)
    return {key: value for key, value in container.items() if key != "hydra"}


def _hydra(cfg: DictConfig) -> dict[str, Any]:
    """The node `hydra` of the trial: a single run with what the multirun's said."""
    node: Any = OmegaConf.to_container(cfg.hydra, resolve=False, enum_to_str=True)
    job = {key: node["job"][key] for key in ("name", "chdir", "env_set", "id", "num")}
    job["name"] = cfg.hydra.job.name
    return {
        **{key: node[key] for key in _KEPT},
        "mode": RunMode.RUN.name,
        "job": job,
        "overrides": {"task": list(cfg.hydra.overrides.task)},
        "runtime": {"choices": node["runtime"]["choices"]},
    }


def _place(node: dict[str, Any], cfg: DictConfig, output: Path, place: Path) -> None:
    """Say where the trial writes."""
    deliver = {"_target_": "etm_lightning.optimize.trial.Deliver", "file": str(place / "result.json")}
    node["callbacks"] = {**(node["callbacks"] or {}), "etm_trial": deliver}
    node["run"], node["sweep"] = {"dir": str(output)}, {"dir": cfg.hydra.sweep.dir}


def _without_secrets(container: dict[str, Any], cfg: DictConfig, env: dict[str, str]) -> dict[str, Any]:
    """The config with every secret in a variable of the environment; these are put into `env`."""

    def hide(value: Any) -> str:
        name = f"ETM_SECRET_{len(env)}"
        env[name] = value if isinstance(value, str) else repr(value)
        return f"${{oc.env:{name}}}" if isinstance(value, str) else f"${{oc.decode:${{oc.env:{name}}}}}"

    def walk(value: Any, path: str, named: bool) -> Any:
        if isinstance(value, dict):
            return {
                key: walk(item, f"{path}.{key}".lstrip("."), named or secret(str(key), item))
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [walk(item, f"{path}[{i}]", named) for i, item in enumerate(value)]
        if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
            return value
        if isinstance(value, str) and value != "???" and (named or redact(value) != value):
            return hide(OmegaConf.select(cfg, path) if "${" in value else value)
        return hide(value) if named and value is not None and not isinstance(value, str | bool) else value

    typed = container["hydra"]["overrides"]["task"]
    container["hydra"]["overrides"]["task"] = []
    found: dict[str, Any] = walk(container, "", False)
    found["hydra"]["overrides"]["task"] = [
        _literal(one) if setting(one) == one else hide(one) for one in typed
    ]
    return found


def _literal(text: str) -> str:
    """A text that OmegaConf reads as it is."""
    return text.replace("${", "\\${")
