"""How weights and gradients are distributed."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

from etm_lightning.track.monitor import Measured, Measuring
from etm_lightning.track.show import Histogram


class Histograms(Measuring):
    """Histograms of each parameter, ``weights/<parameter>``, and of its gradient, ``gradients/<parameter>``.

    They are counted on the device; only the counts are fetched. Values that are not finite are left out.
    With a gradient scaler and a fused optimizer, gradients are those with the scale.

    Args:
        weights: of the parameters.
        gradients: of their gradients.
        bins: of equal width.
        every_n_steps: how often, in optimizer batches; by default every 500.
    """

    on = "before_optimizer_step"
    every_n_steps = 500

    def __init__(
        self, weights: bool = True, gradients: bool = True, bins: int = 64, every_n_steps: int | None = None
    ) -> None:
        super().__init__(every_n_steps)
        self.weights, self.gradients, self.bins = weights, gradients, bins

    def measure(self, trainer: Any, module: Any) -> Mapping[str, Measured]:
        found: dict[str, Any] = {}
        for name, parameter in module.named_parameters():
            if self.weights:
                found[f"weights/{name}"] = parameter.detach()
            if self.gradients and parameter.grad is not None:
                found[f"gradients/{name}"] = parameter.grad.detach()
        return histograms(found, self.bins)


def histograms(tensors: Mapping[str, Any], bins: int) -> dict[str, Histogram]:
    """A histogram of each tensor, with two transfers in all: one for the ranges, one for the counts."""
    torch = sys.modules["torch"]
    flat = {name: _flat(tensor) for name, tensor in tensors.items() if tensor.numel()}
    if not flat:
        return {}
    ranges = torch.stack([torch.stack(torch.aminmax(values)).cpu() for values in flat.values()]).tolist()
    limits, counts = {}, []
    for (name, values), (low, high) in zip(flat.items(), ranges, strict=True):
        if not math.isfinite(low + high):
            values = values[torch.isfinite(values)]
            low, high = (0.0, 0.0) if not len(values) else torch.stack(torch.aminmax(values)).tolist()
        if low == high:
            low, high = low - 0.5, high + 0.5
        limits[name] = low, high
        counts.append(torch.histc(values, bins, low, high))
    fetched = torch.stack([count.cpu() for count in counts]).tolist()
    return {
        name: Histogram(numbers, [low + (high - low) * at / bins for at in range(bins + 1)])
        for (name, (low, high)), numbers in zip(limits.items(), fetched, strict=True)
    }


def _flat(tensor: Any) -> Any:
    values = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    values = values.coalesce().values() if values.is_sparse else values
    return values.reshape(-1).float()
