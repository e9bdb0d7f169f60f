"""What every data module of texts shares: splits, tokens, loaders, and what is recorded about them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from etm_lightning.text.encoders import load_tokenizer
from etm_lightning.text.folds import check_fold, crossed
from etm_lightning.text.loading import POOL, EvalSampler, Padding, TokenDataset, TrainSampler
from etm_lightning.text.rows import Row, content_hash, count_labels, nearest, sample, split_off
from etm_lightning.text.targets import (
    Alignment,
    Kind,
    balanced_weights,
    check_known,
    find_labels,
    row_targets,
    tag_targets,
)
from etm_lightning.text.tokens import Tokens, cached_tokens, default_cache, fork_safe

Batches = DataLoader[dict[str, Tensor]]
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


def complete(
    splits: Mapping[str, Sequence[Row]], validation_share: float, test_share: float, seed: int
) -> dict[str, list[Row]]:
    """Part a missing test or validation split off the training rows, stratified by label.

    Args:
        splits: `train`, and perhaps `validate` and `test`.
        validation_share: of all rows read for training, in [0, 1); 0 for none.
        test_share: likewise.
        seed: of the choice.

    >>> rows = [Row(str(i), "ab"[i % 2]) for i in range(20)]
    >>> {name: len(some) for name, some in complete({"train": rows}, 0.1, 0.2, seed=0).items()}
    {'train': 14, 'validate': 2, 'test': 4}
    """
    found = {name: list(rows) for name, rows in splits.items()}
    left = 1.0
    for name, share in (("test", test_share), ("validate", validation_share)):
        if name not in found and share > 0:
            found["train"], found[name] = split_off(found["train"], share / left, seed)
            left -= share
    return {name: found[name] for name in ("train", "validate", "test") if name in found}


def describe_tokens(tokens: Tokens, max_length: int) -> dict[str, Any]:
    """Give quantiles of the token lengths before truncation, and the share of rows that were truncated."""
    lengths = tokens.lengths.double()
    quantiles = {name: int(lengths.quantile(q, interpolation="higher")) for name, q in QUANTILES.items()}
    return {"token_lengths": quantiles, "truncated_share": float((lengths > max_length).double().mean())}


class TextData(pl.LightningDataModule):
    """Labelled texts, tokenized: the parent of our data modules. Children give `read()`.

    Args:
        tokenizer: hub name, local folder, `minilm` or `tiny`; as a rule the model's encoder.
        task: `multiclass`, `binary`, `multilabel`, `regression` or `tagging`.
        batch_size: training rows per step and process, ≥ 1.
        eval_batch_size: rows per batch elsewhere; None for twice `batch_size`.
        max_length: tokens kept per row, in [3, what the encoder can read].
        seed: of the splits and of the subset; not of the training order, which follows `seed_everything`.
        limit_train_rows: take only so many training rows, stratified; None for all.
        validation_share: parted off the training rows where there is no validation split, in [0, 1).
        test_share: likewise for the test split.
        fold: validate on this fold of a cross-validation, in [0, folds), and train on the others; None for
            the validation rows there are. Folds are made of all rows but the test ones.
        folds: how many folds there are; None for no cross-validation.
        label_alignment: which tokens of a word have its tag in the loss, `first` or `all`.
        class_weights: `balanced` offers weights to the model; None does not.
        group_by_length: train on batches of rows of like length: less padding, so faster, but less random.
        num_workers: loader processes; texts are tokenized beforehand, so 0 is right as a rule.
        cache_dir: folder of tokenized texts; None for `$XDG_CACHE_HOME/etm/tokens`.

    Raises:
        ValueError: for an argument out of its range.
    """

    def __init__(
        self,
        *,
        tokenizer: str = "minilm",
        task: Kind = "multiclass",
        batch_size: int = 16,
        eval_batch_size: int | None = None,
        max_length: int = 128,
        seed: int = 0,
        limit_train_rows: int | None = None,
        validation_share: float = 0.1,
        test_share: float = 0.1,
        fold: int | None = None,
        folds: int | None = None,
        label_alignment: Alignment = "first",
        class_weights: Literal["balanced"] | None = None,
        group_by_length: bool = True,
        num_workers: int = 0,
        cache_dir: str | None = None,
    ) -> None:
        super().__init__()
        self._check("task", task, get_args(Kind))
        self._check("label_alignment", label_alignment, get_args(Alignment))
        self._check("class_weights", class_weights, (None, "balanced"))
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("eval_batch_size", eval_batch_size, 1),
            ("max_length", max_length, 3),
            ("limit_train_rows", limit_train_rows, 1),
        ):
            if value is not None and value < least:
                raise ValueError(f"`data.{name}` must be at least {least} but got {value}")
        if validation_share < 0 or test_share < 0 or validation_share + test_share >= 1:
            shares = f"{validation_share} and {test_share}"
            raise ValueError(
                f"`data.validation_share` and `data.test_share` must be ≥ 0, together < 1, but got {shares}"
            )
        check_fold(fold, folds)
        self.fold, self.folds = fold, folds
        self.tokenizer_name, self.task, self.max_length, self.seed = tokenizer, task, max_length, seed
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size or 2 * batch_size
        self.limit_train_rows, self.shares = limit_train_rows, (validation_share, test_share)
        self.label_alignment, self.class_weights = label_alignment, class_weights
        self.num_workers, self.pool = num_workers, POOL if group_by_length else 1
        self.cache_dir = Path(cache_dir).expanduser() if cache_dir else default_cache()
        self.rows: dict[str, list[Row]] = {}
        self._whole: dict[str, list[Row]] = {}
        self.datasets: dict[str, TokenDataset] = {}
        self._labels: list[str] | None = None

    @staticmethod
    def _check(name: str, value: object, choices: Sequence[object]) -> None:
        if value not in choices:
            hint = nearest(str(value), map(str, choices))
            raise ValueError(
                f"`data.{name}` must be one of {', '.join(map(str, choices))} but got {value!r}{hint}"
            )

    def read(self) -> dict[str, list[Row]]:
        """Read the rows of `train`, and of `validate` and `test` where they are splits of their own."""
        raise NotImplementedError

    @property
    def labels(self) -> list[str]:
        """Label names in the order of their ids; empty for regression. Reads the data if need be."""
        self.setup()
        return self._labels or []

    def prepare_data(self) -> None:
        """Read and tokenize; other processes of this machine then find the tokens in the cache."""
        self.setup()

    def setup(self, stage: str | None = None) -> None:
        """Read, split, check and tokenize all splits, once.

        Raises:
            FileNotFoundError: where a file or the tokenizer is missing.
            ValueError: for a bad row, an empty split, a label that no training row has.
        """
        if self.datasets:
            return
        validation, test = self.shares
        rows = complete(self.read(), 0.0 if self.folds else validation, test, self.seed)
        self._whole = rows
        if self.fold is not None and self.folds is not None:
            rows = crossed(rows, self.fold, self.folds, self.seed)
        for name, some in rows.items():
            if not some:
                raise ValueError(f"`data`: the {name} split must have rows but has none; {self.source(name)}")
        # in a cross-validation all folds have the same labels
        learnt = [*rows["train"], *rows["validate"]] if self.folds else rows["train"]
        labels = find_labels(learnt, self.task)
        check_known(rows, labels)
        if self.limit_train_rows is not None:
            chosen = sample(rows["train"], self.limit_train_rows, self.seed)
            rows["train"] = [rows["train"][i] for i in chosen]
        tokenizer = load_tokenizer(self.tokenizer_name)
        most = getattr(tokenizer, "model_max_length", self.max_length)
        if self.max_length > most:
            raise ValueError(
                f"`data.max_length` must be at most {most} for this tokenizer but got {self.max_length}"
            )
        pad = tokenizer.pad_token_id
        self.padding = Padding(0 if pad is None else pad, "token_type_ids" in tokenizer.model_input_names)
        datasets = {}
        with fork_safe(self.num_workers > 0):
            for name, some in rows.items():
                tokens = cached_tokens(some, tokenizer, self.max_length, self.cache_dir)
                datasets[name] = self._dataset(some, tokens, labels)
        self.rows, self._labels, self.datasets = rows, labels, datasets

    def source(self, split: str) -> str:
        """Say where a split came from, for errors."""
        return "check the file, or `data.validation_share` and `data.test_share`"

    def _dataset(self, rows: list[Row], tokens: Tokens, labels: list[str] | None) -> TokenDataset:
        if self.task == "tagging":
            return TokenDataset(tokens, *tag_targets(rows, tokens, labels or [], self.label_alignment))
        return TokenDataset(tokens, row_targets(rows, labels, self.task))

    def model_kwargs(self) -> dict[str, Any]:
        """Give what a model takes from the data where its config has null: `labels`, `class_weights`."""
        self.setup()
        weights = None
        if self.class_weights == "balanced" and self._labels:
            weights = balanced_weights(self.rows["train"], self._labels, self.task)
        return {"labels": self._labels, "class_weights": weights}

    def describe(self) -> dict[str, Any]:
        """Describe the data, JSON-able, to be recorded with the run.

        Returns:
            `splits` (per split: rows, labels, token_lengths before truncation, truncated_share), `tokenizer`,
            `max_length`, `split_seed`, `content_sha256` (of all texts and labels), `labels`, `task`, and
            `fold` and `folds` in a cross-validation.
        """
        self.setup()
        splits = {
            name: {"rows": len(rows), "labels": count_labels(rows)}
            | describe_tokens(self.datasets[name].tokens, self.max_length)
            for name, rows in self.rows.items()
        }
        return {
            "splits": splits,
            "task": self.task,
            "labels": self._labels,
            "tokenizer": self.tokenizer_name,
            "max_length": self.max_length,
            "split_seed": self.seed,
            # of a cross-validation it is that of all folds
            "content_sha256": content_hash(self._whole if self.folds else self.rows),
        } | ({"fold": self.fold, "folds": self.folds} if self.folds else {})

    def _place(self) -> tuple[int, int, bool]:
        trainer = self.trainer
        if trainer is None:
            return 1, 0, False
        return trainer.world_size, trainer.global_rank, bool(getattr(trainer, "overfit_batches", 0))

    def _loader(self, dataset: TokenDataset, batch_size: int, sampler: Any) -> Batches:
        return DataLoader(
            dataset, batch_size=batch_size, sampler=sampler, num_workers=self.num_workers,
            collate_fn=self.padding, persistent_workers=self.num_workers > 0,
        )  # fmt: skip

    def train_dataloader(self) -> Batches:
        ranks, rank, still = self._place()
        dataset = self.datasets["train"]
        seed = int(os.environ.get("PL_GLOBAL_SEED", "0"))
        sampler = None if still else TrainSampler(dataset, self.batch_size, seed, ranks, rank, self.pool)
        return self._loader(dataset, self.batch_size, sampler)

    def _evaluate(self, split: str) -> Batches | list[Batches]:
        if split not in self.datasets:
            return []
        ranks, rank, still = self._place()
        dataset = self.datasets[split]
        if len(dataset) < ranks:
            raise ValueError(
                f"`data`: the {split} split must have a row for each of {ranks} processes but has "
                f"{len(dataset)}; use trainer.devices=1"
            )
        batch_size = min(self.eval_batch_size, len(dataset) // ranks)
        sampler = None if still else EvalSampler(dataset, batch_size, self.seed, ranks, rank)
        return self._loader(dataset, batch_size, sampler)

    def val_dataloader(self) -> Batches | list[Batches]:
        return self._evaluate("validate")

    def test_dataloader(self) -> Batches | list[Batches]:
        if "test" not in self.datasets:
            raise ValueError("`data`: there is no test split; give a test file, or `data.test_share` > 0")
        return self._evaluate("test")

    def predict_dataloader(self) -> Batches:
        dataset = self.datasets["test" if "test" in self.datasets else "validate"]
        sampler = torch.utils.data.SequentialSampler(dataset)
        return self._loader(dataset, self.eval_batch_size, sampler)
