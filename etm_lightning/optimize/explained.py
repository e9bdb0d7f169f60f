"""What a study teaches: which parameters mattered, and where the best run errs."""

from __future__ import annotations

from etm_lightning.evaluate.errors import class_errors
from etm_lightning.optimize.folder import StudyFolder
from etm_lightning.optimize.plots import importance
from etm_lightning.store.run import StoredRun

_CLASSES = 10


def explanation(folder: StudyFolder, run: StoredRun | None) -> list[str]:
    """The lesson of a study, in lines.

    Args:
        folder: of the study.
        run: its best run.
    """
    return [*_mattered(folder), *([] if run is None else _errs(run))]


def _mattered(folder: StudyFolder) -> list[str]:
    try:
        found = importance(folder)
    except ValueError as error:
        return [f"what mattered cannot be told: {error}"]
    told = " · ".join(f"{name} {share:.0%}" for name, share in found.items() if share >= 0.005)
    return [f"what mattered (PED-ANOVA): {told}" if told else "what mattered: nothing more than chance"]


def _errs(run: StoredRun) -> list[str]:
    name, classes = class_errors(run)
    if not classes:
        return [f"run {run.id} recorded no confusion matrix: its errors by class are not known"]
    width = max(len(one.label) for one in classes)
    lines = [f"where run {run.id} errs ({name}):"]
    for one in classes[:_CLASSES]:
        mostly = f", mostly taken for {one.mostly}" if one.wrong else ""
        lines.append(f"  {one.label:{width}}  {one.wrong} of {one.n} wrong ({one.share:.1%}){mostly}")
    if len(classes) > _CLASSES:
        lines.append(f"  … and {len(classes) - _CLASSES} classes with fewer errors")
    return lines
