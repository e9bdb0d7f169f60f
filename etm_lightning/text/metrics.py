"""What is measured for each task: torchmetrics collections, the same however the ranks share the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import (
    BinaryAccuracy,
    BinaryConfusionMatrix,
    BinaryF1Score,
    BinaryPrecision,
    BinaryRecall,
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
    MultilabelAccuracy,
    MultilabelExactMatch,
    MultilabelF1Score,
    MultilabelPrecision,
    MultilabelRecall,
)
from torchmetrics.functional import pearson_corrcoef, r2_score, spearman_corrcoef
from torchmetrics.functional.classification import binary_auroc, binary_calibration_error
from torchmetrics.utilities import dim_zero_cat

from etm_lightning.text.entities import EntityScore, Scheme

Task = Literal["multiclass", "binary", "multilabel", "regression"]
Measure = Callable[[Tensor, Tensor], dict[str, Tensor]]
UNDEFINED = float("nan")


def area_under_roc(scores: Tensor, target: Tensor) -> Tensor:
    """Average the one-versus-rest areas under the ROC curve over the classes that can have one.

    Args:
        scores: probabilities, float, shape (rows, classes), in [0, 1].
        target: 0 or 1, integer, shape (rows, classes).

    Returns:
        Scalar in [0, 1]; NaN where no class has both a positive and a negative row.

    Source: Hand and Till (2001), the one-versus-rest form; computed by torchmetrics.

    >>> area_under_roc(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), torch.tensor([[1, 0], [0, 0]])).item()
    1.0
    """
    areas = [
        binary_auroc(scores[:, c], target[:, c], validate_args=False)
        for c in range(scores.shape[1])
        if 0 < int(target[:, c].sum()) < len(target)
    ]
    return torch.stack(areas).double().mean() if areas else torch.tensor(UNDEFINED)


def measure_multiclass(scores: Tensor, target: Tensor) -> dict[str, Tensor]:
    """AUROC and expected calibration error (Guo et al., 2017; 15 bins) of class probabilities."""
    best, guess = scores.max(dim=1)
    hit = (guess == target).long()
    truth = torch.nn.functional.one_hot(target, scores.shape[1])
    return {"auroc": area_under_roc(scores, truth), "calibration_error": binary_calibration_error(best, hit)}


def measure_labels(scores: Tensor, target: Tensor) -> dict[str, Tensor]:
    """AUROC and calibration error of independent yes-or-no probabilities, shape (rows,) or (rows, labels)."""
    target = target.long()
    error = binary_calibration_error(scores.flatten(), target.flatten())
    return {"auroc": area_under_roc(scores.view(len(scores), -1), target.view(len(scores), -1)),
            "calibration_error": error}  # fmt: skip


def measure_regression(scores: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Errors and correlations of real-valued predictions, shape (rows,); NaN where variance is missing."""
    error = scores - target
    mse = error.square().mean()
    values = {"mae": error.abs().mean(), "mse": mse, "rmse": mse.sqrt()}
    undefined = torch.tensor(UNDEFINED)
    varied = len(target) > 1 and bool(target.std() > 0)
    related = varied and bool(scores.std() > 1e-6 * scores.abs().mean())
    values["r2"] = r2_score(scores, target) if varied else undefined
    values["pearson"] = pearson_corrcoef(scores, target) if related else undefined
    values["spearman"] = spearman_corrcoef(scores, target) if related else undefined
    return values


