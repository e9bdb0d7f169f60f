"""What `fast_log` does with tensors, on whichever device they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from etm_lightning.track.fast.values import shape_error


def stacked(tensors: Sequence[Tensor], names: Sequence[str]) -> Tensor:
    """Tensors with one element each as one vector on their device, without their graphs.

    Raises:
        ValueError: if one has not one element, or is complex.
    """
    with torch.no_grad():
        try:
            vector = torch.stack(list(tensors))
        except RuntimeError:  # of several shapes or devices
            vector = _stacked_one_by_one(tensors, names)
        if vector.dim() != 1:
            vector = _stacked_one_by_one(tensors, names)
        if vector.is_complex():
            name = next(name for name, tensor in zip(names, tensors, strict=True) if tensor.is_complex())
            raise ValueError(f"`values[{name!r}]` must be real but is complex; log its parts")
        return vector if vector.is_floating_point() else vector.to(torch.float32)


def _stacked_one_by_one(tensors: Sequence[Tensor], names: Sequence[str]) -> Tensor:
    for tensor, name in zip(tensors, names, strict=True):
        if tensor.numel() != 1:
            raise shape_error(name, tensor)
    return torch.stack([tensor.reshape(()).to(tensors[0].device) for tensor in tensors])


class Copied:
    """Numbers of a device on their way to pinned memory, beside the training's stream."""

    def __init__(self, vectors: Sequence[Tensor], side: Any) -> None:
        source = torch.cat([vector.to(torch.float64) for vector in vectors])
        self._target = torch.empty(source.shape, dtype=source.dtype, pin_memory=True)
        side.wait_stream(torch.cuda.current_stream(source.device))
        with torch.cuda.stream(side):
            self._target.copy_(source, non_blocking=True)
            source.record_stream(side)
            self._event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch does not type it
            self._event.record(side)

    def done(self) -> bool:
        return bool(self._event.query())

    def numbers(self) -> list[float]:
        self._event.synchronize()
        found: list[float] = self._target.tolist()
        return found


class Fetched:
    """Numbers of a device that cannot copy beside the training: fetched, with a wait, when asked for."""

    def __init__(self, vectors: Sequence[Tensor]) -> None:
        self._vectors = vectors

    def done(self) -> bool:
        return True

    def numbers(self) -> list[float]:
        return [number for vector in self._vectors for number in vector.tolist()]


class Device:
    """Where the training computes.

    Attributes:
        apart: whether tensors may be elsewhere than in this process's memory.
    """

    stacked = staticmethod(stacked)

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.apart = device.type != "cpu"
        self._streams: dict[torch.device, Any] = {}

    def keeps(self, value: Tensor) -> bool:
        """Whether reading the tensor would wait for the device."""
        return not value.is_cpu

    def start(self, vectors: Sequence[Tensor]) -> Copied | Fetched:
        """Begin to copy vectors of one step."""
        device = vectors[0].device
        if device.type != "cuda":
            return Fetched(vectors)
        if device not in self._streams:
            self._streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # as above
        return Copied(vectors, self._streams[device])

    def add(self, sums: Tensor | None, vector: Tensor, reduction: str, weight: float) -> Tensor:
        """The epoch's vector with one more step in it."""
        with torch.no_grad():
            wide = vector.to(torch.float32 if vector.device.type == "mps" else torch.float64)
            if reduction == "mean":
                return wide * weight if sums is None else sums.add_(wide, alpha=weight)
            if sums is None:
                return wide.clone() if wide is vector else wide
            if reduction == "sum":
                return sums.add_(wide)
            two = torch.minimum if reduction == "min" else torch.maximum
            return two(sums, wide)

    def reduce(self, strategy: Any, values: Any, reduction: str) -> Any:
        """Numbers, or a vector, reduced over the ranks."""
        if isinstance(values, Tensor):
            return strategy.reduce(values.clone(), reduce_op=reduction)
        wide = torch.float32 if self.device.type == "mps" else torch.float64
        vector = torch.tensor(values, dtype=wide, device=self.device)
        return strategy.reduce(vector, reduce_op=reduction).tolist()

    def tensors(self, numbers: Sequence[float]) -> tuple[Sequence[Tensor], list[float]]:
        """A tensor for each number, in the precision that Lightning keeps them, and the number in it."""
        wide = torch.float64 if torch.get_default_dtype() == torch.float64 else torch.float32
        found = torch.tensor(numbers, dtype=wide)
        there = found.to(self.device, non_blocking=self.device.type == "cuda")
        return there.unbind(), found.tolist()
