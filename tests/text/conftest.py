"""Small texts, files made on the spot, and a trainer that is quiet."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest

WORDS = {"sport": "ball goal team win", "tech": "chip code data web", "food": "egg milk rice soup"}


def text_of(label: str, seed: int) -> str:
    chance = random.Random(f"{label}{seed}")
    words = WORDS[label].split()
    return f"{seed} " + " ".join(chance.choice(words) for _ in range(chance.randint(2, 9)))


def write_csv(path: Path, rows: int, start: int = 0) -> Path:
    labels = list(WORDS)
    lines = [f"{text_of(labels[i % 3], i)},{labels[i % 3]}" for i in range(start, start + rows)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_conll(path: Path, sentences: int, separator: str = "\t", seed: int = 0) -> Path:
    chance = random.Random(seed)
    blocks = []
    for _ in range(sentences):
        block = []
        for _ in range(chance.randint(1, 6)):
            word, tags = chance.choice([("Ann", ["B-PER"]), ("in", ["O"]), ("Bad", ["B-LOC", "I-LOC"])])
            block += [f"{word}{separator}{tag}" for tag in tags]
        blocks.append("\n".join(block))
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    return path


def write_json_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return {"tokenizer": "tiny", "cache_dir": str(tmp_path / "cache"), "batch_size": 8, "max_length": 64}


@pytest.fixture
def trainer(tmp_path: Path) -> Callable[..., pl.Trainer]:
    def make(**options: Any) -> pl.Trainer:
        quiet: dict[str, Any] = dict.fromkeys(
            ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
        )
        base = {"accelerator": "cpu", "default_root_dir": tmp_path, "max_epochs": 1}
        return pl.Trainer(**{**quiet, **base, **options})

    return make