class Gathered(Metric):
    """A function of all rows of an epoch, for what cannot be summed: areas, correlations, calibration.

    Args:
        measure: function of predictions (float64) and targets of all ranks together, on the CPU.

    >>> metric = Gathered(measure_regression)
    >>> metric.update(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    >>> metric.compute()["mae"].item()
    1.0
    """

    is_differentiable = False
    full_state_update = False
    preds: list[Tensor]
    target: list[Tensor]

    def __init__(self, measure: Measure, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.measure = measure
        self.add_state("preds", [], dist_reduce_fx="cat")
        self.add_state("target", [], dist_reduce_fx="cat")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Keep a batch.

        Args:
            preds: probabilities or values, float, shape (batch,) or (batch, classes).
            target: class ids, 0/1 or values, shape (batch,) or (batch, classes).
        """
        self.preds.append(preds.detach())
        self.target.append(target)

    def compute(self) -> dict[str, Tensor]:
        """Apply the measure to all rows; nothing where a prediction is not finite."""
        preds, target = dim_zero_cat(self.preds).cpu().double(), dim_zero_cat(self.target).cpu()
        if not torch.isfinite(preds).all():
            return {}
        return self.measure(preds, target.double() if target.is_floating_point() else target)


class WeightedMean(Metric):
    """The mean of a loss over all rows of an epoch, the same for every order of batches and ranks.

    >>> loss = WeightedMean()
    >>> loss.update(torch.tensor(6.0), torch.tensor(3)); loss.update(torch.tensor(4.0), torch.tensor(1))
    >>> loss.compute().item()
    2.5
    """

    is_differentiable = False
    full_state_update = False
    totals: list[Tensor]
    weights: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("totals", [], dist_reduce_fx="cat")
        self.add_state("weights", [], dist_reduce_fx="cat")

    def update(self, total: Tensor, weight: Tensor) -> None:
        """Add a batch.

        Args:
            total: sum of the losses of the batch, scalar.
            weight: number (or summed weight) of its rows, scalar ≥ 0.
        """
        # one-dimensional, as ranks with one batch and with several must gather alike
        self.totals.append(total.detach().float().reshape(1))
        self.weights.append(weight.detach().float().reshape(1))

    def compute(self) -> Tensor:
        """Divide the sums, added in float64 and in order of size."""
        total, weight = (
            dim_zero_cat(some).cpu().double().sort()[0].sum() for some in (self.totals, self.weights)
        )
        return total / weight


def multiclass_metrics(classes: int) -> MetricCollection:
    """Metrics of one label out of several; `precision`, `recall` and `f1` are macro averages.

    Args:
        classes: number of classes, ≥ 2.

    Returns:
        Collection with accuracy, precision, recall, f1, f1_micro (equal to accuracy here), auroc,
        calibration_error and confusion (rows: truth). Classes absent from a split are left out of averages.

    >>> sorted(multiclass_metrics(3))
    ['accuracy', 'confusion', 'f1', 'f1_micro', 'gathered', 'precision', 'recall']
    """
    macro: dict[str, Any] = {"num_classes": classes, "average": "macro", "validate_args": False}
    return MetricCollection(
        {
            "accuracy": MulticlassAccuracy(classes, average="micro", validate_args=False),
            "precision": MulticlassPrecision(**macro),
            "recall": MulticlassRecall(**macro),
            "f1": MulticlassF1Score(**macro),
            "f1_micro": MulticlassF1Score(classes, average="micro", validate_args=False),
            "confusion": MulticlassConfusionMatrix(classes, validate_args=False),
            "gathered": Gathered(measure_multiclass),
        },
        compute_groups=False,
    )


def binary_metrics() -> MetricCollection:
    """Metrics of yes or no; precision, recall and f1 are those of the second label.

    >>> sorted(binary_metrics())
    ['accuracy', 'confusion', 'f1', 'gathered', 'precision', 'recall']
    """
    return MetricCollection(
        {
            "accuracy": BinaryAccuracy(validate_args=False),
            "precision": BinaryPrecision(validate_args=False),
            "recall": BinaryRecall(validate_args=False),
            "f1": BinaryF1Score(validate_args=False),
            "confusion": BinaryConfusionMatrix(validate_args=False),
            "gathered": Gathered(measure_labels),
        },
        compute_groups=False,
    )


def multilabel_metrics(labels: int) -> MetricCollection:
    """Metrics of any number of labels a row; `precision`, `recall` and `f1` are macro averages over labels.

    Args:
        labels: number of labels, ≥ 2.

    >>> sorted(multilabel_metrics(3))
    ['accuracy', 'exact_match', 'f1', 'f1_micro', 'gathered', 'precision', 'recall']
    """
    macro: dict[str, Any] = {"num_labels": labels, "average": "macro", "validate_args": False}
    return MetricCollection(
        {
            "accuracy": MultilabelAccuracy(labels, average="micro", validate_args=False),
            "exact_match": MultilabelExactMatch(labels, validate_args=False),
            "precision": MultilabelPrecision(**macro),
            "recall": MultilabelRecall(**macro),
            "f1": MultilabelF1Score(**macro),
            "f1_micro": MultilabelF1Score(labels, average="micro", validate_args=False),
            "gathered": Gathered(measure_labels),
        },
        compute_groups=False,
    )


def regression_metrics() -> MetricCollection:
    """MAE, MSE, RMSE, Pearson, Spearman and R² of real values.

    >>> sorted(regression_metrics())
    ['gathered']
    """
    return MetricCollection({"gathered": Gathered(measure_regression)}, compute_groups=False)


def tagging_metrics(labels: list[str], scheme: Scheme = "default") -> MetricCollection:
    """Entity scores (all and per type), and accuracy and confusion of single words.

    Args:
        labels: tag names in the order of their ids.
        scheme: see `entities`.

    >>> sorted(tagging_metrics(["O", "B-PER", "I-PER"]))
    ['accuracy', 'confusion', 'entity']
    """
    some: dict[str, Any] = {"num_classes": len(labels), "ignore_index": -100, "validate_args": False}
    return MetricCollection(
        {
            "entity": EntityScore(labels, scheme),
            "accuracy": MulticlassAccuracy(average="micro", **some),
            "confusion": MulticlassConfusionMatrix(**some),
        },
        compute_groups=False,
    )


def task_metrics(task: Task, classes: int) -> MetricCollection:
    """Give the collection of a task.

    Args:
        task: `multiclass`, `binary`, `multilabel` or `regression`.
        classes: number of labels; not used by `binary` and `regression`.
    """
    if task == "multiclass":
        return multiclass_metrics(classes)
    if task == "multilabel":
        return multilabel_metrics(classes)
    return binary_metrics() if task == "binary" else regression_metrics()
