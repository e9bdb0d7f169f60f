"""The two models, trained on tiny data: every task, checkpoints, freezing, schedules, errors."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from etm_lightning.text.conll import CoNLLData
from etm_lightning.text.encoders import load_encoder
from etm_lightning.text.modules import TextClassifier, TokenClassifier
from etm_lightning.text.optimization import factor
from etm_lightning.text.tables import CSVData
from tests.text.conftest import write_conll, write_csv, write_json_lines

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:The number of training batches",
)
Make = Callable[..., pl.Trainer]


@pytest.fixture
def news(tmp_path: Path, settings: dict[str, Any]) -> CSVData:
    return CSVData(str(write_csv(tmp_path / "all.csv", 120)), validation_share=0.2, **settings)


def test_a_classifier_learns_and_logs_by_the_agreed_names(news: CSVData, trainer: Make) -> None:
    pl.seed_everything(1, verbose=False)
    model = TextClassifier("tiny", lr=5e-3, **news.model_kwargs())
    fit = trainer(max_epochs=4)
    fit.fit(model, news)
    assert fit.callback_metrics["val/accuracy"] > 0.9
    assert "train/loss" in fit.callback_metrics
    tested = fit.test(model, news, verbose=False)[0]
    assert {"test/loss", "test/accuracy", "test/f1", "test/f1_micro", "test/auroc"} <= set(tested)
    assert "test/confusion" not in tested
    assert set(model.confusion) == {"validate", "test"}
    assert model.confusion["validate"].sum() == 24
    predictions: Any = fit.predict(model, news)
    rows = [row for batch in predictions for row in batch]
    assert [row["row"] for row in rows] == list(range(12))
    assert rows[0]["label"] in news.labels
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("task", ["binary", "multilabel", "regression"])
def test_every_task_trains(task: Any, tmp_path: Path, settings: dict[str, Any], trainer: Make) -> None:
    labels: dict[str, Callable[[int], Any]] = {
        "binary": lambda i: "ab"[i % 2],
        "multilabel": lambda i: ["a", "b", "a|b", ""][i % 4],
        "regression": lambda i: i % 7,
    }
    rows = [{"text": f"text {i}", "label": labels[task](i)} for i in range(60)]
    data = CSVData(str(write_json_lines(tmp_path / "a.jsonl", rows)), task=task, **settings)
    kwargs = data.model_kwargs()
    if task != "regression":
        kwargs["class_weights"] = [1.0, 2.0]
    model = TextClassifier("tiny", task=task, pooling="cls", schedule="cosine", **kwargs)
    fit = trainer()
    fit.fit(model, data)
    wanted = {"val/mae", "val/r2"} if task == "regression" else {"val/f1", "val/auroc", "val/accuracy"}
    assert wanted | {"val/loss"} <= set(fit.callback_metrics)
    predictions: Any = fit.predict(model, data)
    assert len([row for batch in predictions for row in batch]) == 6


@pytest.mark.parametrize("alignment", ["first", "all"])
def test_a_tagger_learns_entities(
    alignment: Any, tmp_path: Path, settings: dict[str, Any], trainer: Make
) -> None:
    pl.seed_everything(1, verbose=False)
    for i, name in enumerate(("train", "dev", "test")):
        write_conll(tmp_path / f"{name}.conll", 80, seed=i)
    data = CoNLLData(dir=str(tmp_path), label_alignment=alignment, **settings)
    model = TokenClassifier("tiny", lr=1e-2, scheme="strict", **data.model_kwargs())
    fit = trainer(max_epochs=4)
    fit.fit(model, data)
    tested = fit.test(model, data, verbose=False)[0]
    assert tested["test/f1_PER"] > 0.9
    assert {"test/f1", "test/precision_LOC", "test/recall", "test/accuracy"} <= set(tested)
    words = [len(row.text) for row in data.rows["test"]]
    assert model.confusion["test"].sum() == sum(words)
    predictions: Any = fit.predict(model, data)
    assert [len(row["tags"]) for batch in predictions for row in batch] == words


def test_a_checkpoint_loads_with_nothing_but_itself(news: CSVData, trainer: Make, tmp_path: Path) -> None:
    model = TextClassifier("tiny", class_weights=[1.0, 2.0, 1.0], labels=news.labels)
    fit = trainer()
    fit.fit(model, news)
    fit.save_checkpoint(tmp_path / "a.ckpt")
    held = torch.load(tmp_path / "a.ckpt", weights_only=True)
    held["hyper_parameters"]["encoder"] = "./gone"
    torch.save(held, tmp_path / "b.ckpt")
    loaded = TextClassifier.load_from_checkpoint(tmp_path / "b.ckpt", weights_only=True)
    assert loaded.labels == news.labels
    assert "encoder_config" not in loaded.hparams
    batch = next(iter(news.val_dataloader()))
    assert isinstance(batch, dict)
    assert torch.equal(model.eval()(batch), loaded.eval()(batch))
    news_fit = trainer(max_epochs=2)
    news_fit.fit(model.train(), news, ckpt_path=tmp_path / "a.ckpt", weights_only=True)
    assert news_fit.global_step == 2 * fit.global_step


def test_biases_and_norms_have_no_decay_and_lower_layers_lower_rates(news: CSVData, trainer: Make) -> None:
    model = TextClassifier("tiny", lr=1e-3, layer_decay=0.5, weight_decay=0.1, labels=news.labels)
    trainer().fit(model, news)
    optimizer: Any = model.optimizers()
    groups = optimizer.param_groups
    for group in groups:
        assert all((p.ndim > 1) == (group["weight_decay"] > 0) for p in group["params"])
    assert {group["initial_lr"] for group in groups} == {1e-3, 5e-4, 2.5e-4, 1.25e-4}
    assert all(group["lr"] == 0 for group in groups)  # the schedule has ended


def test_frozen_layers_stay_as_they_are(news: CSVData, trainer: Make) -> None:
    model = TextClassifier("tiny", lr=1e-2, freeze=1, labels=news.labels)
    before = {name: p.clone() for name, p in model.encoder.named_parameters()}
    trainer().fit(model, news)
    changed = {name for name, p in model.encoder.named_parameters() if not torch.equal(p, before[name])}
    assert changed
    assert all(name.startswith("encoder.layer.1.") for name in changed)
    counts = model.parameter_counts()
    assert counts["trainable"] < counts["encoder"] < counts["total"]


def test_no_step_leaves_the_embeddings_unless_frozen() -> None:
    free = TextClassifier("tiny", labels=["a", "b"])
    used = [p for name, p in free.encoder.named_parameters() if "pooler" not in name]
    assert all(p.requires_grad for p in used)


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant"])
def test_schedules_rise_then_never_rise_again(kind: Any) -> None:
    values = [factor(kind, 10, 100)(step) for step in range(101)]
    assert values[:11] == pytest.approx([step / 10 for step in range(11)])
    assert all(a >= b for a, b in itertools.pairwise(values[10:]))
    assert values[-1] == pytest.approx(1.0 if kind == "constant" else 0.0)


def test_bad_arguments_are_named_with_their_cure() -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("`model.labels` must be at least two names for task=multiclass but got None", {}),
        ("did you mean 'multiclass'", {"task": "multi-class"}),
        ("`model.pooling` must be 'mean' or 'cls' but got 'max'", {"labels": ["a", "b"], "pooling": "max"}),
        ("`model.lr` must be > 0 but got 0", {"labels": ["a", "b"], "lr": 0}),
        (r"`model.freeze` must be in \[0, 2\]", {"labels": ["a", "b"], "freeze": 7}),
        (r"`model.warmup` must be a share in \[0.0, 1.0\]", {"labels": ["a", "b"], "warmup": 1.5}),
        ("`model.schedule` must be 'linear'", {"labels": ["a", "b"], "schedule": "step"}),
        (r"`model.class_weights` must have 2 values", {"labels": ["a", "b"], "class_weights": [1.0]}),
    ]
    for message, options in cases:
        with pytest.raises(ValueError, match=message):
            TextClassifier("tiny", **options)


def test_a_missing_model_without_network_is_one_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError) as caught:
        load_encoder("minlm")
    text = str(caught.value)
    assert "`model.encoder` must be" in text
    assert "did you mean 'minilm'" in text.lower()
    assert "Cure:" in text
    assert len(text) < 500
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_the_whole_model_is_in_training_mode_so_that_dropout_works() -> None:
    for encoder in ("tiny", "minilm"):
        module = TextClassifier(encoder, labels=["no", "yes"], task="binary")
        assert all(part.training for part in module.modules())
