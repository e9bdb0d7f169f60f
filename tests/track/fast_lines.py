"""A training that logs in a way that is handed to it, and all that a user sees of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from etm_lightning import fast_log
from etm_lightning.track.on_device import Device
from etm_lightning.track.on_lightning import FastLog
from tests.track.lines import Line, logger_in, rows, trainer

Way = Callable[..., None]


def slow_log(module: Any, values: Mapping[str, Any], **options: Any) -> None:
    """Lightning's own way, the reference."""
    module.log_dict(values, **options)


WAYS: dict[str, Way] = {"slow": slow_log, "fast": fast_log}


def ragged(batches: int = 3) -> DataLoader[Any]:
    """The last batch is smaller than the others."""
    x = torch.linspace(-1, 1, 2 * batches + 1).reshape(-1, 1)
    return DataLoader(TensorDataset(x, 3 * x + 1), batch_size=2)


class Late:
    """A copy that arrives when it has been asked for `calls` times; whoever wants it before has to wait."""

    def __init__(self, vectors: Sequence[torch.Tensor], calls: int, waits: list[int]) -> None:
        assert not any(vector.requires_grad for vector in vectors)
        self._numbers = [number for vector in vectors for number in vector.tolist()]
        self._calls, self._waits = calls, waits

    def done(self) -> bool:
        self._calls -= 1
        return self._calls < 0

    def numbers(self) -> list[float]:
        if self._calls >= 0:
            self._waits.append(self._calls)
        return self._numbers


class Distant(Device):
    """A device whose tensors are this process's own, but which answers late."""

    def __init__(self, calls: int = 2) -> None:
        super().__init__(torch.device("cpu"))
        self.apart, self.calls = True, calls
        self.copies: list[int] = []
        self.waits: list[int] = []

    def keeps(self, value: torch.Tensor) -> bool:
        return value.dtype != torch.int64  # some values are always on the host

    def start(self, vectors: Sequence[torch.Tensor]) -> Any:
        self.copies.append(len(vectors))
        return Late(vectors, self.calls, self.waits)


class FarLog(FastLog):
    """Has the values on a distant device."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        self.far = device

    def begin(self, trainer: Any, device: Any = None) -> None:
        super().begin(trainer, self.far)


def keep_plain(module: Line) -> None:
    """Keep what `Line` itself takes as the only settings; functions would not fit into a checkpoint."""
    kept: Any = (module._hparams, module._hparams_initial)
    for settings in kept:
        for name in set(settings) - {"lr", "batches"}:
            del settings[name]


class Given(Line):
    """Logs what a step has in the way `give`, with `options`; the last validation batch is smaller."""

    def __init__(self, give: Way, options: Mapping[str, Any] | None = None, **more: Any) -> None:
        super().__init__(**more)
        keep_plain(self)
        self.give, self.options = give, dict(options or {})

    def values(self, batch: Any) -> dict[str, Any]:
        loss = self.loss(batch)
        return {
            "loss": loss,
            "norm": self.line.weight.norm().double(),
            "share": 0.1,
            "count": torch.tensor(len(batch)),
        }

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        values = {f"train/{name}": value for name, value in self.values(batch).items()}
        self.give(self, values, **self.options)
        return values["train/loss"]

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
        values = {f"val/{name}": value for name, value in self.values(batch).items()}
        self.give(self, values, **self.options)

    def test_step(self, batch: Any, batch_idx: int) -> Any:
        values = {f"test/{name}": value for name, value in self.values(batch).items()}
        self.give(self, values, **self.options)

    def val_dataloader(self) -> Any:
        return ragged()

    def test_dataloader(self) -> Any:
        return ragged(2)


class Seen(NamedTuple):
    """What a training leaves; the lists of points are sorted."""

    points: list[tuple[Any, ...]]
    values: list[float]
    callback: dict[str, float]
    logged: dict[str, float]
    bar: dict[str, float]
    more: Any


def seen(folder: Any, run: pl.Trainer, more: Any = None) -> Seen:
    found = sorted(
        (row.stage, row.axis, row.step, -1 if row.epoch is None else row.epoch, name, value)
        for row in rows(folder)
        for name, value in row.values.items()
    )
    return Seen(
        [point[:-1] for point in found],
        [point[-1] for point in found],
        {name: float(value) for name, value in sorted(run.callback_metrics.items())},
        {name: float(value) for name, value in sorted(run.logged_metrics.items())},
        {name: float(value) for name, value in sorted(run.progress_bar_metrics.items())},
        more,
    )


@contextmanager
def unadvised() -> Iterator[None]:
    """Without Lightning's advice about `self.log`, which is the reference here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*self.log")
        warnings.filterwarnings("ignore", message=".*infer the `batch_size`")
        yield


def trained(place: Path, module: Line, **options: Any) -> Seen:
    """A training, then what is seen of it."""
    logger = logger_in(place)
    run = trainer(logger, **{"max_epochs": 2, **options})
    with unadvised():
        run.fit(module)
    return seen(logger.folder, run)
