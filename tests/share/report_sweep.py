"""A sweep as a training leaves it: three learning rates, two seeds, a crash, a NaN, the winner's test."""

from __future__ import annotations

import hashlib
import json
import math
import random
from pathlib import Path
from typing import Any

from etm_lightning.records import Alert, Gap, Media, Started
from tests.store.building import BASE, Training

LABELS = ["business", "entertainment", "politics", "sport", "tech"]
COUNTS = [[98, 0, 2, 0, 2], [1, 74, 1, 0, 1], [2, 0, 80, 1, 0], [0, 0, 1, 101, 0], [2, 1, 0, 0, 77]]
RATES = (1e-05, 3e-05, 1e-04)
SCORES = {(1e-05, 1): 0.941, (1e-05, 2): 0.936, (3e-05, 1): 0.968, (3e-05, 2): 0.961, (1e-04, 1): 0.949}
QUESTION = "Which learning rate should a small BERT have on BBC news?"


def sweep(store: Path) -> Path:
    """Six runs in the group `lr-sweep`, and the test of the best one."""
    for rate in RATES:
        for seed in (1, 2):
            _train(store, rate, seed)
    run = Training(store, "20231114-230000-test-00ff", "bbc", evaluates=run_id(3e-05, 1), group="lr-sweep")
    run.start()
    run.log(300, {"test/f1": 0.9571, "test/loss": 0.1523, "test/accuracy": 0.9595}, "test", epoch=2)
    confusion(run, "test/confusion_matrix", COUNTS, stage="test", step=300)
    run.end()
    return store


def run_id(rate: float, seed: int) -> str:
    return f"20231114-2213{RATES.index(rate)}{seed}-lr={rate}_seed={seed}-000{seed}"


def config(rate: float, seed: int) -> dict[str, Any]:
    return {
        "project": "bbc",
        "seed": seed,
        "model": {"_target_": "etm_lightning.text.TextClassifier", "encoder": "minilm", "lr": rate},
        "data": {"batch_size": 16, "max_length": 128, "columns": {"text": "text", "label": "label"}},
        "trainer": {
            "max_epochs": 3,
            "precision": "32-true",
            "gradient_clip_val": 1.0,
            "limit_val_batches": None,
        },
    }


def _train(store: Path, rate: float, seed: int) -> None:
    run = Training(
        store,
        run_id(rate, seed),
        "bbc",
        group="lr-sweep",
        question=QUESTION,
        method="Grid over the learning rate, two seeds each; the best validation F1 decides.",
        tags=("bert", "bbc"),
        notes="started before lunch" if seed == 2 else "",
        created=BASE + 60 * seed,
    ).start()
    run.write(_started(rate, seed))
    run.params(**config(rate, seed))
    run.params("data", **DATA).params("model", total=22_718_597, trainable=22_718_597, encoder=22_713_216)
    crashed = (rate, seed) not in SCORES
    _learn(run, rate, seed, 140 if crashed else 300)
    if crashed:
        run.write(
            Alert(time=run.now(), title="loss is not finite", text="train/loss was NaN at step 130", step=130)
        )
        run.write(Gap(time=run.now(), lost=12, since=BASE, reason="disk full"))
        run.end("failed", reason="RuntimeError: CUDA error", exit_code=1, traceback=TRACE)
    else:
        run.end()


def _started(rate: float, seed: int) -> Started:
    info = {
        "command": ["python", "train.py", "experiment=bbc", f"lr={rate}", f"seed={seed}", "notes=it's fine"],
        "cwd": "/home/ada/bbc study",
        "git": {"commit": "4f2c9e1b7a", "branch": "main", "dirty": True},
        "python": "3.11.9",
        "packages": {"torch": "2.6.0", "lightning": "2.6.6"},
    }
    return Started(time=BASE, attempt=1, info=info)


def _learn(run: Training, rate: float, seed: int, steps: int) -> None:
    noise = random.Random(f"{rate} {seed}")
    speed = rate / 1e-05
    for step in range(5, steps + 1, 5):
        loss = 1.55 * math.exp(-step * speed**0.6 / 70) + 0.06 + abs(noise.gauss(0, 0.05))
        loss = math.nan if steps < 300 and step == 130 else loss
        warm = min(step / 30, (300 - step) / 270)
        values = {"train/loss": loss, "train/grad_norm": loss * noise.uniform(2, 6), "lr-AdamW": rate * warm}
        run.log(step, values, epoch=step // 101)
        if step % 50 == 0:
            _validate(run, step, SCORES.get((rate, seed), 0.4), noise)


def _validate(run: Training, step: int, goal: float, noise: random.Random) -> None:
    score = goal if step == 250 else goal - 0.5 * math.exp(-step / 60) - abs(noise.gauss(0, 0.004)) - 0.002
    values = {"val/f1": score, "val/loss": 1.2 - score + noise.gauss(0, 0.01), "val/accuracy": score + 0.003}
    run.log(step, values, "validate", epoch=step // 101)
    confusion(
        run, "val/confusion_matrix", [[n * step // 100 for n in line] for line in COUNTS], "validate", step
    )
    if step == 250:
        path = "checkpoints/best.ckpt"
        run.checkpoint(
            f"best-{step}", step, epoch=2, monitor="val/f1", mode="max", score=score, best=True, path=path
        )


def confusion(run: Training, name: str, counts: list[list[int]], stage: str, step: int) -> None:
    content = json.dumps({"labels": LABELS, "counts": counts}).encode()
    sha = hashlib.sha256(content).hexdigest()
    run.folder.media.mkdir(exist_ok=True)
    (run.folder.media / f"{sha}.json").write_bytes(content)
    run.write(
        Media(
            time=run.now(), name=name, type="confusion_matrix", file=f"media/{sha}.json", sha256=sha,
            size=len(content), stage=stage, step=step,
        )
    )  # fmt: skip


TRACE = 'Traceback (most recent call last):\n  File "train.py", line 12, in main\nRuntimeError: CUDA error\n'
DATA = {
    "splits": {
        split: {
            "rows": rows,
            "labels": dict.fromkeys(LABELS, rows // 5),
            "token_lengths": {"p50": 120, "p95": 402},
            "truncated_share": 0.4375,
        }
        for split, rows in (("train", 1400), ("validate", 380), ("test", 444))
    },
    "task": "multiclass",
    "labels": LABELS,
    "tokenizer": "minilm",
    "max_length": 128,
    "split_seed": 7,
    "content_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}
