"""Our entity scores against seqeval's, on random tags."""

import itertools
import random
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Tokens

from etm_lightning.text.entities import EntityScore, Scheme, entities

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-creative-work", "I-creative-work", "B", "I"]
ODD = [*LABELS, "B--x", "I-x-", "I--x"]
pair = st.integers(0, 10).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, len(LABELS) - 1), min_size=n, max_size=n)] * 2)
)


def sentences() -> Iterator[list[str]]:
    """All tags of up to three words, and longer ones by chance."""
    for words in range(4):
        yield from map(list, itertools.product(ODD, repeat=words))
    chance = random.Random(0)
    for _ in range(3000):
        yield chance.choices(ODD, k=chance.randint(4, 12))


@pytest.mark.filterwarnings("ignore::UserWarning:seqeval")
def test_the_entities_of_any_tags_are_seqevals() -> None:
    for sentence in sentences():
        lenient = {(kind, start, end + 1) for kind, start, end in get_entities(sentence)}
        strict = {(e.tag, e.start, e.end) for e in Tokens(sentence, IOB2).entities}
        assert entities(sentence) == lenient, sentence
        assert entities(sentence, "strict") == strict, sentence


def test_end_and_single_tags_are_read_as_the_script_reads_them() -> None:
    sentence = ["B-PER", "E-PER", "S-LOC", "I-LOC", "E-LOC", "O", "E-PER"]
    assert entities(sentence) == {(kind, start, end + 1) for kind, start, end in get_entities(sentence)}


def scores(batches: list[tuple[list[int], list[int]]], scheme: Scheme) -> dict[str, float]:
    score = EntityScore(LABELS, scheme)
    for said, truth in batches:
        # a sub-word after each word, which must not count
        target = [[tag for true in truth for tag in (true, -100)]]
        preds = [[tag for guess in said for tag in (guess, 1)]]
        score.update(torch.tensor(preds).view(1, -1), torch.tensor(target).view(1, -1))
    return {name: value.item() for name, value in score.compute().items()}


@settings(max_examples=300)
@given(st.lists(pair, min_size=1, max_size=4), st.sampled_from(["default", "strict"]))
def test_precision_recall_and_f1_are_seqevals(
    batches: list[tuple[list[int], list[int]]], scheme: Scheme
) -> None:
    ours = scores(batches, scheme)
    names = [[[LABELS[i] for i in sentence] for sentence in side] for side in zip(*batches, strict=True)]
    said, truth = names
    options = {"zero_division": 0} | ({"mode": "strict", "scheme": IOB2} if scheme == "strict" else {})
    assert ours["precision"] == pytest.approx(precision_score(truth, said, **options), abs=0, rel=1e-15)
    assert ours["recall"] == pytest.approx(recall_score(truth, said, **options), abs=0, rel=1e-15)
    assert ours["f1"] == pytest.approx(f1_score(truth, said, **options), abs=0, rel=1e-15)
    if any(entities(sentence, scheme) for sentence in truth + said):
        report = classification_report(truth, said, output_dict=True, **options)
        for kind in ("PER", "LOC", "creative-work"):
            if kind in report:
                theirs = report[kind]
                assert ours[f"f1_{kind}"] == pytest.approx(theirs["f1-score"], abs=0, rel=1e-15)
                assert ours[f"precision_{kind}"] == pytest.approx(theirs["precision"], abs=0, rel=1e-15)
                assert ours[f"recall_{kind}"] == pytest.approx(theirs["recall"], abs=0, rel=1e-15)


def test_the_counts_of_two_ranks_add_up() -> None:
    chance = torch.Generator().manual_seed(0)
    preds, target = (torch.randint(0, len(LABELS), (20, 9), generator=chance) for _ in range(2))
    whole, left, right = (EntityScore(LABELS) for _ in range(3))
    whole.update(preds, target)
    left.update(preds[:13], target[:13])
    right.update(preds[13:], target[13:])
    for name in ("correct", "predicted", "actual"):
        assert torch.equal(getattr(whole, name), getattr(left, name) + getattr(right, name))


def test_wrong_arguments_are_named_with_their_cure() -> None:
    with pytest.raises(ValueError, match="`scheme` must be 'default'"):
        EntityScore(["O"], "iob2")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"`labels` must be tags .* but got 'X-PER'"):
        EntityScore(["O", "X-PER"])
    with pytest.raises(ValueError, match=r"must both be \(batch, length\)"):
        EntityScore(["O", "B-x"]).update(torch.zeros(2, 3), torch.zeros(2, 4))
