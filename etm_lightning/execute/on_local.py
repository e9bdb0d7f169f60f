"""Trials on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from etm_lightning.execute import local
from etm_lightning.execute.forking import ForkServer
from etm_lightning.execute.launching import Errand, Slot
from etm_lightning.execute.local import LocalJob


@dataclass(frozen=True)
class Local:
    """Trials are processes of this machine.

    Args:
        slots: how many at a time, and where.
        server: which forks them; None to start a python for each.
    """

    slots: Sequence[Slot]
    server: ForkServer | None = None

    def start(self, errand: Errand, slot: Slot, lock: int) -> LocalJob:
        devices = {} if slot.devices is None else {"CUDA_VISIBLE_DEVICES": slot.devices}
        env = {**os.environ, **errand.env, **devices}
        # whatever a library makes of being forked, the attempt after a crash does not meet it again
        if self.server is not None and errand.attempt == 1:
            job = self.server.start(errand, env, lock)
            if job is not None:
                return job
        return local.start(errand.command, cwd=errand.cwd, env=env, log=errand.log, hold=lock)

    def close(self) -> None:
        if self.server is not None:
            self.server.close()
