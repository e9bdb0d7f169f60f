"""A run with one of everything that can be shown, its media written as any `Run` may write them."""

from __future__ import annotations

import hashlib
import io
import math
import time
import wave
from pathlib import Path
from typing import Any

import msgspec

from etm_lightning import Run
from etm_lightning.layout import RunFolder
from etm_lightning.records import Media
from etm_lightning.track.sinks.pictures import heat_map

PNG = heat_map([[3, 1], [0, 4]])
HISTOGRAM = {"counts": [1, 5, 9, 4, 1], "edges": [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]}
CURVE = {
    "label": "spam",
    "precision": [0.5, 0.6666666666666666, 1.0, 1.0, 1.0],
    "recall": [1.0, 1.0, 1.0, 0.5, 0.0],
    "thresholds": [0.1, 0.35, 0.4, 0.8],
    "average_precision": 1.0,
}
ROC = {"label": "spam", "fpr": [0.0, 0.5, 1.0], "tpr": [0.0, 1.0, 1.0], "thresholds": [1.0, 0.4, 0.1]}
GRAPH = {
    "nodes": [
        {"name": "input", "op": "Placeholder", "inputs": []},
        {"name": "encoder/linear", "op": "Linear", "inputs": ["input"]},
        {"name": "head", "op": "Linear", "inputs": ["encoder/linear"]},
    ]
}


def tone(seconds: float = 0.1, rate: int = 8000) -> bytes:
    """A WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(rate)
        samples = (int(9000 * math.sin(i / 5)) for i in range(int(rate * seconds)))
        audio.writeframes(b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples))
    return file.getvalue()


def show(run: Run, name: str, type: str, content: Any, step: int | None = None) -> Path:
    """Record a medium: bytes as they are, all else as JSON."""
    data = content if isinstance(content, bytes) else msgspec.json.encode(content)
    digest = hashlib.sha256(data).hexdigest()
    suffix = "bin" if isinstance(content, bytes) else "json"
    record = Media(
        time=time.time(),
        name=name,
        type=type,
        file=f"media/{digest}.{suffix}",
        sha256=digest,
        size=len(data),
        step=step,
        stage="validate",
    )
    run.folder.media.mkdir(exist_ok=True)
    (run.folder.path / record.file).write_bytes(data)
    run._record(record)
    return run.folder.path / record.file


def gallery(store: Path, id: str = "r1", lr: float = 1e-3, steps: int = 40) -> RunFolder:
    """Curves, texts, media of every type, alerts, settings and an end."""
    with Run("shown", save_dir=store, id=id, shipper=False) as run:
        run.log_params({"lr": lr, "model": {"width": 8, "name": "bert"}, "fast": True, "layers": [1, 2]})
        for step in range(steps):
            run.log({"train/loss": lr * 1000 / (step + 1)}, step=step, epoch=step // 10)
            if step % 10 == 9:
                run.log({"val/f1": 1 - 1 / step}, step=step, epoch=step // 10, stage="validate")
                for batch in range(3):
                    run.log({"val/loss": 1 / step}, step=batch, stage="validate", axis="eval_batch")
                show(run, "weights", "histogram", HISTOGRAM, step)
                show(run, "spam", "pr_curve", {"labels": ["ham", "spam"], "curves": [CURVE]}, step)
                run.log_confusion_matrix("confusion", ["cat", "dog"], [[step, 1], [0, 4]], step=step)
        run.log_text("sample", "a **bold** text", step=3)
        run.log_table("errors", ["word", "count"], [["a|b", 1], ["c", 2]], step=4)
        show(run, "attention", "image", PNG, 5)
        show(run, "tone", "audio", tone(), 5)
        show(run, "roc", "roc_curve", {"labels": ["spam"], "curves": [ROC]}, 5)
        show(run, "model", "graph", GRAPH)
        show(run, "clip", "video", b"not shown")
        run.alert("look here", "a text")
    return run.folder
