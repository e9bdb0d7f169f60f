"""The YAML of data and model: every argument is listed, nothing is unknown, all of it can be built."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_class, instantiate
from omegaconf import OmegaConf

from tests.text.conftest import write_conll, write_csv

CONF = Path(__file__).parents[2] / "conf"
FILES = ["data/bbc", "data/csv", "data/conll", "data/hub", "model/classifier", "model/tagger"]
PLAIN = {"encoder_config"}  # for checkpoints only


def arguments(cls: type) -> set[str]:
    names: set[str] = set()
    for parent in cls.__mro__:
        if parent.__module__.startswith("etm_lightning") and "__init__" in vars(parent):
            parameters = inspect.signature(parent.__init__).parameters.values()  # type: ignore[misc]
            names |= {p.name for p in parameters if p.name != "self" and p.kind is not p.VAR_KEYWORD}
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    return names


@pytest.mark.parametrize("name", FILES)
def test_every_argument_is_listed_and_commented(name: str) -> None:
    text = (CONF / f"{name}.yaml").read_text()
    config: Any = OmegaConf.create(text)
    known = arguments(get_class(config._target_))
    assert set(config) - {"_target_"} <= known
    missing = known - set(config) - PLAIN
    assert missing <= ({"label_alignment"} if name in ("data/bbc", "data/csv") else set())
    for line in text.splitlines()[2:]:
        assert " # " in line, line


def composed(data: str, model: str, changes: dict[str, Any]) -> Any:
    parts = {"data": OmegaConf.load(CONF / f"data/{data}.yaml"),
             "model": OmegaConf.load(CONF / f"model/{model}.yaml")}  # fmt: skip
    config = OmegaConf.create({"lr": 1e-3, "batch_size": 4, "seed": 1, **parts})
    config.merge_with(OmegaConf.create(changes))
    return config


@pytest.mark.parametrize(("data", "model"), [("csv", "classifier"), ("conll", "tagger")])
def test_what_is_composed_can_be_built(data: str, model: str, tmp_path: Path) -> None:
    file = tmp_path / f"train.{data}"
    train = write_csv(file, 60) if data == "csv" else write_conll(file, 60)
    changes: dict[str, Any] = {"data": {"train": str(train), "cache_dir": str(tmp_path)},
               "model": {"encoder": "tiny"}}  # fmt: skip
    config = composed(data, model, changes)
    module = instantiate(config.data)
    offered = {k: v for k, v in module.model_kwargs().items() if config.model[k] is None}
    built = instantiate(config.model, **offered)
    assert built.labels == module.labels
    assert module.tokenizer_name == "tiny"
