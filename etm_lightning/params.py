"""Settings as plain data: dotted names, and the fingerprint that tells one experiment from another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

# What may differ between two runs of the same experiment: chance, place, machine, and who watches.
_INCIDENTAL = re.compile(
    r"""^(
    (.*\.)?(seed|fold|seeds|folds|num_workers|pin_memory|cache_dir|save_dir|output_dir|default_root_dir|dirpath)
    | (name|project|group|tags|notes|question|method|resume|ckpt_path|paths|logger|callbacks|debug|store|test
       |monitor|mode)(\..*)?
    | trainer\.(accelerator|devices|num_nodes|strategy|logger|callbacks|plugins|profiler|enable_\w+|barebones
       |log_every_n_steps|use_distributed_sampler|sync_batchnorm|fast_dev_run)(\..*)?
    )$""",
    re.VERBOSE,
)
# What may also differ between two attempts of one run.
_LENGTH = re.compile(
    r"^(max_epochs|trainer\.(max_epochs|max_steps|max_time|min_epochs|min_steps|limit_\w+_batches|precision))$"
)


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name.

    >>> flatten({"model": {"lr": 1e-3, "layers": [1, 2]}, "seed": 1})
    {'model.lr': 0.001, 'model.layers': [1, 2], 'seed': 1}
    """
    flat: dict[str, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def incidental(name: str) -> bool:
    """Whether a setting, by its dotted name, may differ between replicates of one experiment.

    >>> incidental("seed"), incidental("trainer.devices"), incidental("model.lr")
    (True, True, False)
    """
    return _INCIDENTAL.match(name) is not None


def fingerprint(params: Mapping[str, Any], *, any_length: bool = False) -> str:
    """A hash of the settings that make the experiment what it is; "" if there are none.

    Args:
        params: the settings, nested or dotted.
        any_length: leave out how long to train as well, as between the attempts of one run.

    >>> fingerprint({"lr": 1, "seed": 1}) == fingerprint({"seed": 2, "lr": 1})
    True
    """
    kept = {
        name: value
        for name, value in flatten(params).items()
        if not incidental(name) and not (any_length and _LENGTH.match(name))
    }
    if not kept:
        return ""
    return hashlib.sha256(msgspec.json.encode(kept, order="deterministic")).hexdigest()[:16]
