from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults.training import Training
from tests.faults.training import start as begin


@pytest.fixture
def start() -> Iterator[Callable[..., Training]]:
    """Starts trainings, and ends what a test leaves."""
    begun: list[Training] = []

    def starting(*args: Any, **options: Any) -> Training:
        begun.append(begin(*args, **options))
        return begun[-1]

    yield starting
    for training in begun:
        if training.process.poll() is None:
            training.kill()
        if shipper := training.shipper():
            shipper.kill()
