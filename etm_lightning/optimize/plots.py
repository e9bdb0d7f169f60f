"""Pictures of a study, Optuna's own: how it went, what mattered, and what went well together."""

from __future__ import annotations

import base64
import importlib.util
import io
import warnings
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from etm_lightning.design.config import nearest
from etm_lightning.optimize.folder import StudyFolder
from etm_lightning.optimize.opened import opened
from etm_lightning.track.shipping.cursors import replace

KINDS = {
    "history": "plot_optimization_history",
    "importance": "plot_param_importances",
    "slice": "plot_slice",
    "parallel": "plot_parallel_coordinate",
    "contour": "plot_contour",
    "curves": "plot_intermediate_values",
    "pareto": "plot_pareto_front",
}
EVALUATORS = {
    "ped-anova": "PedAnovaImportanceEvaluator",
    "fanova": "FanovaImportanceEvaluator",
    "mdi": "MeanDecreaseImpurityImportanceEvaluator",
}
ENDS = (".html", ".png", ".svg", ".pdf")


def importance(folder: StudyFolder, evaluator: str = "ped-anova") -> dict[str, float]:
    """How much each parameter mattered to the objective, the most first; they come to 1.

    Args:
        folder: of the study.
        evaluator: ``ped-anova`` (Watanabe et al., 2023), ``fanova`` (Hutter et al., 2014) or ``mdi``; the
            latter two need scikit-learn, and leave out what varies only under a condition.

    Raises:
        ValueError: if too few trials finished to tell, or the evaluator is none.
    """
    study = opened(folder)
    _refuse_few(study)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = _importances(study, evaluator)
    return {str(name): float(share) for name, share in found.items()}


def plot(folder: StudyFolder, kind: str, file: Path, evaluator: str = "ped-anova") -> Path:
    """Draw a study into a file.

    Args:
        folder: of the study.
        kind: one of `KINDS`.
        file: ``.html`` (interactive where plotly is installed), ``.png``, ``.svg`` or ``.pdf``.
        evaluator: as of `importance`.

    Returns:
        The file.

    Raises:
        ImportError: without Optuna or matplotlib.
        ValueError: if there is no such kind, or nothing to draw yet.
    """
    if kind not in KINDS:
        raise ValueError(f"`--kind` must be one of {', '.join(KINDS)} but got {kind!r}{nearest(kind, KINDS)}")
    if file.suffix not in ENDS:
        raise ValueError(f"`--output` must end in {', '.join(ENDS)} but got {file.name!r}")
    study = opened(folder)
    _refuse_few(study)
    if kind == "pareto" and len(study.directions) < 2:
        raise ValueError("`--kind pareto` needs a study of two or more objectives; this one has one")
    if kind == "curves" and not any(trial.intermediate_values for trial in study.get_trials(deepcopy=False)):
        raise ValueError("`--kind curves` needs a study with a pruner; etm report draws the curves of any")
    file.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls all of them experimental
        replace(file, _drawn(study, folder, kind, file.suffix, evaluator))
    return file


def _drawn(study: Any, folder: StudyFolder, kind: str, end: str, evaluator: str) -> bytes:
    options: dict[str, Any] = {}
    name = folder.about().goal.title
    if kind == "importance":
        options = {"evaluator": _evaluator(study, evaluator)}
    elif kind != "pareto" and kind != "curves":
        options = {"target_name": name}
    if kind in ("history", "importance", "slice", "parallel", "contour") and len(study.directions) > 1:
        options |= {"target": lambda trial: trial.values[0]}
    if end == ".html" and importlib.util.find_spec("plotly") is not None:
        from optuna import visualization

        figure = getattr(visualization, KINDS[kind])(study, **options)
        return str(figure.to_html(include_plotlyjs=True)).encode()
    picture = _picture(KINDS[kind], study, options, "svg" if end == ".html" else end[1:], folder.id)
    return picture if end != ".html" else _page(f"{folder.id}: {kind}", picture)


def _picture(name: str, study: Any, options: dict[str, Any], format: str, title: str) -> bytes:
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise ImportError(
            "a picture of a study needs matplotlib: pip install 'etm-lightning[search]'"
        ) from error
    mpl.use("Agg")
    from optuna.visualization import matplotlib as drawing

    draw: Callable[..., Any] = getattr(drawing, name)
    with mpl.rc_context({"svg.fonttype": "none"}):
        return _saved(draw(study, **options), name == "plot_slice", format, title)


def _saved(axes: Any, slices: bool, format: str, title: str) -> bytes:
    from matplotlib import pyplot

    first = axes if not hasattr(axes, "flat") else axes.flat[0]
    wide = 3.2 * getattr(axes, "size", 1) if slices else 0.0
    figure = first.figure
    figure.set_size_inches(max(9.0, wide), 9.0 if hasattr(axes, "ndim") and axes.ndim > 1 else 5.0)
    figure.suptitle(title, fontsize="small")
    file = io.BytesIO()
    figure.savefig(file, format=format, dpi=130, bbox_inches="tight")
    pyplot.close(figure)
    return file.getvalue()


def _page(title: str, picture: bytes) -> bytes:
    """A page that needs nothing else."""
    source = base64.b64encode(picture).decode()
    style = "body{margin:2rem;font-family:sans-serif}img{max-width:100%}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<style>{style}</style><img alt="{escape(title)}" src="data:image/svg+xml;base64,{source}"></html>\n'
    ).encode()


def _evaluator(study: Any, name: str) -> Any:
    from optuna import importance as measures

    if name not in EVALUATORS:
        raise ValueError(f"`--evaluator` must be one of {', '.join(EVALUATORS)} but got {name!r}")
    try:
        return getattr(measures, EVALUATORS[name])(**({} if name == "ped-anova" else {"seed": 0}))
    except ModuleNotFoundError as error:
        raise ImportError(f"`--evaluator {name}` needs scikit-learn: pip install scikit-learn") from error


def _importances(study: Any, evaluator: str) -> dict[str, float]:
    from optuna.importance import get_param_importances

    target = (lambda trial: trial.values[0]) if len(study.directions) > 1 else None
    found: dict[str, float] = get_param_importances(
        study, evaluator=_evaluator(study, evaluator), target=target
    )
    return found


def _refuse_few(study: Any) -> None:
    from optuna.trial import TrialState

    n = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    if n < 2:
        raise ValueError(f"a study needs two finished trials to be drawn, and this one has {n}")
