"""Entity recognition beside a plain Hugging Face `Trainer` with seqeval: same model, data, seed, epochs.

    python benchmarks/ner.py FOLDER [--epochs 3] [--lr 1e-4] [--seeds 1,2] [--rows N]

FOLDER holds CoNLL column files (train.conll, dev.conll, test.conll). Prints both test entity F1 of
each seed, and the difference of their means in points. Needs the extra [bench].
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]


def ours(folder: Path, epochs: int, lr: float, seed: int, rows: int | None, store: str) -> float:
    """Test F1 of `python train.py experiment=conll2003`."""
    command = [
        sys.executable,
        str(ROOT / "train.py"),
        "experiment=conll2003",
        f"data.dir={folder}",
        f"max_epochs={epochs}",
        f"lr={lr}",
        f"seed={seed}",
        "trainer=cpu",
        f"paths.store={store}",
        *([f"data.limit_train_rows={rows}"] if rows else []),
    ]
    subprocess.run(command, check=True)
    shown = subprocess.run(
        [sys.executable, "-m", "etm_lightning", "show", "latest", "--store", store, "--json"],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(json.loads(shown.stdout)["headline"]["test/f1"])


def theirs(folder: Path, epochs: int, lr: float, seed: int, rows: int | None) -> float:
    """Test F1 of the Hugging Face `Trainer`, scored by seqeval, best epoch by validation F1."""
    import torch
    from seqeval.metrics import f1_score
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from etm_lightning.text.conll import CoNLLData
    from etm_lightning.text.encoders import minilm_folder

    data = CoNLLData(dir=str(folder), limit_train_rows=rows)
    data.prepare_data()
    data.setup("fit")
    labels = data.labels
    ids = {label: i for i, label in enumerate(labels)}
    set_seed(seed)
    name = minilm_folder()
    tokenizer = AutoTokenizer.from_pretrained(name)
    model = AutoModelForTokenClassification.from_pretrained(name, num_labels=len(labels))

    def encode(split: str) -> list[dict[str, Any]]:
        found = []
        for row in data.rows[split]:
            tokens = tokenizer(list(row.text), is_split_into_words=True, truncation=True, max_length=128)
            last, targets = None, []
            for word in tokens.word_ids():
                targets.append(-100 if word is None or word == last else ids[row.label[word]])
                last = word
            found.append({**tokens, "labels": targets})
        return found

    def score(prediction: Any) -> dict[str, float]:
        best = np.argmax(prediction.predictions, axis=-1)
        pairs = [
            [(labels[t], labels[p]) for p, t in zip(ps, ts, strict=True) if t != -100]
            for ps, ts in zip(best, prediction.label_ids, strict=True)
        ]
        return {
            "f1": f1_score([[t for t, _ in row] for row in pairs], [[p for _, p in row] for row in pairs])
        }

    with tempfile.TemporaryDirectory() as out:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=out,
                num_train_epochs=epochs,
                learning_rate=lr,
                per_device_train_batch_size=16,
                per_device_eval_batch_size=64,
                weight_decay=0.01,
                warmup_steps=0.1,
                lr_scheduler_type="linear",
                eval_strategy="epoch",
                save_strategy="epoch",
                load_best_model_at_end=True,
                metric_for_best_model="f1",
                seed=seed,
                use_cpu=not torch.cuda.is_available(),
                report_to=[],
                disable_tqdm=True,
            ),
            train_dataset=encode("train"),
            eval_dataset=encode("validate"),
            data_collator=DataCollatorForTokenClassification(tokenizer),
            compute_metrics=score,
        )
        trainer.train()
        return float(trainer.evaluate(encode("test"))["eval_f1"])


def main() -> None:
    """Run both, print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--rows", type=int)
    given = parser.parse_args()
    pairs = []
    for seed in map(int, given.seeds.split(",")):
        with tempfile.TemporaryDirectory() as store:
            mine = ours(given.folder.resolve(), given.epochs, given.lr, seed, given.rows, store)
        other = theirs(given.folder, given.epochs, given.lr, seed, given.rows)
        pairs.append((mine, other))
        print(
            f"seed {seed}: test entity F1 etm_lightning {mine:.4f} · Hugging Face Trainer {other:.4f}",
            flush=True,
        )
    mine, other = np.mean(pairs, axis=0)
    print(f"mean: {mine:.4f} · {other:.4f} · difference {100 * (mine - other):+.2f} points")


if __name__ == "__main__":
    main()
