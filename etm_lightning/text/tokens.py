"""Texts as token ids, made once and kept in a cache that can be deleted at any time."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
import torch
from safetensors.torch import load, save
from torch import Tensor

from etm_lightning.text.rows import Row

logger = logging.getLogger(__name__)
CHUNK = 1000
FORMAT = 1
Encoded = tuple[list[int], list[int], list[int], int]


@dataclass(frozen=True)
class Tokens:
    """Tokens of many rows, one after the other.

    Args:
        ids: token ids, int32, shape (tokens,).
        types: segment ids (0 first text, 1 second), uint8, shape (tokens,).
        words: position of the word a token belongs to, -1 for special tokens, int32, shape (tokens,).
        starts: where each row starts, int64, shape (rows + 1,).
        lengths: tokens that each row has before truncation, int32, shape (rows,).
    """

    ids: Tensor
    types: Tensor
    words: Tensor
    starts: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.lengths)


def default_cache() -> Path:
    """Give `$XDG_CACHE_HOME/etm/tokens` (`~/.cache/etm/tokens`)."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "etm" / "tokens"


@contextmanager
def fork_safe(forks: bool) -> Iterator[None]:
    """Tokenize on one thread where loader processes will be forked later, unless the user chose otherwise."""
    if not forks or "TOKENIZERS_PARALLELISM" in os.environ:
        yield
        return
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        yield
    finally:
        os.environ.pop("TOKENIZERS_PARALLELISM", None)


def tokenizer_hash(tokenizer: Any) -> str:
    """Hash what a fast tokenizer does to a text; its padding and truncation do not count."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state.pop("truncation", None)
    state.pop("padding", None)
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def cache_key(rows: Sequence[Row], tokenizer: Any, max_length: int) -> str:
    """Hash texts, tokenizer and settings: equal keys mean equal tokens."""
    settings = [FORMAT, tokenizers.__version__, tokenizer_hash(tokenizer), max_length]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for row in rows:
        digest.update(json.dumps([row.text, row.pair]).encode())
    return digest.hexdigest()


def read_cache(path: Path) -> Tokens | None:
    """Read cached tokens; None where there are none, or where the file is damaged."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning("cannot read the token cache %s: %s", path, error)
        return None
    if hashlib.sha256(raw[32:]).digest() != raw[:32]:
        logger.warning("the token cache %s is damaged and will be made again", path)
        return None
    return Tokens(**load(raw[32:]))


def write_cache(path: Path, tokens: Tokens) -> None:
    """Write tokens under a temporary name, then rename: readers and other writers never see a part."""
    payload = save(vars(tokens))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(payload).digest() + payload)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        logger.warning("cannot write the token cache %s: %s", path, error)


def readable(words: Sequence[str], tokenizer: Any, known: dict[str, bool]) -> list[str]:
    """Put the unknown token in place of words that the tokenizer drops whole (a lone joiner, say)."""
    fresh = [word for word in dict.fromkeys(words) if word not in known]
    if fresh:
        ids = tokenizer([[w] for w in fresh], is_split_into_words=True, add_special_tokens=False)["input_ids"]
        known.update((word, bool(some)) for word, some in zip(fresh, ids, strict=True))
    return [word if known[word] else tokenizer.unk_token for word in words]


def encode(rows: Sequence[Row], tokenizer: Any, max_length: int) -> list[Encoded]:
    """Tokenize some rows.

    Returns:
        Per row: token ids, segment ids, word positions, and the length before truncation.
    """
    known: dict[str, bool] = {}
    split = bool(rows) and not isinstance(rows[0].text, str)
    texts: list[Any] = [
        readable(row.text, tokenizer, known) if isinstance(row.text, tuple) else row.text for row in rows
    ]
    pairs = [row.pair or "" for row in rows] if any(row.pair is not None for row in rows) else None
    options = {"is_split_into_words": split, "verbose": False}
    whole = tokenizer(texts, pairs, **options)
    found = []
    for i in range(len(rows)):
        length, item, at = len(whole["input_ids"][i]), whole, i
        if length > max_length:
            some = None if pairs is None else [pairs[i]]
            item = tokenizer([texts[i]], some, truncation=True, max_length=max_length, **options)
            at = 0
        words = [-1 if word is None else word for word in item.word_ids(at)] if split else []
        part = item.encodings[at]
        found.append((part.ids, part.type_ids, words, length))
    return found


def tokenize(rows: Sequence[Row], tokenizer: Any, max_length: int) -> Tokens:
    """Tokenize rows, without a cache.

    Args:
        rows: texts (with pairs) or sentences of words.
        tokenizer: a fast tokenizer of transformers.
        max_length: tokens kept per row, special ones included, ≥ 3.

    >>> from etm_lightning.text.encoders import load_tokenizer
    >>> tokenize([Row("hi", "x"), Row("hello there", "x")], load_tokenizer("tiny"), 4).lengths.tolist()
    [3, 8]
    """
    ids: list[int] = []
    types: list[int] = []
    words: list[int] = []
    starts, lengths = [0], []
    for begin in range(0, len(rows), CHUNK):
        for one, kinds, places, length in encode(rows[begin : begin + CHUNK], tokenizer, max_length):
            ids += one
            types += kinds
            words += places
            starts.append(len(ids))
            lengths.append(length)
    return Tokens(
        ids=torch.tensor(ids, dtype=torch.int32),
        types=torch.tensor(types, dtype=torch.uint8),
        words=torch.tensor(words, dtype=torch.int32),
        starts=torch.tensor(starts, dtype=torch.long),
        lengths=torch.tensor(lengths, dtype=torch.int32),
    )


def cached_tokens(rows: Sequence[Row], tokenizer: Any, max_length: int, folder: Path) -> Tokens:
    """Give the tokens of rows from the cache, or make them and keep them; arguments as in `tokenize`."""
    key = cache_key(rows, tokenizer, max_length)
    path = folder / key[:2] / f"{key}.tokens"
    tokens = read_cache(path)
    if tokens is None:
        tokens = tokenize(rows, tokenizer, max_length)
        write_cache(path, tokens)
    return tokens
