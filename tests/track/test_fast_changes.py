"""Calls of `fast_log` that are like the last one but for something, with the compiled part and without."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from etm_lightning import fast_log
from etm_lightning.track.fast.calls import Calls
from tests.track.fast_lines import Given, keep_plain, trained
from tests.track.lines import QUIET, Line, logger_in, rows, trainer

pytestmark = [*QUIET, pytest.mark.usefixtures("_both_ways")]


class Scripted(Line):
    """Calls `step` in each training step."""

    def __init__(self, step: Callable[[Any, int], Any], batches: int) -> None:
        super().__init__(batches=batches)
        keep_plain(self)
        self.step = step

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.step(self, batch_idx)
        return self.loss(batch)


def run(place: Path, step: Callable[[Any, int], Any], batches: int, **options: Any) -> Any:
    """A training in which `step` logs, and its rows."""
    logger = logger_in(place)
    done = trainer(logger, limit_val_batches=0, **options)
    done.fit(Scripted(step, batches))
    return done, [(row.step, row.values) for row in rows(logger.folder)]


class Halved(torch.Tensor):
    """Gives half of its number."""

    def item(self) -> Any:
        return super().item() / 2


class Loud(float):
    """A number that is another one when it is asked."""

    def __float__(self) -> float:
        return 8.0


class Word(str):
    """A text of another class."""


CALLS: dict[str, list[dict[Any, Any]]] = {
    "other names": [{"a": 1.0}, {"b": 2.0}, {"a": 3.0, "b": 4.0}, {"a": 5.0}, {"c": 6.0}],
    "another order": [{"a": 1.0, "b": 2.0}, {"b": 3.0, "a": 4.0}, {"a": 5.0, "b": 6.0}],
    "more and less": [{"a": 1.0, "b": 2.0}, {"a": 3.0}, {"a": 4.0, "b": 5.0, "c": 6.0}],
    "new texts": [{f"a{n % 1}é": float(n)} for n in range(6)],
    "a text of another class": [{"a": 1.0}, {Word("a"): 2.0}, {"a": 3.0}],
    "other types": [
        *({"a": value} for value in (1.0, 2, True, np.float32(0.5), np.float64(0.25), np.int64(3), 1.0)),
        *({"a": value} for value in (torch.tensor(0.5), torch.tensor(3), torch.tensor(True), 0.5)),
        *({"a": value} for value in (Fraction(1, 4), Loud(1.0), np.float16(0.5), 2**60)),
    ],
    "other tensors": [
        *({"a": torch.tensor(0.1, dtype=dtype)} for dtype in (torch.float64, torch.float32, torch.bfloat16)),
        {"a": torch.nn.Parameter(torch.tensor(2.0))},
        {"a": torch.tensor(4.0).as_subclass(Halved)},
        {"a": torch.tensor([[7]])},
        {"a": torch.tensor(2.0, requires_grad=True) * 3},
    ],
    "kinds together": [
        {"a": 1.0, "b": torch.tensor(2), "c": 3, "d": np.float32(4)},
        {"a": torch.tensor(2), "b": 1.0, "c": True, "d": 5.0},
    ],
    "nothing": [{"a": 1.0}, {}, {"a": 2.0}],
    "what is not finite": [{"a": float("nan"), "b": torch.tensor(float("inf"))}, {"a": 1.0, "b": 2.0}],
}


@pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS)
def test_each_call_is_a_row_of_what_it_was_given(tmp_path: Path, calls: list[dict[Any, Any]]) -> None:
    given = [values for values in calls for _ in range(3)]  # the third is the first that is expected
    _, found = run(tmp_path, lambda module, n: fast_log(module, given[n]), len(given), max_epochs=2)
    numbers = [
        {str(k): float(v.item() if hasattr(v, "item") else v) for k, v in values.items()} for values in given
    ]
    expected = [(n, values) for n, values in enumerate(numbers * 2) if values]
    assert repr(found) == repr(expected)  # NaN is not equal to itself


@pytest.mark.parametrize("values", [{"a": 1.0, "b": 0.5}, {"a": torch.tensor(1.0), "b": 2}], ids=repr)
def test_a_call_like_the_last_one_goes_the_short_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    long: list[int] = []
    take_any = Calls._take_any

    def counted(calls: Calls, *args: Any) -> None:
        long.append(1)
        take_any(calls, *args)

    monkeypatch.setattr(Calls, "_take_any", counted)

    def step(module: Any, n: int) -> None:
        fast_log(module, dict(values), on_epoch=True)
        fast_log(module, {f"{name}*": value for name, value in values.items()}, prog_bar=True)

    _, found = run(tmp_path, step, 20, max_epochs=2)
    assert len(long) == 2 * 3  # in each epoch both are seen for the first time, and then one after the other
    assert len(found) == 2 * 20 * 2 + 1 + 1


def test_calls_of_one_step_may_come_in_any_order(tmp_path: Path) -> None:
    orders = ["ab", "ba", "aab", "b", "", "ba", "abab"]

    def step(module: Any, n: int) -> None:
        for name in orders[n]:
            fast_log(module, {name: float(n)}, prog_bar=name == "a")

    _, found = run(tmp_path, step, len(orders))
    assert found == [(n, {name: float(n)}) for n, order in enumerate(orders) for name in order]


def test_options_may_be_said_in_other_words(tmp_path: Path) -> None:
    ways: list[dict[str, Any]] = [{}, {"on_step": True}, {"reduce_fx": torch.mean}, {"batch_size": 5}, {}]

    def step(module: Any, n: int) -> None:
        fast_log(module, {"a": float(n)}, **ways[n])

    assert run(tmp_path, step, len(ways))[1] == [(n, {"a": float(n)}) for n in range(len(ways))]


def test_another_meaning_is_refused_in_the_midst_of_a_training(tmp_path: Path) -> None:
    def step(module: Any, n: int) -> None:
        fast_log(module, {"a": 1.0}, prog_bar=n == 5)

    with pytest.raises(ValueError, match=r"`values\['a'\]` is logged twice in `training_step` with"):
        run(tmp_path, step, 8)


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ({"a": 1.0, "b": torch.ones(2)}, ValueError, r"`values\['b'\]` must have one element .* \(2,\)"),
        ({"a": 1.0, "b": torch.tensor(1j)}, ValueError, r"`values\['b'\]` must be one real number"),
        ({"a": 1.0, "b": "low"}, ValueError, r"`values\['b'\]` must be a number, .* but got a str"),
        (None, TypeError, "`values` must be a mapping of names to values but got NoneType"),
    ],
    ids=repr,
)
def test_a_mistake_among_good_calls_is_told_and_leaves_the_others(
    tmp_path: Path, wrong: Any, kind: type[Exception], words: str
) -> None:
    def step(module: Any, n: int) -> None:
        values = {"a": 1.0, "b": torch.tensor(float(n))}
        if n == 4:
            with pytest.raises(kind, match=words):
                fast_log(module, wrong, on_epoch=True)
        else:
            fast_log(module, values, on_epoch=True)

    done, found = run(tmp_path, step, 8)
    steps = [n for n in range(8) if n != 4]
    assert found[:-1] == [(n, {"a_step": 1.0, "b_step": float(n)}) for n in steps]
    assert float(done.callback_metrics["b"]) == pytest.approx(sum(steps) / len(steps))


def test_values_that_the_caller_changes_afterwards_stay_what_they_were(tmp_path: Path) -> None:
    one, other = {"a": 0.0, "b": 1.0}, {"c": 0.0}

    def step(module: Any, n: int) -> None:
        one["a"] = other["c"] = float(n)
        fast_log(module, one, prog_bar=True, on_epoch=True)
        fast_log(module, other, prog_bar=True)
        one["a"] = other["c"] = -1.0

    done, found = run(tmp_path, step, 5)
    assert found[:-1:2] == [(n, {"a_step": float(n), "b_step": 1.0}) for n in range(5)]
    assert found[1::2] == [(n, {"c": float(n)}) for n in range(5)]
    assert done.progress_bar_metrics["a_step"] == done.progress_bar_metrics["c"] == 4.0
    assert float(done.callback_metrics["a"]) == 2.0
    assert float(done.callback_metrics["c"]) == 4.0


@pytest.mark.parametrize("make", [float, torch.tensor], ids=["numbers", "tensors"])
def test_loggers_of_other_kinds_may_keep_their_rows(tmp_path: Path, make: Callable[[float], Any]) -> None:
    class Keeps(CSVLogger):
        def log_metrics(self, metrics: Any, step: Any = None) -> None:
            kept.append(metrics)

    kept: list[dict[str, float]] = []

    def step(module: Any, n: int) -> None:
        given = {"a": make(float(n)), "b": make(0.5)}
        fast_log(module, given)
        given.clear()

    trainer([Keeps(tmp_path), logger_in(tmp_path)], limit_val_batches=0).fit(Scripted(step, 4))
    assert kept == [{"epoch": 0, "a": float(n), "b": 0.5} for n in range(4)]


def test_any_mapping_may_come_at_any_time(tmp_path: Path) -> None:
    kinds: list[Any] = [dict, dict, UserDict, dict, type("Own", (dict,), {}), dict]

    def step(module: Any, n: int) -> None:
        fast_log(module, kinds[n]({"a": float(n)}))

    assert run(tmp_path, step, len(kinds))[1] == [(n, {"a": float(n)}) for n in range(len(kinds))]


def batches(kind: str) -> Any:
    """Batches of one kind, of several sizes."""
    pairs = [(torch.linspace(-1, 1, size).reshape(-1, 1),) * 2 for size in (1, 3, 5)]
    shapes: dict[str, Callable[[Any, Any], Any]] = {
        "pair": lambda x, y: (x, y),
        "nested": lambda x, y: [x, {"y": y}],
        "uneven": lambda x, y: [x, torch.cat([y, y])],
        "with a number": lambda x, y: [torch.tensor(1.0), x, y],
        "of a class": lambda x, y: [x.as_subclass(Halved), y],
    }
    return [shapes[kind](*pair) for pair in pairs]


@pytest.mark.parametrize("kind", ["pair", "nested", "uneven", "with a number", "of a class"])
@pytest.mark.filterwarnings("ignore:Trying to infer the `batch_size`")
def test_a_batch_weighs_what_lightning_finds_in_it(tmp_path: Path, kind: str) -> None:
    class Odd(Given):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            self.give(self, {"a": float(batch_idx)}, on_epoch=True, on_step=False)
            return self.line.weight.sum()

        def train_dataloader(self) -> Any:
            return DataLoader(batches(kind), batch_size=None, collate_fn=list)

    def slow(module: Any, values: Any, **options: Any) -> None:
        module.log_dict(values, **options)

    means = [
        trained(tmp_path / give.__name__, Odd(give), limit_val_batches=0).callback["a"]
        for give in (slow, fast_log)
    ]
    assert means[1] == pytest.approx(means[0], rel=1e-6)
