"""What our monitors measure, and that loggers of others receive it all."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.plugins import MixedPrecision
from tensorboard.backend.event_processing.event_accumulator import (
    STORE_EVERYTHING_SIZE_GUIDANCE,
    EventAccumulator,
)
from torch.utils.flop_counter import FlopCounterMode

from etm_lightning import GradientNorm, Histograms, Numerics, Throughput, TimeLeft, UpdateRatio
from etm_lightning.records import Alert, Artifact, Media
from etm_lightning.track.monitors import time_left
from etm_lightning.track.monitors.histograms import histograms
from etm_lightning.track.monitors.memory import memory
from etm_lightning.track.monitors.norms import norms_of, read
from etm_lightning.track.spikes import Spikes
from tests.contracts.case_wandb import name, records
from tests.track.forge import Forge, forge
from tests.track.lines import QUIET, Line, logger_in, of_kind, points, rows, trainer
from tests.track.monitored import LENGTH, ROWS, Words, monitors, train

pytestmark = [*QUIET, pytest.mark.filterwarnings("ignore:.*`IterableDataset`.*")]

EVERY = [
    *("grad/norm", "grad/norm/body", "grad/norm/head", "weight/norm"),
    *("update/ratio", "update/ratio/body", "update/ratio/head"),
    *("numerics/nonfinite", "numerics/loss_median", "numerics/loss_max", "numerics/grad_norm_max"),
    *("throughput/steps_per_sec", "throughput/data_wait", "throughput/samples_per_sec"),
    *("throughput/tokens_per_sec", "throughput/mfu", "eta/epoch_s", "eta/training_s"),
]
"""What there is on a CPU."""
PARAMETERS = [*("body.0.weight", "body.1.weight", "body.1.bias", "head.weight", "head.bias")]
HISTOGRAMS = {f"{what}/{parameter}" for what in ("weights", "gradients") for parameter in PARAMETERS}


@pytest.fixture(scope="module")
def scripts() -> Iterator[Forge]:
    with forge() as started:
        yield started


def test_tensorboard_alone_receives_all(tmp_path: Path) -> None:
    train(logger := TensorBoardLogger(tmp_path))
    found = EventAccumulator(logger.log_dir, STORE_EVERYTHING_SIZE_GUIDANCE).Reload()
    assert set(EVERY) <= set(found.Tags()["scalars"])
    assert [point.step for point in found.Scalars("grad/norm")] == [0, 4, 8, 12, 16, 20]
    assert set(found.Tags()["histograms"]) == HISTOGRAMS
    drawn = found.Histograms("weights/head.weight")[0].histogram_value
    assert (drawn.num, len(drawn.bucket)) == (16 * 8, 16)
    [told] = found.Tensors("alerts/text_summary")
    assert b"the loss is inf" in told.tensor_proto.string_val[0]
    assert [path.name for path in (Path(logger.log_dir) / "numerics").iterdir()] == ["step22-loss.json"]


def test_wandb_alone_receives_all(tmp_path: Path, scripts: Forge) -> None:
    code = scripts.run(
        tmp_path,
        """
        import wandb
        from lightning.pytorch.loggers import WandbLogger
        from tests.track.monitored import train

        train(WandbLogger(save_dir=".", offline=True))
        wandb.finish()
        """,
        WANDB_SILENT="true",
    )
    assert not code, (tmp_path / "err").read_text()
    [path] = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    history: dict[str, list[Any]] = {}
    kinds = set()
    for record in records(path):
        kinds.add(record.WhichOneof("record_type"))
        for item in record.history.item:
            history.setdefault(name(item), []).append(json.loads(item.value_json))
        if record.HasField("alert"):
            assert (record.alert.title, record.alert.level) == ("the loss is inf", "ERROR")
    assert set(EVERY) <= history.keys()
    assert len(history["grad/norm"]) == 6
    assert all(history[f"{name}._type"][0] == "histogram" for name in HISTOGRAMS)
    assert sum(history["weights/head.weight.values"][0]) == 16 * 8
    assert {"alert", "artifact"} <= kinds


def test_a_logger_with_no_form_for_something_receives_the_rest(tmp_path: Path) -> None:
    train(logger := CSVLogger(tmp_path))
    header = Path(logger.experiment.metrics_file_path).read_text().splitlines()[0].split(",")
    assert set(EVERY) <= set(header)
    assert not set(header) & HISTOGRAMS


def test_ours_receives_all(tmp_path: Path) -> None:
    train(logger := logger_in(tmp_path))
    assert set(EVERY) <= {name for row in rows(logger.folder) for name in row.values}
    media = of_kind(logger.folder, Media)
    assert {item.name for item in media if item.type == "histogram"} == HISTOGRAMS
    [alert] = of_kind(logger.folder, Alert)
    assert (alert.title, alert.level, alert.step) == ("the loss is inf", "error", 22)
    [artifact] = of_kind(logger.folder, Artifact)
    assert artifact.path == "numerics/step22-loss.json"
    told = json.loads((logger.folder.path / artifact.path).read_text())
    assert (told["what"], told["epoch"], told["batch"]) == ("the loss is inf", 1, 10)
    assert [batch["step"] for batch in told["batches"]] == list(range(3, 23))
    assert told["batches"][-1]["rows"] == [40, 41, 42, 43]
    assert told["batches"][-1]["loss"] == "inf"
    assert told["batches"][-2]["grad_norm"] > 0.1


def test_the_norm_is_that_of_torch(tmp_path: Path) -> None:
    seen = []

    class Seen(Words):
        def on_before_optimizer_step(self, optimizer: Any) -> None:
            seen.append(
                torch.nn.utils.get_total_norm([p.grad for p in self.parameters() if p.grad is not None])
            )

    logger = logger_in(tmp_path)
    trainer(logger, callbacks=[GradientNorm(every_n_steps=1)], limit_val_batches=0).fit(Seen())
    found = [row.values["grad/norm"] for row in rows(logger.folder) if "grad/norm" in row.values]
    assert found == pytest.approx([float(value) for value in seen], rel=1e-5)


@pytest.mark.parametrize("fused", [False, True])
def test_a_gradient_scaler_does_not_change_the_norm(tmp_path: Path, fused: bool) -> None:
    class Adam(Line):
        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=0.01, fused=fused)

    def norms(place: str, **options: Any) -> list[float]:
        logger = logger_in(tmp_path / place)
        trainer(logger, callbacks=[GradientNorm(every_n_steps=1)], limit_val_batches=0, **options).fit(Adam())
        return [row.values["grad/norm"] for row in rows(logger.folder) if "grad/norm" in row.values]

    scaler: Any = torch.amp.GradScaler("cpu", init_scale=64.0)  # type: ignore[attr-defined,unused-ignore]  # torch's
    scaled = norms("scaled", plugins=[MixedPrecision("16-mixed", "cpu", scaler)])
    assert scaled == pytest.approx(norms("plain"), rel=0.02)


def test_accumulated_gradients_are_measured_once_a_step(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    callbacks: list[Any] = [GradientNorm(every_n_steps=1), UpdateRatio(every_n_steps=1)]
    trainer(logger, callbacks=callbacks, accumulate_grad_batches=3, limit_val_batches=0).fit(Line(batches=8))
    for value in ("grad/norm", "update/ratio"):
        assert [step for _, _, step, _ in points(logger.folder, value)] == [0, 1, 2]


def test_the_ratio_is_that_of_the_weights_before_and_after(tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []

    class Seen(Line):
        def on_train_batch_start(self, batch: Any = None, batch_idx: int = 0) -> None:
            seen.append(torch.nn.utils.parameters_to_vector(self.parameters()).detach().clone())

        def on_train_end(self) -> None:
            self.on_train_batch_start()

    logger = logger_in(tmp_path)
    trainer(logger, callbacks=[UpdateRatio(every_n_steps=1)], limit_val_batches=0).fit(Seen())
    found = [row.values["update/ratio"] for row in rows(logger.folder) if "update/ratio" in row.values]
    expected = [float((new - old).norm() / old.norm()) for old, new in itertools.pairwise(seen)]
    assert found == pytest.approx(expected, rel=1e-4)


def test_norms_of_sparse_and_half_gradients_are_right() -> None:
    sparse = torch.sparse_coo_tensor(
        torch.tensor([[0, 0, 3]]), torch.tensor([3.0, 0.0, 4.0]), (5,), check_invariants=True
    )
    half = torch.full((4,), 60000.0, dtype=torch.float16)  # its norm is no half
    assert read(norms_of([sparse])) == [5.0]
    assert read(norms_of([half, torch.ones(9)])) == pytest.approx([120000.0, 3.0], rel=1e-3)


def test_rates_are_those_of_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch takes 2 s, the loader 0.5 s of them; an evaluation in between 100 s."""
    now = [1.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    class Timed(Words):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            now[0] += 1.5
            return super().training_step(batch, batch_idx)

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            now[0] += 50.0

        def train_dataloader(self) -> Any:
            loader = super().train_dataloader()
            inner = loader.collate_fn

            def slow(rows: Any) -> Any:
                now[0] += 0.5
                return inner(rows)

            loader.collate_fn = slow
            return loader

    logger, module = logger_in(tmp_path), Timed(batches=10)
    callbacks: list[Any] = [Throughput(every_n_steps=4, peak_flops=1e6), TimeLeft(every_n_steps=4)]
    trainer(logger, callbacks=callbacks, val_check_interval=5, max_epochs=2, num_sanity_val_steps=0).fit(
        module
    )
    found = {row.step: row.values for row in rows(logger.folder) if "throughput/steps_per_sec" in row.values}
    assert list(found) == [4, 8, 12, 16]
    assert found[4]["throughput/steps_per_sec"] == pytest.approx(4 / 8.0)
    assert found[4]["throughput/samples_per_sec"] == pytest.approx(4 * ROWS / 8.0)
    assert found[4]["throughput/tokens_per_sec"] == pytest.approx(4 * ROWS * (LENGTH - 2) / 8.0)
    assert found[4]["throughput/data_wait"] == pytest.approx(0.25)
    assert found[8]["throughput/steps_per_sec"] == pytest.approx(4 / 7.5)  # batch 5 is waited for by none
    assert found[8]["throughput/data_wait"] == pytest.approx(1.5 / 7.5)
    with FlopCounterMode(display=False) as counter:
        batch = next(iter(Words().train_dataloader()))
        torch.nn.functional.cross_entropy(
            module.head(module.body(batch["input_ids"])).flatten(0, 1), batch["input_ids"].flatten()
        ).backward()  # type: ignore[no-untyped-call]  # torch's
    assert found[4]["throughput/mfu"] == pytest.approx(4 * counter.get_total_flops() / 8.0 / 1e6)
    left = {row.step: row.values for row in rows(logger.folder) if "eta/epoch_s" in row.values}
    assert left[4]["eta/epoch_s"] == pytest.approx(5 * 2.0)  # nothing is known of evaluations
    assert left[8]["eta/epoch_s"] == pytest.approx(1 * 2.0 + 1 * 100.0)
    assert left[8]["eta/training_s"] == pytest.approx(11 * 2.0 + 3 * 100.0)
    assert left[16]["eta/training_s"] == pytest.approx(3 * 2.0 + 1 * 100.0)


@pytest.mark.parametrize(
    ("options", "batches"),
    [
        ({"max_epochs": 3}, 24),
        ({"max_steps": 6, "max_epochs": -1, "accumulate_grad_batches": 2}, 12),
        ({"max_steps": 3, "max_epochs": -1, "accumulate_grad_batches": 2}, 6),
    ],
)
def test_a_training_ends_when_time_left_says(tmp_path: Path, options: dict[str, Any], batches: int) -> None:
    ends, done = set(), []

    class Asked(TimeLeft):  # type: ignore[misc,unused-ignore]
        def measure(self, trainer: Any, module: Any) -> Any:
            ends.add(time_left.end_of_training(trainer))
            return {}

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *args: Any, **kwargs: Any) -> None:
            super().on_train_batch_end(trainer, pl_module)
            done.append(time_left.batches_done(trainer))

    asked: Any = Asked(every_n_steps=1)
    trainer(False, callbacks=[asked], limit_val_batches=0, **options).fit(Line(batches=8))
    assert ends == {batches}
    assert done == list(range(1, batches + 1))


