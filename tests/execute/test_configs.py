from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import lightning.pytorch as pl
import pytest
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from etm_lightning.design.config import Config, TrainerConfig
from etm_lightning.execute.app import custom
from etm_lightning.execute.build import accepted
from etm_lightning.execute.conf import conf_folder
from etm_lightning.execute.configs import copy_to
from etm_lightning.text.bbc import BBCNews
from tests.execute.conftest import Compose

OPTIONS = [
    f"{group}={path.stem}"
    for group in ("data", "model", "trainer", "callbacks", "logger", "debug", "experiment")
    for path in sorted((conf_folder() / group).glob("*.yaml"))
]


def test_the_schema_has_every_argument_of_the_trainer_with_its_default() -> None:
    theirs = {name: parameter.default for name, parameter in inspect.signature(pl.Trainer).parameters.items()}
    ours = OmegaConf.to_container(OmegaConf.structured(TrainerConfig))
    assert isinstance(ours, dict)
    assert ours.pop("_target_") == "lightning.pytorch.Trainer"
    assert ours == theirs


@pytest.mark.parametrize("option", OPTIONS)
def test_every_choice_composes(composed: Compose, option: str) -> None:
    cfg = composed(option)
    assert set(cfg) == set(OmegaConf.structured(Config))


def test_several_loggers_can_be_picked(composed: Compose) -> None:
    cfg = composed("logger=[tensorboard,wandb]")
    assert set(cfg.logger) == {"tensorboard", "wandb"}


@pytest.mark.parametrize(
    "override",
    ["sed=3", "seed=three", "trainer.precission=16", "max_epochs=many", "trainer.max_stepz=3"],
)
def test_a_typo_on_the_command_line_does_not_compose(composed: Compose, override: str) -> None:
    with pytest.raises(Exception, match=override.partition("=")[0].rpartition(".")[2]):
        composed(override)


@pytest.mark.parametrize("line", ["sed: 3", "seed: three", "trainer: {precission: 16}"])
def test_a_typo_in_a_file_does_not_compose(composed: Compose, tmp_path: Path, line: str) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "typo.yaml").write_text(f"# @package _global_\n{line}\n")
    with pytest.raises(ConfigCompositionException):
        composed("experiment=typo", f"hydra.searchpath=[file://{tmp_path}]")


@pytest.mark.parametrize("precision", ["32", "16-mixed", "bf16-mixed", "64-true", "'32'", "bf16-true"])
def test_precision_is_spelled_as_lightning_spells_it(composed: Compose, precision: str) -> None:
    assert str(composed(f"precision={precision}").trainer.precision) == precision.strip("'")


def test_every_argument_of_the_trainer_is_set_without_a_plus(composed: Compose) -> None:
    cfg = composed("trainer.limit_train_batches=0.5", "trainer.max_time={hours: 1}", "trainer.plugins=[]")
    assert cfg.trainer.limit_train_batches == 0.5
    assert cfg.trainer.max_time == {"hours": 1}


def test_a_target_of_ones_own_starts_from_nothing() -> None:
    assert custom(["model._target_=my.Net"]) == ["model._target_=my.Net", "model=custom"]
    assert custom(["model=mine", "model._target_=my.Net"]) == ["model=mine", "model._target_=my.Net"]


def test_init_lays_a_script_and_configs_into_a_folder_and_replaces_nothing(tmp_path: Path) -> None:
    made = copy_to(tmp_path)
    assert tmp_path / "train.py" in made
    assert OmegaConf.load(tmp_path / "conf" / "config.yaml").seed == 1
    (tmp_path / "train.py").write_text("mine")
    with pytest.raises(FileExistsError, match=r"train\.py"):
        copy_to(tmp_path)
    assert (tmp_path / "train.py").read_text() == "mine"


def test_every_key_of_the_config_is_explained_in_the_schema() -> None:
    documented = inspect.getdoc(Config) or ""
    for name in OmegaConf.structured(Config):
        assert f"{name}: " in documented


def test_what_a_class_passes_on_is_known_for_ours_and_anything_for_a_strangers() -> None:
    class Strange:
        def __init__(self, name: str, **kwargs: object) -> None: ...

    ours = accepted(BBCNews)
    assert ours is not None
    assert {"dir", "max_length"} <= set(ours)
    assert accepted(Strange) is None


def test_a_script_of_hydras_own_loads_next_to_nothing_of_ours(tmp_path: Path) -> None:
    script = tmp_path / "app.py"
    script.write_text(
        "import sys, hydra\n"
        "@hydra.main(version_base='1.3', config_path=None)\n"
        "def main(cfg):\n"
        "    print(*sorted(name for name in sys.modules if name.startswith('etm_lightning.')))\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = {name for name in done.stdout.split() if name.count(".") > 1}
    assert loaded == {"etm_lightning.execute.conf", "etm_lightning.design.config"}
