"""One folder for all ranks that a launcher outside of Lightning started: srun and torchrun."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from etm_lightning.execute.build import InputError
from etm_lightning.process import born, host
from etm_lightning.track.slurm import slurm_job

PATIENCE = 300.0
"""Seconds that a rank waits for rank 0 to choose the folder."""


@dataclass(frozen=True)
class Meeting:
    """A file in which rank 0 tells the others the folder of the run."""

    file: Path
    rank: int

    @classmethod
    def of_this_process(cls, project: Path, job: str = "0") -> Meeting | None:
        """The meeting of the ranks of this launch; None if this process is alone, or launched by Lightning.

        Args:
            project: the folder of the project, which all ranks see.
            job: number of the job of a multirun.
        """
        env = os.environ
        interactive = env.get("SLURM_JOB_NAME") in ("bash", "interactive")  # as Lightning sees it
        if int(env.get("SLURM_NTASKS") or 1) > 1 and "SLURM_PROCID" in env and not interactive:
            slurm, restarts = slurm_job()
            launch, rank = f"slurm-{slurm}.{env.get('SLURM_STEP_ID', '')}.{restarts}", env["SLURM_PROCID"]
        elif "TORCHELASTIC_RUN_ID" in env and env.get("GROUP_WORLD_SIZE", "1") == "1":
            agent = os.getppid()
            launch = f"torchrun-{host()}-{agent}-{born(agent)}-{env.get('TORCHELASTIC_RESTART_COUNT', '0')}"
            rank = env["RANK"]
        else:
            return None
        return cls(project / ".ranks" / f"{launch}.{job}", int(rank))

    def tell(self, folder: str) -> None:
        """On rank 0: tell the others."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.file.with_name(f"{self.file.name}.{secrets.token_hex(4)}")
        temporary.write_text(folder)
        temporary.replace(self.file)

    def wait(self) -> str:
        """On the other ranks: what rank 0 told.

        Raises:
            InputError: if it told nothing in time.
        """
        deadline = time.monotonic() + PATIENCE
        while not self.file.exists():
            if time.monotonic() > deadline:
                raise InputError(f"rank {self.rank} waited {PATIENCE:.0f} s for rank 0 to make {self.file}")
            time.sleep(0.05)
        return self.file.read_text()