def test_a_loss_that_jumps_is_told_once_and_stops_if_asked(tmp_path: Path, caplog: Any) -> None:
    logger = logger_in(tmp_path)
    watch = Numerics(every_n_steps=5, stop=True)
    one = trainer(logger, callbacks=[watch], limit_val_batches=0)
    one.fit(Words(batches=80, spoil={41: 50.0, 42: 50.0}))
    [alert] = of_kind(logger.folder, Alert)
    assert (alert.name, alert.level, alert.step) == ("numerics/spike", "warning", 41)
    assert one.global_step == 46, "the step after the look"
    assert [record.message for record in caplog.records if "jumped" in record.message]


def test_gradients_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    class Rooted(Words):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            zero = (self.head.bias[0] * 0).abs() if batch_idx == 3 else self.head.bias[0] ** 2 + 1
            return zero.sqrt()  # its slope at 0 is infinite, times 0

    logger = logger_in(tmp_path)
    trainer(logger, callbacks=[Numerics(every_n_steps=2)], limit_val_batches=0).fit(Rooted(batches=4))
    assert [alert.title for alert in of_kind(logger.folder, Alert)] == ["the norm of the gradients is nan"]


def test_noise_is_no_jump() -> None:
    chance = torch.Generator().manual_seed(0)
    steady = Spikes(10.0)
    heavy = torch.randn(5000, generator=chance).mul(1.5).exp()  # as of a converged classifier
    assert not any(steady.add(float(value)) for value in heavy)
    assert steady.add(1e9)


