"""Metrics by task, on what real splits look like: absent classes, one row, diverged models."""

import math

import pytest
import torch
from torch import Tensor
from torchmetrics.classification import MulticlassAUROC, MulticlassCalibrationError, MulticlassF1Score
from torchmetrics.regression import PearsonCorrCoef, R2Score, SpearmanCorrCoef

from etm_lightning.text.metrics import (
    WeightedMean,
    binary_metrics,
    multiclass_metrics,
    multilabel_metrics,
    regression_metrics,
)


def drawn(rows: int, classes: int) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(rows)
    scores = torch.rand(rows, classes, generator=chance).softmax(-1)
    return scores, torch.randint(0, classes, (rows,), generator=chance)


def test_multiclass_values_are_torchmetrics_own() -> None:
    scores, target = drawn(200, 4)
    metrics = multiclass_metrics(4)
    for part in (slice(0, 90), slice(90, 200)):
        metrics.update(scores[part], target[part])
    found = metrics.compute()
    assert found["auroc"].item() == pytest.approx(MulticlassAUROC(4)(scores, target).item(), abs=1e-6)
    error = MulticlassCalibrationError(4)(scores, target).item()
    assert found["calibration_error"].item() == pytest.approx(error, abs=1e-6)
    assert found["f1"] == MulticlassF1Score(4, average="macro")(scores, target)
    assert found["f1_micro"] == found["accuracy"]
    assert found["confusion"].sum() == 200


@pytest.mark.filterwarnings("ignore:Metric `SpearmanCorrcoef` will save")
def test_regression_values_are_torchmetrics_own() -> None:
    scores, target = torch.randn(50), torch.randn(50)
    metrics = regression_metrics()
    metrics.update(scores, target)
    found = metrics.compute()
    for name, metric in (("pearson", PearsonCorrCoef()), ("spearman", SpearmanCorrCoef()), ("r2", R2Score())):
        assert found[name].item() == pytest.approx(metric(scores, target).item(), abs=1e-5)


def test_absent_classes_and_single_rows_give_neither_warnings_nor_errors() -> None:
    for rows in (1, 3):
        scores = drawn(rows, 5)[0]
        ones = torch.zeros(rows, dtype=torch.long)
        multi, binary, several, real = (
            multiclass_metrics(5), binary_metrics(), multilabel_metrics(5), regression_metrics()
        )  # fmt: skip
        multi.update(scores, ones)
        binary.update(scores[:, 0], ones)
        several.update(scores, torch.zeros(rows, 5).long())
        real.update(torch.ones(rows), torch.ones(rows))
        for metrics in (multi, binary, several, real):
            metrics.compute()
        assert math.isnan(multi.compute()["auroc"])
        assert math.isfinite(multi.compute()["f1"])
        assert real.compute()["mae"] == 0


def test_a_diverged_model_costs_the_scores_not_the_run() -> None:
    metrics = multiclass_metrics(3)
    metrics.update(torch.full((4, 3), math.nan), torch.tensor([0, 1, 2, 0]))
    assert "auroc" not in metrics.compute()


def test_a_mean_loss_does_not_depend_on_the_order_of_batches() -> None:
    totals = torch.rand(100) * torch.logspace(-4, 3, 100)
    weights = torch.randint(1, 9, (100,))
    means = []
    for order in (torch.arange(100), torch.randperm(100)):
        mean = WeightedMean()
        for i in order.tolist():
            mean.update(totals[i], weights[i])
        means.append(mean.compute().item())
    assert means[0] == means[1]
    assert means[0] == pytest.approx(totals.double().sum().item() / weights.sum().item())
