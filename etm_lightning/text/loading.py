"""From tokens to batches: rows of like length together, padded to their longest, shared among ranks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset, DistributedSampler

from etm_lightning.text.tokens import Tokens

POOL = 50  # batches among which rows are sorted by length


class TokenDataset(Dataset[dict[str, Tensor]]):
    """Tokens with their targets, as rows for a DataLoader.

    Args:
        tokens: of all rows.
        target: class ids (rows,), 0/1 (rows, labels), values (rows,), or tag ids (tokens,).
        first: for tags: whether a token is the first of its word, bool, (tokens,).
    """

    def __init__(self, tokens: Tokens, target: Tensor, first: Tensor | None = None) -> None:
        self.tokens, self.target, self.first = tokens, target, first
        self.sizes: list[int] = tokens.starts.diff().tolist()

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        part = slice(int(self.tokens.starts[row]), int(self.tokens.starts[row + 1]))
        item = {"input_ids": self.tokens.ids[part].long(), "rows": torch.tensor(row)}
        item["token_type_ids"] = self.tokens.types[part].long()
        if self.first is None:
            return item | {"labels": self.target[row]}
        return item | {"labels": self.target[part], "words": self.first[part]}


@dataclass(frozen=True)
class Padding:
    """Make a batch, as long as its longest row.

    Args:
        token: id that fills `input_ids`.
        types: whether the encoder reads segment ids.
    """

    token: int
    types: bool

    def __call__(self, items: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Give `input_ids`, `attention_mask`, `token_type_ids`, `labels`, `rows` (and `words` for tags)."""
        fill: dict[str, Any] = {"input_ids": self.token, "token_type_ids": 0, "labels": -100, "words": False}
        batch = {}
        for name in items[0]:
            parts = [item[name] for item in items]
            long = name in fill and (name != "labels" or "words" in items[0])
            batch[name] = pad_sequence(parts, True, fill[name]) if long else torch.stack(parts)
        ones = [torch.ones_like(item["input_ids"]) for item in items]
        batch["attention_mask"] = pad_sequence(ones, batch_first=True)
        if not self.types:
            batch.pop("token_type_ids")
        return batch


def grouped(sizes: Sequence[int], batch_size: int, seed: int, pool: int = POOL) -> list[list[int]]:
    """Cut rows into random batches of like length.

    Args:
        sizes: tokens per row.
        batch_size: rows per batch, ≥ 1; only the last batch may have fewer.
        seed: of the order.
        pool: batches among which rows are sorted by length; 1 leaves them in random order.

    Returns:
        Batches of positions: every row once.

    >>> sorted(sum(grouped([5, 1, 4, 2, 3], 2, seed=0), []))
    [0, 1, 2, 3, 4]
    """
    chance = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(sizes), generator=chance).tolist()
    size = pool * batch_size
    pools = [sorted(order[at : at + size], key=sizes.__getitem__) for at in range(0, len(order), size)]
    rows = [row for some in pools for row in some]
    batches = [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    last = [batches.pop()] if batches and len(batches[-1]) < batch_size else []
    return [batches[i] for i in torch.randperm(len(batches), generator=chance).tolist()] + last


class TrainSampler(DistributedSampler[Any]):
    """Row order of a training epoch: rows of like length together; ranks get as many rows each.

    Args:
        dataset: with `sizes`.
        batch_size: rows per batch and rank.
        seed: together with the epoch (`set_epoch`) it fixes the order.
        ranks: number of processes.
        rank: of this one.
        pool: as `grouped` takes it.
    """

    def __init__(
        self, dataset: TokenDataset, batch_size: int, seed: int, ranks: int, rank: int, pool: int = POOL
    ) -> None:
        super().__init__(dataset, num_replicas=ranks, rank=rank, seed=seed)
        self.sizes, self.batch_size, self.pool = dataset.sizes, batch_size, pool

    def __iter__(self) -> Iterator[int]:
        for batch in grouped(
            self.sizes, self.batch_size * self.num_replicas, self.seed + self.epoch, self.pool
        ):
            # like DistributedSampler, repeat rows in the last step only: ranks must take as many steps
            short = -len(batch) % self.num_replicas
            filled = batch + (batch * self.num_replicas)[:short]
            yield from filled[self.rank :: self.num_replicas]

    def __len__(self) -> int:
        return -(-len(self.sizes) // self.num_replicas)


class EvalSampler(DistributedSampler[Any]):
    """Row order of an evaluation: every row once; ranks take whole batches of the same list in turn.

    So each batch, and each number computed from it, is the same for every number of ranks. Arguments as in
    `TrainSampler`.
    """

    def __init__(self, dataset: TokenDataset, batch_size: int, seed: int, ranks: int, rank: int) -> None:
        super().__init__(dataset, num_replicas=ranks, rank=rank, shuffle=False)
        batches = grouped(dataset.sizes, batch_size, seed)
        self.order = [row for batch in batches[rank::ranks] for row in batch]

    def __iter__(self) -> Iterator[int]:
        return iter(self.order)

    def __len__(self) -> int:
        return len(self.order)
