"""AdamW groups, schedules with warm-up, and freezing: what fine-tuning an encoder needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

Schedule = Literal["linear", "cosine", "constant"]


def layers_of(encoder: Any) -> nn.ModuleList:
    """Find the stack of layers of an encoder, the bottom one first.

    Raises:
        ValueError: where there is none (ALBERT shares one layer); then nothing can be frozen by number.
    """
    depth = getattr(encoder.config, "num_hidden_layers", None)
    for part in encoder.modules():
        if isinstance(part, nn.ModuleList) and len(part) == depth:
            return part
    raise ValueError(
        f"`model.freeze` and `model.layer_decay` need an encoder with a list of layers but "
        f"{type(encoder).__name__} has none; use model.freeze=0 model.layer_decay=1.0"
    )


def freeze_bottom(encoder: Any, count: int) -> None:
    """Freeze the embeddings and the bottom layers.

    Args:
        encoder: a transformers model.
        count: number of layers, in [0, layers]; 0 freezes nothing, the embeddings included.

    Raises:
        ValueError: for a count out of range.
    """
    if count == 0:
        return
    layers = len(layers_of(encoder))
    if not 0 < count <= layers:
        raise ValueError(f"`model.freeze` must be in [0, {layers}] (the encoder's layers) but got {count}")
    heights = depths(encoder)
    for parameter in encoder.parameters():
        if heights[id(parameter)] <= count:
            parameter.requires_grad = False


def depths(encoder: Any) -> dict[int, int]:
    """Number an encoder's parameters by height: 0 embeddings, 1 the bottom layer, … (by `id`)."""
    layers = layers_of(encoder)
    heights = {id(p): i + 1 for i, layer in enumerate(layers) for p in layer.parameters()}
    seen = 0
    for parameter in encoder.parameters():
        seen = max(seen, heights.get(id(parameter), 0))
        heights.setdefault(id(parameter), 0 if seen == 0 else len(layers))
    return heights


def parameter_groups(
    module: nn.Module, encoder: Any, lr: float, weight_decay: float, layer_decay: float = 1.0
) -> list[dict[str, Any]]:
    """Group trainable parameters for AdamW: no decay on biases and norms, lower rates further down.

    Args:
        module: the whole model.
        encoder: the part of it that has layers.
        lr: learning rate of the head and the top layer's base, > 0.
        weight_decay: for matrices; vectors (biases, norms) get 0.
        layer_decay: factor per layer going down, in (0, 1]; 1 gives one rate to all.

    Returns:
        Groups with `params`, `lr`, `weight_decay`.

    Source: layer-wise rates as in ULMFiT (Howard and Ruder, 2018).

    >>> layer = nn.Linear(2, 2)
    >>> [(group["weight_decay"], len(group["params"])) for group in parameter_groups(layer, layer, 0.1, 0.01)]
    [(0.01, 1), (0.0, 1)]
    """
    heights = depths(encoder) if layer_decay != 1.0 else {}
    top = max(heights.values(), default=0) + 1
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in module.parameters():
        if parameter.requires_grad:
            rate = lr * layer_decay ** (top - heights.get(id(parameter), top))
            decay = weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": some, "lr": rate, "weight_decay": decay} for (rate, decay), some in groups.items()]


def warmup_steps(warmup: float, total: float) -> int:
    """Read a warm-up given as steps (an int) or as a share of all steps (a float in [0, 1]).

    Raises:
        ValueError: for a negative value or a share above 1.

    >>> warmup_steps(0.1, 200), warmup_steps(30, 200)
    (20, 30)
    """
    if warmup < 0 or (isinstance(warmup, float) and warmup > 1):
        raise ValueError(f"`model.warmup` must be a share in [0.0, 1.0] or a count of steps but got {warmup}")
    if isinstance(warmup, int):
        return warmup
    return math.ceil(warmup * total) if math.isfinite(total) else 0


def factor(kind: Schedule, warmup: int, total: float) -> Callable[[int], float]:
    """Give the factor on the learning rate as a function of the optimizer step.

    Args:
        kind: `linear` and `cosine` fall to 0 at the last step, `constant` stays.
        warmup: steps of linear rise from 0.
        total: steps of the training; infinite where unknown, then there is no fall.

    Raises:
        ValueError: for an unknown kind.

    >>> [factor("linear", 2, 6)(step) for step in (0, 1, 2, 4, 6)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if kind not in ("linear", "cosine", "constant"):
        raise ValueError(f"`model.schedule` must be 'linear', 'cosine' or 'constant' but got {kind!r}")

    def at(step: int) -> float:
        if step < warmup:
            return step / warmup
        if kind == "constant" or not math.isfinite(total):
            return 1.0
        done = min(1.0, (step - warmup) / max(1.0, total - warmup))
        return 1.0 - done if kind == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))

    return at


def scheduler(optimizer: Optimizer, kind: Schedule, warmup: float, total: float) -> LambdaLR:
    """Make the schedule that Lightning steps after every optimizer step; arguments as in `factor`."""
    return LambdaLR(optimizer, factor(kind, warmup_steps(warmup, total), total))
