"""What the logger knows of a model: its parts, its graph, its checkpoints, and where the Trainer is."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.types import STEP_OUTPUT
from torch import Tensor, nn

from etm_lightning.records import Alert, Artifact, Media, Params, Text
from etm_lightning.track.media.placed import Placed
from tests.track.lines import QUIET, Line, ends, logger_in, of_kind, points, trainer
from tests.track.test_media import PIXELS, pixels
from tests.track.test_run import content

pytestmark = QUIET


def fitted(folder: Path, log_model: Any, model: Line | None = None, **options: Any) -> Any:
    """The logger of a training of three epochs with a ModelCheckpoint."""
    logger = logger_in(folder / "store", log_model=log_model)
    kept = ModelCheckpoint(
        dirpath=folder / "checkpoints", filename="{epoch}", **{"monitor": "val/loss", **options}
    )
    run = trainer(logger, max_epochs=3, callbacks=[kept], enable_checkpointing=True)
    with contextlib.suppress(RuntimeError, KeyboardInterrupt, SystemExit):
        run.fit(model or Line())
    return logger


def versions(logger: Any) -> list[tuple[str, tuple[str, ...]]]:
    """File and aliases of each version of the model."""
    found = of_kind(logger.folder, Artifact)
    assert {(artifact.name, artifact.type) for artifact in found} <= {("model", "model")}
    for artifact in found:
        if os.path.exists(artifact.path):
            digest = hashlib.sha256(Path(artifact.path).read_bytes()).hexdigest()
            assert artifact.sha256 in (digest, "")
    return [(Path(artifact.path).stem, artifact.aliases) for artifact in found]


BEST, LATEST = ("latest", "best"), ("latest",)


@pytest.mark.parametrize(
    ("log_model", "options", "expected"),
    [
        (False, {}, []),
        (True, {}, [("epoch=2", BEST)]),
        (True, {"mode": "max"}, [("epoch=0", BEST)]),
        (True, {"mode": "max", "save_last": True}, [("epoch=0", BEST), ("last", LATEST)]),
        (True, {"save_last": "link"}, [("epoch=2", BEST)]),
        (True, {"save_top_k": 2}, [("epoch=1", LATEST), ("epoch=2", BEST)]),
        (True, {"save_top_k": -1}, [("epoch=0", BEST), ("epoch=1", BEST), ("epoch=2", BEST)]),
        ("all", {}, [("epoch=0", BEST), ("epoch=1", BEST), ("epoch=2", BEST)]),
        (
            "all",
            {"mode": "max", "save_top_k": 3},
            [("epoch=0", BEST), ("epoch=1", LATEST), ("epoch=2", LATEST)],
        ),
    ],
)
def test_log_model_follows_the_checkpoints(
    log_model: Any, options: dict[str, Any], expected: Any, tmp_path: Path
) -> None:
    logger = fitted(tmp_path, log_model, **options)
    assert versions(logger) == expected
    assert ends(logger.folder) == ["finished"]
    assert logger.failures == 0


def test_an_artifact_of_a_checkpoint_tells_how_good_it_is(tmp_path: Path) -> None:
    logger = fitted(tmp_path, True)
    [artifact] = of_kind(logger.folder, Artifact)
    score = artifact.info.pop("score")
    assert 0 < score < 10
    assert artifact.info == {
        "monitor": "val/loss",
        "mode": "min",
        "step": 12,
        "epoch": 2,
        "original_filename": "epoch=2.ckpt",
    }


class Ending(Line):
    """A training that ends early, in its own way."""

    def __init__(self, how: type[BaseException]) -> None:
        super().__init__()
        self.how = how

    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 2:
            raise self.how("enough")


@pytest.mark.parametrize(
    ("how", "status"), [(RuntimeError, "failed"), (KeyboardInterrupt, "interrupted"), (SystemExit, "failed")]
)
def test_a_training_that_fails_has_its_models_as_well(how: Any, status: str, tmp_path: Path) -> None:
    logger = fitted(tmp_path, True, Ending(how))
    assert versions(logger) == [("epoch=1", BEST)]
    assert ends(logger.folder) == [status]


def test_a_checkpoint_callback_that_cannot_be_asked_does_not_keep_the_run_open(tmp_path: Path) -> None:
    class Odd(ModelCheckpoint):
        def on_train_end(self, *_: Any) -> None:
            self.best_k_models = None  # type: ignore[assignment]  # what a stranger's subclass may do

    logger = logger_in(tmp_path / "store", log_model=True)
    kept = Odd(dirpath=tmp_path / "checkpoints")
    trainer(logger, callbacks=[kept], enable_checkpointing=True).fit(Line())
    assert (ends(logger.folder), logger.failures) == (["finished"], 1)


def test_a_second_training_is_a_run_of_its_own_and_so_are_its_models(tmp_path: Path) -> None:
    logger = logger_in(tmp_path / "store", log_model=True)
    for name in ("a", "b"):
        kept = ModelCheckpoint(dirpath=tmp_path / "checkpoints", filename=name)
        trainer(logger, callbacks=[kept], enable_checkpointing=True).fit(Line())
        assert [found for found, _ in versions(logger)] == [name]
        assert ends(logger.folder) == ["finished"]


class Net(pl.LightningModule):
    """Two layers, one of them frozen, and an input to try it with."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(8))
        self.head = nn.Linear(8, 1).requires_grad_(False)
        self.example_input_array = torch.zeros(2, 4)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.body(x))


