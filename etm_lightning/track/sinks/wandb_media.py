"""Media as W&B shows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from etm_lightning.records import Artifact, Media, Text
from etm_lightning.track.sinks.wandb_names import artifact_name

_CHARTS = {
    "confusion_matrix": ("wandb/confusion_matrix/v1", ("Actual", "Predicted", "nPredictions")),
    "pr_curve": ("wandb/area-under-curve/v0", ("recall", "precision")),
    "roc_curve": ("wandb/area-under-curve/v0", ("fpr", "tpr")),
}
_AXES = {
    "recall": "Recall",
    "precision": "Precision",
    "fpr": "False positive rate",
    "tpr": "True positive rate",
}


def shown(media: Media, path: Path) -> Any:
    """What W&B shows for a picture, table, curve, page, sound or film; for other files None.

    Args:
        media: the record.
        path: of the file.

    Raises:
        Exception: whatever the file, or W&B's class for it, has against it.
    """
    import wandb

    caption = str(media.info.get("caption") or "") or None
    kind, suffix = media.type, path.suffix.lower()
    film: Any = suffix[1:]
    if kind in ("image", "figure") and suffix != ".json":
        return wandb.Image(str(path), caption=caption)
    if kind in ("figure", "plotly"):
        return wandb.Plotly(msgspec.json.decode(path.read_bytes()))
    if kind == "html":
        return wandb.Html(path.read_text(), inject=False)
    if kind == "audio":
        return wandb.Audio(str(path), caption=caption)
    if kind == "video":
        return wandb.Video(str(path), caption=caption, format=film)
    if suffix != ".json":
        return None
    content = msgspec.json.decode(path.read_bytes())
    return _drawn(media, content) if isinstance(content, dict) else None


def text(record: Text) -> Any:
    """A text, as a table of one row."""
    import wandb

    return wandb.Table(columns=["step", "text"], data=[[record.step, record.text]])


def artifact(record: Artifact, path: Path, run_id: str) -> Any:
    """A version of an artifact with the file in it, which is not copied."""
    import wandb

    name = (
        f"model-{run_id}" if record.type == "model" and record.name in ("model", path.name) else record.name
    )
    made = wandb.Artifact(artifact_name(name), type=record.type or "file", metadata=dict(record.info))
    if path.is_dir():
        made.add_dir(str(path), policy="immutable", skip_cache=True)
    else:
        made.add_file(str(path), policy="immutable", skip_cache=True)
    return made


def _drawn(media: Media, content: Mapping[str, Any]) -> Any:
    import wandb

    kind = media.type
    if kind == "histogram":
        return wandb.Histogram(np_histogram=(content["counts"], content["edges"]))
    if kind == "table":
        return wandb.Table(columns=content["columns"], data=content["rows"], allow_mixed_types=True)
    if kind not in _CHARTS:
        return None
    chart, columns = _CHARTS[kind]
    strings = {"title": media.name}
    if kind == "confusion_matrix":
        rows = [
            [actual, predicted, count]
            for actual, counts in zip(content["labels"], content["counts"], strict=True)
            for predicted, count in zip(content["labels"], counts, strict=True)
        ]
        fields = {column: column for column in columns}
    else:
        x, y = columns
        rows = [
            [str(curve.get("label", number)), *point]
            for number, curve in enumerate(content["curves"])
            for point in zip(curve[x], curve[y], strict=True)
        ]
        columns = ("class", x, y)
        fields = {"x": x, "y": y, "class": "class"}
        strings |= {"x-axis-title": _AXES[x], "y-axis-title": _AXES[y]}
    table = wandb.Table(columns=list(columns), data=rows)
    return wandb.plot_table(chart, table, fields, strings)