def test_histograms_are_those_of_numpy(tmp_path: Path) -> None:
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    spoilt = torch.cat([values, torch.tensor([math.inf, math.nan])])
    found = histograms({"a": values, "b": spoilt, "c": torch.ones(3), "d": torch.zeros(0)}, 10)
    counts, edges = np.histogram(values.numpy(), 10)
    assert found["a"].counts == counts.tolist()
    assert found["a"].edges == pytest.approx(edges.tolist(), rel=1e-5)
    assert found["b"].counts == found["a"].counts
    assert sum(found["c"].counts) == 3
    assert "d" not in found


def test_memory_is_what_the_backend_says() -> None:
    class Backend:
        memory_allocated = staticmethod(lambda device: 2e9)
        memory_reserved = staticmethod(lambda device: 3e9)
        max_memory_allocated = staticmethod(lambda device: 2.5e9)

    found = memory(Backend, "cuda:0")
    assert found == {"memory/allocated_gb": 2.0, "memory/reserved_gb": 3.0, "memory/peak_gb": 2.5}
    assert memory(torch.cpu, "cpu") == {}
    names = ("memory_allocated", "memory_reserved", "max_memory_allocated")
    assert all(hasattr(torch.cuda, name) for name in names), "torch's own names"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_nothing_waits_for_the_gpu_between_two_looks(tmp_path: Path) -> None:
    class Strict(pl.Callback):
        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
            torch.cuda.set_sync_debug_mode("error" if batch_idx % 4 == 2 else "default")

        def on_train_end(self, trainer: Any, module: Any) -> None:
            torch.cuda.set_sync_debug_mode("default")

    logger = logger_in(tmp_path)
    watching: list[Any] = [Throughput(every_n_steps=4), Numerics(every_n_steps=4), Strict()]
    trainer(logger, callbacks=watching, accelerator="gpu", limit_val_batches=0).fit(Words())
    assert points(logger.folder, "throughput/mfu") or points(logger.folder, "throughput/steps_per_sec")


def test_how_often_must_be_at_least_once() -> None:
    with pytest.raises(ValueError, match="`every_n_steps` must be at least 1 but got 0"):
        Histograms(every_n_steps=0)


def test_the_page_about_monitors_names_every_value_and_its_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2].joinpath("docs", "monitors.md").read_text()
    table = "\n".join(re.findall(r"^\| `.*", page, re.MULTILINE))
    for value in EVERY:
        general = re.sub(r"/(body|head)$", "/<part>", value)
        assert f"`{general}`" in table, value
    for kind in sorted({type(one).__name__ for one in monitors()} | {"TopLosses"}):
        assert f"| `{kind}` (`" in table, kind
    monkeypatch.chdir(tmp_path)
    use, own = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {"model": Words()}
    exec(use, names)
    exec(own, names)
    names["Weights"].every_n_steps = 6
    trainer(logger := logger_in(tmp_path), callbacks=[names["Weights"]()]).fit(Words())
    assert names["trainer"].global_step == 12
    assert points(logger.folder, "weights/largest") == [("train", "step", n, 0) for n in (0, 6)]
    shown = {(item.name, item.type) for item in of_kind(logger.folder, Media)}
    assert shown == {("weights/head", "histogram"), ("weights/sizes", "table")}