class Branching(Net):
    """What it does depends on its input."""

    def forward(self, x: Tensor) -> Any:
        return super().forward(x if x.sum() > 5 else x + 1)


def test_the_parts_of_a_model_are_recorded_once(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    for _ in range(2):
        trainer(logger).fit(Line())
    [summary] = [text for text in of_kind(logger.folder, Text) if text.name == "model/summary"]
    assert [line.split() for line in summary.text.splitlines()] == [
        ["name", "type", "parameters"],
        ["line", "Linear", "2"],
        [],
        ["2", "parameters,", "of", "which", "2", "are", "trained"],
    ]
    [facts] = [item.params for item in of_kind(logger.folder, Params) if item.about == "model"]
    assert facts == {"class": "tests.track.lines.Line", "total": 2, "trainable": 2}


def test_the_numbers_of_parameters_are_those_of_lightning(tmp_path: Path) -> None:
    from lightning.pytorch.utilities.model_summary.model_summary import ModelSummary

    from etm_lightning.track.media.graph import summary

    module = Net()
    module.lazy = nn.LazyLinear(3)
    theirs = ModelSummary(Net(), max_depth=2)
    text, facts = summary(module)
    assert (facts["total"], facts["trainable"]) == (theirs.total_parameters, theirs.trainable_parameters)
    names = [line.split()[0] for line in text.splitlines()[1:-2]]
    assert names == [*theirs.layer_names, "lazy"]


@pytest.mark.parametrize("kind", [Net, Branching])
def test_a_graph_is_recorded_where_it_is_wanted_and_changes_nothing(kind: Any, tmp_path: Path) -> None:
    logger = logger_in(tmp_path, log_graph=True)
    module = kind()
    module.trainer = trainer(logger)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    torch.manual_seed(1)
    logger.log_graph(module)
    logger.log_graph(module)
    seen, _ = torch.rand(3), torch.manual_seed(1)
    assert seen.tolist() == torch.rand(3).tolist()
    assert all(part.training for part in module.modules())
    assert all((before[name] == value).all() for name, value in module.state_dict().items())
    logger.log_metrics({"a": 1.0}, 0)
    logger.finalize("success")
    [media] = of_kind(logger.folder, Media)
    assert (media.name, media.type) == ("model/graph", "graph")
    nodes = content(logger.run, media)["nodes"]
    operations = [node["op"].lower() for node in nodes]
    assert [op for op in operations if op in ("linear", "relu")] == ["linear", "relu", "linear"]
    names = {node["name"] for node in nodes}
    last = next(node for node in reversed(nodes) if node["op"].lower() == "linear")
    assert set(last["inputs"]) & names


@pytest.mark.parametrize("wanted", [False, True])
def test_lightning_asks_for_the_graph_itself(wanted: bool, tmp_path: Path) -> None:
    class Example(Line):
        def forward(self, x: Tensor) -> Any:
            return self.line(x)

    model = Example()
    model.example_input_array = torch.zeros(1, 1)
    logger = logger_in(tmp_path, log_graph=wanted)
    trainer(logger).fit(model)
    assert [media.type for media in of_kind(logger.folder, Media)] == ["graph"] * wanted
    assert logger.failures == 0


def test_a_graph_that_cannot_be_read_is_told_and_nothing_more(tmp_path: Path) -> None:
    logger = logger_in(tmp_path, log_graph=True)
    model = Line()  # has no forward
    model.example_input_array = torch.zeros(1, 1)
    trainer(logger).fit(model)
    assert ends(logger.folder) == ["finished"]
    assert logger.run.rejected == 1
    assert "graph 'model/graph'" in of_kind(logger.folder, Alert)[0].text


class Showing(Line):
    """Logs one of each while it trains and while it validates."""

    def training_step(self, batch: Any, batch_idx: int) -> STEP_OUTPUT:
        if batch_idx == 1:
            self.show("train")
        return super().training_step(batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        self.show("val")

    def show(self, name: str) -> None:
        logger: Any = self.logger
        logger.log_image(f"{name}/image", [PIXELS, PIXELS], caption=["a", "b"])
        logger.log_histogram(f"{name}/histogram", self.line.weight)


def test_what_is_shown_stands_where_the_trainer_is(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    trainer(logger, max_epochs=2, num_sanity_val_steps=2).fit(Showing())
    found = [(m.name, (m.stage, "step", m.step, m.epoch)) for m in of_kind(logger.folder, Media)]
    train, validate = (points(logger.folder, f"{name}/loss") for name in ("train", "val"))
    assert found == [
        (f"{name}/{type}", place)
        for epoch in (0, 1)
        for name, place in (("train", train[4 * epoch + 1]), ("val", validate[epoch]))
        for type in ("image", "image", "histogram")
    ]
    assert logger.failures == 0


def test_the_calls_of_a_wandb_logger_are_understood(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    logger.log_image(key="image", images=[PIXELS, PIXELS], step=3, caption=["a", "b"])
    logger.log_image("one", [PIXELS], 4)
    logger.log_table("table", ["a"], [[1]])
    logger.log_table(key="frame", dataframe=pd.DataFrame({"a": [1]}), step=1)
    logger.log_text(key="texts", columns=["a"], data=[["x"]])
    logger.log_text("more", ["a"], [["x"]])
    logger.log_text("text", "plain")
    logger.log_audio("audio", [np.zeros(8)], sample_rate=[8], caption=["c"])
    logger.finalize("success")
    found = {media.name: media for media in of_kind(logger.folder, Media)}
    assert {name: media.type for name, media in found.items()} == {
        "image": "image",
        "one": "image",
        "table": "table",
        "frame": "table",
        "texts": "table",
        "more": "table",
        "audio": "audio",
    }
    assert (found["image"].step, found["one"].step, found["frame"].step) == (3, 4, 1)
    assert pixels((logger.folder.path / found["one"].file).read_bytes()).tolist() == PIXELS.tolist()
    for name in ("table", "frame"):
        assert content(logger.run, found[name]) == {"columns": ["a"], "rows": [[1]]}
    assert [text.text for text in of_kind(logger.folder, Text)] == ["plain"]
    assert (logger.failures, logger.run.rejected) == (0, 0)


def test_the_page_about_media_names_every_method_and_its_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2].joinpath("docs", "media.md").read_text()
    methods = {name for name in vars(Placed) if name.startswith("log_")}
    assert set(re.findall(r"`(log_\w+)`", "\n".join(re.findall(r"^\| .*", page, re.MULTILINE)))) == methods
    monkeypatch.chdir(tmp_path)
    Path("vocab.txt").write_text("a")
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], names)
    logger = names["logger"]
    assert len(of_kind(logger.folder, Media)) == 9
    assert len(of_kind(logger.folder, Artifact)) == len(of_kind(logger.folder, Text)) == 1
    assert (logger.failures, logger.run.rejected) == (0, 0)


def test_the_logger_has_each_method_of_the_run_and_never_raises(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    curve = ([0, 1], [0.1, 0.9])
    page = tmp_path / "film.mp4"
    page.write_bytes(b"film")
    logger.log_figure("f", 5)
    logger.log_confusion_matrix("c", ["a", "b"], [[1, 0], [0, 1]])
    logger.log_pr_curve("p", *curve)
    logger.log_roc_curve("r", *curve, labels=["no", "yes"])
    logger.log_html("h", "<p>")
    logger.log_video("v", page)
    logger.log_artifact(page, "film", aliases=["x"])
    logger.log_image("i", PIXELS, masks=[1])
    logger.log_audio("a", 5)
    logger.finalize("success")
    types = {media.type for media in of_kind(logger.folder, Media)}
    assert types == {"confusion_matrix", "pr_curve", "roc_curve", "html", "video"}
    assert of_kind(logger.folder, Artifact)[0].aliases == ("x",)
    assert (logger.run.rejected, logger.failures) == (3, 0)
