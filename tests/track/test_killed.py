"""Killed, and gone on with: one run whose curve is whole for every reader, wherever the kill fell."""

from __future__ import annotations

import io
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from etm_lightning.evaluate.leaderboard import leaderboard
from etm_lightning.execute.resume import last_checkpoint
from etm_lightning.records import Checkpoint, Saved
from etm_lightning.share.export import write
from etm_lightning.share.report import write_report
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from tests.track.forge import Forge, forge
from tests.track.lines import of_kind

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scripts() -> Iterator[Forge]:
    with forge() as started:
        yield started


def stored(place: Path) -> StoredRun:
    [run] = Store(place / "store").runs()
    return run


def steps(run: StoredRun, name: str) -> list[int]:
    return [point.step for point in run.series(name)]


# a score that would be the best of all is only ever logged behind the checkpoint that is gone on with
TRAIN = """
    from lightning.pytorch.callbacks import ModelCheckpoint
    first = not os.environ.get("CHECKPOINT")
    class Model(Line):
        def training_step(self, batch, batch_idx):
            self.log("score", 100.0 if first and batch_idx > 5 else 1.0 / (1 + batch_idx))
            if first and batch_idx == 9:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().training_step(batch, batch_idx)
    saving = ModelCheckpoint(monitor="score", mode="max", every_n_train_steps=2, save_top_k=-1)
    fit = trainer(ETMLogger("p"), callbacks=[saving], enable_checkpointing=True, limit_val_batches=0)
    fit.fit(Model(batches=12), ckpt_path=os.environ.get("CHECKPOINT") or None)
"""


def test_a_killed_training_that_goes_on_from_an_earlier_checkpoint_is_whole_for_every_reader(
    scripts: Forge, tmp_path: Path
) -> None:
    assert scripts.run(tmp_path, TRAIN) == -signal.SIGKILL
    killed = stored(tmp_path)
    assert killed.status == "crashed"
    assert killed.best_checkpoint is not None
    assert killed.best_checkpoint.score == 100
    [early] = (killed.folder.checkpoints).glob("*step=4.ckpt")
    assert scripts.run(tmp_path, TRAIN, CHECKPOINT=str(early)) == 0, (tmp_path / "err").read_text()
    run = stored(tmp_path)
    assert (run.id, run.attempts, run.status) == (killed.id, 2, "finished")
    assert steps(run, "train/loss") == list(range(12))
    frame = run.frame()
    assert frame[frame.name == "score"].step.tolist() == list(range(12))
    text = io.StringIO()
    write([run], text, "csv")
    assert [line.split(",")[6] for line in text.getvalue().splitlines() if ",score," in line] == [
        str(step) for step in range(12)
    ]
    assert run.metrics["score"].max is not None
    assert run.metrics["score"].max.value < 1.1
    assert run.best_checkpoint is not None
    assert run.best_checkpoint.score is not None
    assert run.best_checkpoint.score < 1.1
    assert run.headline["score"] < 1.1
    [row] = leaderboard([run], metric="score", mode="max").rows
    assert row.score.mean < 1.1
    page = write_report([run], tmp_path / "report.html").read_text()
    assert "score" in page
    assert ">100<" not in page
    assert [p.value for p in run.series("score", superseded=True)].count(100.0) == 3


HOLE = """
    from lightning.pytorch.callbacks import ModelCheckpoint
    where = os.environ["WHERE"]
    class Logger(ETMLogger):
        def save(self):
            if where == "before its mark" and self._epoch == "closing" and trains.current_epoch == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            super().save()
    class Model(Line):
        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            self.log("mean", loss, on_step=False, on_epoch=True)
            return loss
        def on_train_epoch_end(self):
            if where == "before the epoch's row" and self.current_epoch == 1:
                os.kill(os.getpid(), signal.SIGKILL)
    saving = ModelCheckpoint(monitor="val/loss", save_top_k=-1, save_on_train_epoch_end=False)
    trains = trainer(Logger("p"), callbacks=[saving], enable_checkpointing=True, max_epochs=3)
    trains.fit(Model(), ckpt_path=os.environ.get("CHECKPOINT"))
"""


@pytest.mark.parametrize(
    ("where", "epochs"), [("before the epoch's row", [0, 2]), ("before its mark", [0, 1, 2])]
)
def test_killed_between_a_checkpoint_and_its_mark_nothing_is_lost_or_doubled(
    scripts: Forge, where: str, epochs: list[int], tmp_path: Path
) -> None:
    assert scripts.run(tmp_path, HOLE, WHERE=where) == -signal.SIGKILL
    killed = stored(tmp_path)
    marks, noted = of_kind(killed.folder, Checkpoint), of_kind(killed.folder, Saved)
    assert {record.id for record in noted} - {record.id for record in marks} == {noted[-1].id}
    newest = last_checkpoint(killed)
    assert newest == killed.folder.checkpoints / "epoch=1-step=8.ckpt"
    assert scripts.run(tmp_path, HOLE, WHERE="", CHECKPOINT=str(newest)) == 0, (tmp_path / "err").read_text()
    run = stored(tmp_path)
    assert (run.attempts, run.status) == (2, "finished")
    assert steps(run, "train/loss") == list(range(12))
    assert [point.epoch for point in run.series("val/loss")] == [0, 1, 2]
    assert [point.epoch for point in run.series("mean")] == epochs
    assert len(run.series("train/loss", superseded=True)) == 12
    assert [view.epoch for view in run.checkpoints] == [0, 1, 2]


CLI = """
    from lightning.pytorch.cli import LightningCLI
    sys.argv = ["train.py"]
    checkpoint = os.environ.get("CHECKPOINT")
    loggers = [{"class_path": "etm_lightning.ETMLogger", "init_args": {"project": "p"}}]
    LightningCLI(
        Line,
        seed_everything_default=1,
        args=["fit", f"--ckpt_path={checkpoint}"] if checkpoint else ["fit"],
        trainer_defaults={
            "max_epochs": 2 if checkpoint else 1, "logger": loggers, "accelerator": "cpu", "devices": 1,
            "log_every_n_steps": 1, "enable_progress_bar": False, "enable_model_summary": False,
        },
    )
"""


def test_lightning_cli_goes_on_in_the_folder_of_the_run_and_leaves_no_other(
    scripts: Forge, tmp_path: Path
) -> None:
    assert scripts.run(tmp_path, CLI) == 0, (tmp_path / "err").read_text()
    [checkpoint] = stored(tmp_path).folder.checkpoints.iterdir()
    assert scripts.run(tmp_path, CLI, CHECKPOINT=str(checkpoint)) == 0, (tmp_path / "err").read_text()
    run = stored(tmp_path)
    assert (run.attempts, steps(run, "train/loss")) == (2, list(range(8)))
    assert [path.name for path in run.folder.path.parent.iterdir()] == [run.id]
    configs = [(run.folder.path / name).read_text() for name in ("config.yaml", "config.2.yaml")]
    assert ["max_epochs: 1" in configs[0], "max_epochs: 2" in configs[1]] == [True, True]
