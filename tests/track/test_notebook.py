"""An interpreter that somebody types into: cells that are interrupted, kernels that are restarted."""

from __future__ import annotations

import os
import signal
import subprocess
import textwrap
import time
from pathlib import Path
from typing import Self

import pytest

from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from tests import warm

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FIRST = """
import time, warnings
warnings.simplefilter("ignore")
import torch.profiler
from lightning.pytorch.callbacks import ModelCheckpoint
from etm_lightning import ETMLogger
from tests.track.lines import Line, trainer
class Slow(Line):
    pause = 0.0
    def training_step(self, batch, batch_idx):
        open("now", "w").close() if self.global_step == 6 else None
        time.sleep(self.pause if self.global_step > 5 else 0.0)
        return super().training_step(batch, batch_idx)

logger = ETMLogger("p", version="mine")
model = Slow()
def new_trainer():
    saving = ModelCheckpoint(save_top_k=-1, save_last=True)
    return trainer(logger, callbacks=[saving], enable_checkpointing=True, max_epochs=3)

"""


TYPED = "import code; code.interact('', local=globals(), exitmsg='')"


class Kernel:
    """What `python -i` runs, which reads cells from a pipe as it does from a terminal."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.process = subprocess.Popen(
            [warm.python(), "-c", TYPED],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=place,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self.type(FIRST)

    def type(self, cell: str) -> None:
        """Type a cell; Lightning makes SystemExit of Ctrl-C, which a notebook shows and outlives."""
        assert self.process.stdin
        self.process.stdin.write(textwrap.dedent(cell) + "\n")
        self.process.stdin.flush()

    def wait_for(self, name: str) -> None:
        deadline = time.monotonic() + 100
        while not (self.place / name).exists():
            assert time.monotonic() < deadline
            assert self.process.poll() is None
            time.sleep(0.01)
        (self.place / name).unlink()

    def leave(self) -> str:
        return self.process.communicate(timeout=100)[0]

    def kill(self) -> None:
        warm.kill(self.process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        self.process.communicate()


def stored(place: Path) -> StoredRun:
    return Store(place / "etm_runs").run("mine")


def test_an_interrupted_cell_and_a_restarted_kernel_go_on_with_the_run(tmp_path: Path) -> None:
    with Kernel(tmp_path) as kernel:
        kernel.type(
            """
            try:
                model.pause = 0.3; new_trainer().fit(model)
            except SystemExit:
                pass
            """
        )
        kernel.wait_for("now")
        assert stored(tmp_path).status == "running"
        kernel.process.send_signal(signal.SIGINT)
        kernel.type('open("typed", "w").close()')
        kernel.wait_for("typed")
        interrupted = stored(tmp_path)
        assert (interrupted.status, interrupted.attempts) == ("interrupted", 1)
        kernel.type('new_trainer().fit(model, ckpt_path=logger.log_dir + "/checkpoints/last.ckpt")')
        kernel.wait_for("now")
        assert stored(tmp_path).status == "running"
        kernel.kill()
        said = kernel.leave()
        assert said.count("etm resume mine") == 1, "told at once, where one types"
        assert (stored(tmp_path).status, stored(tmp_path).attempts) == ("crashed", 2)

    with Kernel(tmp_path) as restarted:
        restarted.type('new_trainer().fit(model, ckpt_path=logger.log_dir + "/checkpoints/last.ckpt")')
        restarted.leave()
    run = stored(tmp_path)
    assert (run.status, run.attempts) == ("finished", 3)
    assert [point.step for point in run.series("train/loss")] == list(range(12))
    assert [path.name for path in (tmp_path / "etm_runs" / "p").iterdir()] == ["mine"]
