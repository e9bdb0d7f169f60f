"""Loggers of Lightning that behave badly, for the sink that feeds them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.logger import DummyLogger


class Silent(DummyLogger):
    """Takes long over a value."""

    def log_metrics(self, *args: Any, **kwargs: Any) -> None:
        time.sleep(1)


class Failing(DummyLogger):
    """Prints and raises."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def log_metrics(self, *args: Any, **kwargs: Any) -> None:
        print("this is not an answer")
        raise OSError(f"no more room at {self._address}")


class Killed(CSVLogger):
    """Its process is gone when it comes to step 15 for the first time."""

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        once = Path(self.save_dir) / "killed"
        if step == 15 and not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        super().log_metrics(metrics, step)
