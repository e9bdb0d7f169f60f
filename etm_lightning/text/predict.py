"""Labels for texts from a trained module, without a data module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from etm_lightning.text.encoders import load_tokenizer
from etm_lightning.text.loading import Padding, TokenDataset
from etm_lightning.text.modules import TokenClassifier
from etm_lightning.text.rows import Row
from etm_lightning.text.tokens import tokenize


def predict_texts(
    module: Any, texts: Sequence[str], *, tokenizer: str = "", max_length: int = 128, batch_size: int = 32
) -> list[dict[str, Any]]:
    """Predict what a TextClassifier or TokenClassifier says of texts.

    Args:
        module: the trained one.
        texts: for a TokenClassifier, sentences with spaces between words.
        tokenizer: hub name, local folder, `minilm` or `tiny`; by default the module's encoder.
        max_length: tokens read of each text, ≥ 3.
        batch_size: texts at once, ≥ 1.

    Returns:
        One dict per text, as the module's `predict_step` gives them.

    >>> from etm_lightning.text.modules import TextClassifier
    >>> [found] = predict_texts(TextClassifier("tiny", labels=["no", "yes"]), ["hello"])
    >>> sorted(found)
    ['label', 'probabilities', 'row']
    """
    words = isinstance(module, TokenClassifier)
    known = load_tokenizer(tokenizer or module.hparams.encoder)
    rows = [Row(tuple(text.split()) if words else text, "") for text in texts]
    tokens = tokenize(rows, known, max_length)
    place = tokens.words
    first = (place >= 0) & (place != torch.roll(place, 1)) if words else None
    data = TokenDataset(tokens, torch.zeros_like(tokens.ids if words else tokens.lengths).long(), first)
    padding = Padding(known.pad_token_id or 0, "token_type_ids" in known.model_input_names)
    found: list[dict[str, Any]] = []
    module.eval()
    with torch.inference_mode():
        for begin in range(0, len(rows), batch_size):
            some = range(begin, min(begin + batch_size, len(rows)))
            batch = {
                name: value.to(module.device) for name, value in padding([data[i] for i in some]).items()
            }
            found += module.predict_step(batch)
    return found
