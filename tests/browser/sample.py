"""A store as some days of work leave it: a sweep with seeds, crashes, and one run with everything in it."""

from __future__ import annotations

import math
import random
from functools import partial
from pathlib import Path

from etm_lightning.records import Alert
from etm_lightning.track.run import Run
from tests.store.building import BASE, Training

LABELS = ["business", "entertainment", "politics", "sport", "tech"]
COUNTS = [[98, 0, 2, 0, 2], [1, 74, 1, 0, 1], [2, 0, 80, 1, 0], [0, 0, 1, 101, 0], [2, 1, 0, 0, 77]]
ENCODERS = ("bert-base", "minilm", "roberta-base")
RATES = (1e-05, 3e-05, 1e-04)
NOTES = """# Why this run

The learning rate of the sweep's winner, **with** the layers frozen for one epoch.

- f1 went up by `0.004`
- see [the paper](https://arxiv.org/abs/1810.04805)

| split | rows |
| --- | ---: |
| train | 1400 |
| test | 444 |
"""


def sample(store: Path) -> Path:
    """Twenty-seven runs of a sweep, the rich run, and a run that is going on."""
    for number, (encoder, rate, seed) in enumerate(
        (encoder, rate, seed) for encoder in ENCODERS for rate in RATES for seed in (1, 2, 3)
    ):
        _trial(store, number, encoder, rate, seed)
    rich(store)
    return store


