"""Settings as plain data: dotted names, and the fingerprint that tells one experiment from another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

# What may differ between two runs of the same experiment: chance (but not how the data was split), …
_CHANCE = re.compile(r"^(seed|fold|seeds|data\.fold)$")
# … place, machine, and who watches.
_INCIDENTAL = re.compile(
    r"""^(
    (.*\.)?(num_workers|pin_memory|cache_dir|save_dir|output_dir|default_root_dir|dirpath)
    | (name|project|group|tags|notes|question|method|resume|ckpt_path|paths|logger|callbacks|debug|store|test
       |monitor|mode|all_ranks)(\..*)?
    | trainer\.(accelerator|devices|num_nodes|strategy|logger|callbacks|plugins|profiler|enable_\w+|barebones
       |log_every_n_steps|use_distributed_sampler|sync_batchnorm|fast_dev_run)(\..*)?
    )$""",
    re.VERBOSE,
)
# What may also differ between two attempts of one run, whose chance must be the same.
_LENGTH = re.compile(
    r"^(max_epochs|precision|trainer\.(max_epochs|max_steps|max_time|min_epochs|min_steps|precision))$"
)


_SIMPLE = (str, int, float, list, type(None))  # told apart sooner than what is no mapping


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name.

    >>> flatten({"model": {"lr": 1e-3, "layers": [1, 2]}, "seed": 1})
    {'model.lr': 0.001, 'model.layers': [1, 2], 'seed': 1}
    """
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if not isinstance(value, _SIMPLE) and isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


@cache
def incidental(name: str) -> bool:
    """Whether a setting, by its dotted name, may differ between replicates of one experiment.

    >>> incidental("seed"), incidental("trainer.devices"), incidental("model.lr")
    (True, True, False)
    """
    return bool(_CHANCE.match(name) or _INCIDENTAL.match(name))


def experiment_fingerprint(params: Mapping[str, Any]) -> str:
    """A hash of the settings that make the experiment what it is; "" if there are none.

    >>> experiment_fingerprint({"lr": 1, "seed": 1}) == experiment_fingerprint({"seed": 2, "lr": 1})
    True
    """
    return _hash({name: value for name, value in flatten(params).items() if not incidental(name)})


def config_fingerprint(params: Mapping[str, Any]) -> str:
    """A hash of all settings but place, machine, and who watches; "" if there are none.

    >>> config_fingerprint({"lr": 1, "max_epochs": 3}) == config_fingerprint({"lr": 1, "max_epochs": 4})
    False
    >>> config_fingerprint({"lr": 1, "tags": ["a"]}) == config_fingerprint({"lr": 1})
    True
    """
    return _hash({name: value for name, value in flatten(params).items() if not _INCIDENTAL.match(name)})


def run_fingerprint(params: Mapping[str, Any]) -> str:
    """A hash of the settings that all attempts of a run share; "" if there are none.

    >>> run_fingerprint({"lr": 1, "seed": 1}) == run_fingerprint({"lr": 1, "seed": 2})
    False
    """
    kept = flatten(params).items()
    return _hash(
        {name: value for name, value in kept if not (_INCIDENTAL.match(name) or _LENGTH.match(name))}
    )


def _hash(params: Mapping[str, Any]) -> str:
    if not params:
        return ""
    return hashlib.sha256(msgspec.json.encode(params, order="deterministic")).hexdigest()[:16]
