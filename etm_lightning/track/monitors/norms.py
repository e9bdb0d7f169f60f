"""Norms of gradients and of updates: one foreach kernel for all, and one look from the host."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etm_lightning.track.clocks import logger_step
from etm_lightning.track.monitor import Measured, Measuring


class GradientNorm(Measuring):
    """The 2-norm of all gradients, before they are clipped: ``grad/norm``.

    It is that of the whole batch: under gradient accumulation there is one for each step of the optimizer,
    and with a gradient scaler (``16-mixed``) it is that of the gradients without the scale. Under a strategy
    that shards gradients it is that of this rank's shard.

    Args:
        depth: also give the norms of parts of the model, ``grad/norm/<part>``, where a part is the first so
            many words of a parameter's name; 0 for none.
        every_n_steps: how often, in optimizer batches.
    """

    on = "before_optimizer_step"

    def __init__(self, depth: int = 0, every_n_steps: int | None = None) -> None:
        super().__init__(every_n_steps)
        self.depth = depth

    def measure(self, trainer: Any, module: Any) -> Mapping[str, Measured]:
        named = [(name, p.grad) for name, p in module.named_parameters() if p.grad is not None]
        if not named:
            return {}
        norms, scale = norms_of([grad for _, grad in named]), _scale(trainer)
        numbers = read(norms if scale is None else [*norms, scale])
        by = 1.0 if scale is None else numbers.pop()
        return grouped("grad/norm", [name for name, _ in named], [norm / by for norm in numbers], self.depth)


class UpdateRatio(Measuring):
    """How much a step changes the weights, relative to their size: ``update/ratio``, |Δw| / |w|, 2-norms.

    Around 1e-3 is usual; much less learns little, much more tends to diverge. ``weight/norm`` is |w| before
    the step. At the steps that are measured, and only then, it holds a copy of the weights until the step is
    done.

    Args:
        depth: also give the ratios of parts of the model, ``update/ratio/<part>``, as for `GradientNorm`.
        every_n_steps: how often, in optimizer batches.
    """

    def __init__(self, depth: int = 0, every_n_steps: int | None = None) -> None:
        super().__init__(every_n_steps)
        self.depth = depth
        self._step = -1
        self._before: list[tuple[str, Any, Any]] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        super().on_train_start(trainer, pl_module)
        self._step = -1

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        step = logger_step(trainer)
        if self._due(trainer) and step != self._step:
            self._step = step
            free = ((name, p) for name, p in pl_module.named_parameters() if p.requires_grad)
            self._before = [(name, p, p.detach().clone()) for name, p in free]

    def measure(self, trainer: Any, module: Any) -> Mapping[str, Measured]:
        held, self._before = self._before, []
        if not held:
            return {}
        names, before = [name for name, _, _ in held], [old for _, _, old in held]
        sizes = norms_of(before)
        torch = sys.modules["torch"]
        changes = norms_of(torch._foreach_sub([p.detach() for _, p, _ in held], before))
        numbers = read([*sizes, *changes])
        weights = grouped("", names, numbers[: len(names)], self.depth)
        updates = grouped("", names, numbers[len(names) :], self.depth)
        ratios = {
            f"update/ratio{part}": update / weights[part] if weights[part] else 0.0
            for part, update in updates.items()
        }
        return {"weight/norm": weights[""], **ratios}


def norms_of(tensors: Sequence[Any]) -> list[Any]:
    """The 2-norm of each tensor, where it lies, in single precision at least."""
    torch = sys.modules["torch"]
    dense = [tensor.coalesce().values() if tensor.is_sparse else tensor for tensor in tensors]
    narrow = any(tensor.dtype in (torch.float16, torch.bfloat16) for tensor in dense)
    return list(torch._foreach_norm(dense, 2.0, **({"dtype": torch.float32} if narrow else {})))


def stacked(scalars: Iterable[Any]) -> Any:
    """Scalars as one tensor, on the device of the first; in double precision if they differ in theirs."""
    torch = sys.modules["torch"]
    found = [value.to_local() if hasattr(value, "to_local") else value for value in scalars]
    if len({(getattr(value, "device", None), getattr(value, "dtype", None)) for value in found}) == 1:
        return torch.stack(found)
    device = next((value.device for value in found if hasattr(value, "device")), None)
    return torch.stack([torch.as_tensor(value, device=device).double() for value in found])


def read(scalars: Iterable[Any]) -> list[float]:
    """Numbers that lie on a device, in one transfer."""
    return stacked(scalars).double().tolist()  # type: ignore[no-any-return]  # torch's


def grouped(name: str, names: Sequence[str], norms: Sequence[float], depth: int) -> dict[str, float]:
    """Norms of all and, from `depth` 1 on, of parts, from those of the parameters.

    >>> grouped("grad/norm", ["a.x", "a.y", "b.x"], [3.0, 4.0, 12.0], 1)
    {'grad/norm': 13.0, 'grad/norm/a': 5.0, 'grad/norm/b': 12.0}
    """
    parts: dict[str, list[float]] = defaultdict(list)
    for parameter, norm in zip(names, norms, strict=True):
        parts[name].append(norm)
        if depth:
            words = parameter.split(".")[:-1] or [parameter]
            parts[f"{name}/{'.'.join(words[:depth])}"].append(norm)
    return {part: math.hypot(*found) for part, found in parts.items()}


def _scale(trainer: Any) -> Any:
    """By what gradients are multiplied now: Lightning takes the scale out, but not for fused optimizers."""
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    if scaler is None or not any(getattr(o, "_step_supports_amp_scaling", False) for o in trainer.optimizers):
        return None
    return scaler._scale if getattr(scaler, "_scale", None) is not None else scaler.get_scale()