def live(store: Path) -> Training:
    """A run of this process, which stays `running` until `end` is called."""
    run = Training(
        store, "20231116-090000-live-0001", "news", name="warmup-long", tags=("new",), created=BASE + 2e5
    )
    run.start().params(lr=3e-05, seed=7, model={"encoder": "minilm"})
    for step in range(1, 40):
        run.log(step * 10, {"train/loss": 2 / step + 0.2, "val/f1": 0.9 - 1 / step}, epoch=step // 10)
    return run


def _trial(store: Path, number: int, encoder: str, rate: float, seed: int) -> None:
    noise = random.Random(f"{encoder} {rate} {seed}")
    best = {"bert-base": 0.953, "minilm": 0.938, "roberta-base": 0.961}[encoder] - 0.012 * abs(
        math.log10(rate / 3e-05)
    )
    run = Training(
        store,
        f"20231114-{2000 + number:04d}00-{encoder}-lr={rate}-{number:04x}",
        "news",
        name=f"{encoder} lr={rate:g} seed={seed}",
        group="encoders",
        question="Which encoder is worth its price on BBC news?",
        tags=("baseline", "bbc") if encoder == "bert-base" else ("bbc",),
        notes="the one to beat" if (encoder, rate, seed) == ("roberta-base", 3e-05, 1) else "",
        created=BASE + 3600 * number,
    )
    clock = BASE + 3600 * number
    run.now = partial(float, clock)  # type: ignore[method-assign]
    run.start().params(
        seed=seed,
        project="news",
        lr=rate,
        model={"encoder": encoder, "dropout": 0.1, "freeze": False},
        data={"batch_size": 16, "max_length": 128},
        trainer={"max_epochs": 3, "precision": "bf16-mixed"},
    )
    dies = number in (8, 17)
    last = 140 if dies else 300
    for step in range(5, last + 1, 5):
        clock = BASE + 3600 * number + step * (6 if encoder == "minilm" else 11)
        run.now = partial(float, clock)  # type: ignore[method-assign]
        loss = 1.55 * math.exp(-step * (rate / 1e-05) ** 0.5 / 60) + 0.06 + abs(noise.gauss(0, 0.04))
        run.log(step, {"train/loss": loss, "train/grad_norm": loss * noise.uniform(2, 6)}, epoch=step // 101)
        if step % 20 == 0:
            score = best - 0.5 * math.exp(-step / 50) + noise.gauss(0, 0.004)
            run.log(step, {"val/f1": score, "val/loss": 1.15 - score}, "validate", epoch=step // 101)
            run.checkpoint(f"s{step}", step, monitor="val/f1", mode="max", score=score, best=step == last)
    if dies:
        run.write(Alert(time=clock, title="Loss is not finite", text="train/loss was NaN", step=135))
        run.end("failed", reason="RuntimeError: CUDA out of memory", exit_code=1, traceback=TRACE)
    else:
        run.end("pruned" if number == 20 else "finished")


def rich(store: Path) -> Run:
    """One run with every kind of record, in two attempts."""
    import numpy as np

    run = Run(
        "news",
        save_dir=store,
        id="20231116-080000-frozen-first-00aa",
        name="frozen first",
        tags=["candidate", "bbc"],
        notes=NOTES,
        question="Does freezing help the small encoder?",
        params={
            "lr": 3e-05,
            "seed": 1,
            "model": {"encoder": "minilm", "dropout": 0.1, "freeze": True, "layers": [1, 2, 3]},
            "data": {"batch_size": 16, "max_length": 128, "columns": {"text": "text", "label": "label"}},
            "trainer": {"max_epochs": 3, "precision": "bf16-mixed", "limit_val_batches": None},
        },
        shipper=False,
    )
    run.start()
    noise = random.Random(3)
    for step in range(5, 301, 5):
        loss = 1.4 * math.exp(-step / 60) + 0.06 + abs(noise.gauss(0, 0.03))
        run.log(
            {"train/loss": loss if step != 200 else math.nan, "lr-AdamW": 3e-05}, step=step, epoch=step // 101
        )
        run.log({"gpu/0/utilization": 80 + 10 * noise.random(), "cpu/percent": 40 + 5 * noise.random()},
                step=step * 2, axis="seconds", stage="")  # fmt: skip
        if step % 50 == 0:
            score = 0.95 - 0.4 * math.exp(-step / 50)
            run.log({"val/f1": score, "val/loss": 1 - score}, step=step, stage="validate", epoch=step // 101)
            run.log_confusion_matrix(
                "val/confusion",
                LABELS,
                [[n * step // 300 for n in line] for line in COUNTS],
                step=step,
                stage="validate",
            )
            picture = np.fromfunction(
                lambda y, x, c, s=step: 0.5 + 0.5 * np.sin((x + s) / 9 + c) * np.cos(y / 11), (72, 96, 3)
            )
            run.log_image(
                "val/attention", [picture, picture[::-1]], step=step, stage="validate", caption="head 3"
            )
            run.log_histogram(
                "weights/encoder", np.random.default_rng(step).normal(0, 1 + step / 300, 2000), step=step
            )
            folder = run.folder.path / "checkpoints"
            folder.mkdir(exist_ok=True)
            (folder / f"{step}.ckpt").write_bytes(b"weights" * step)
            id = run.mark_checkpoint(step=step, epoch=step // 101)
            run.log_checkpoint(
                id,
                folder / f"{step}.ckpt",
                step=step,
                epoch=step // 101,
                monitor="val/f1",
                mode="max",
                score=score,
                best=step == 300,
            )
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 400)
    scores = np.clip(truth * 0.4 + rng.random(400) * 0.6, 0, 1)
    run.log_pr_curve("test/pr", truth, scores, labels=["other", "sport"], step=300, stage="test")
    run.log_roc_curve("test/roc", truth, scores, labels=["other", "sport"], step=300, stage="test")
    rows = [
        [f"headline {i} of the news", LABELS[i % 5], LABELS[(i * 7) % 5], round(noise.random(), 4)]
        for i in range(250)
    ]
    run.log_table("test/errors", ["text", "truth", "guess", "score"], rows, step=300, stage="test")
    run.log_html(
        "test/page", "<h1>A page</h1><script>document.title='taken'</script>", step=300, stage="test"
    )
    run.log_text("sample", "The winner **takes** it all", step=300, stage="test")
    run.alert("Validation got worse", "val/loss rose three times in a row", step=250)
    (run.folder.path / "logs").mkdir(exist_ok=True)
    (run.folder.path / "logs" / "train.log").write_text(
        "".join(f"epoch {i // 40} step {i}: fine\n" for i in range(400))
    )
    dataset = store / "labels.txt"
    dataset.write_text("\n".join(LABELS))
    run.log_artifact(dataset, name="labels", type="dataset", copy=True, aliases=["latest"])
    run.end()
    return run


TRACE = (
    "Traceback (most recent call last):\n"
    '  File "train.py", line 12, in main\n    trainer.fit(model, data)\n'
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n"
)
