"""The compiled way takes the numbers that Python takes, and leaves alone what is not as expected."""

from __future__ import annotations

import contextlib
import gc
import math
import sys
from array import array
from collections import OrderedDict
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from etm_lightning.native import lines as native
from etm_lightning.track.fast.values import add, kind_of, read, reader
from tests.native.ways import Odd, Word

pytestmark = pytest.mark.skipif(native.numbers is None, reason=f"nothing is compiled: {native.WHY_NOT}")

VALUES = st.one_of(
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.booleans(),
    st.floats(width=32).map(np.float32),
    st.integers(-9, 9).map(np.int64),
    st.floats(width=32).map(torch.tensor),
    st.integers(-9, 9).map(torch.tensor),
    st.fractions(),
)
NAMES = st.text(max_size=3)
DICTS = st.dictionaries(NAMES, VALUES, max_size=6)


def ways(values: dict[str, Any]) -> tuple[Any, Any]:
    """What takes the numbers of a dict like this one: compiled, and in Python."""
    kinds = [type(value) for value in values.values()]
    python = lambda other: read([*values], kinds, kind_of(kinds, torch.Tensor), other)  # noqa: E731
    compiled = reader([*values], kinds, torch.Tensor)
    assert compiled is not None
    assert compiled.func is native.numbers  # type: ignore[attr-defined]  # it is a partial
    return compiled, python


def told(way: Any, values: Any) -> str:
    """What a way finds, to the bit, or that it finds fault with it."""
    try:
        found = way(values)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # as of a tensor with two elements
        return "wrong"
    return "none" if found is None else f"{[(type(one), one.hex()) for one in found]}"


@given(DICTS)
def test_the_same_numbers_are_taken(values: dict[str, Any]) -> None:
    compiled, python = ways(values)
    assert told(compiled, values) == told(python, values) != "none"
    assert told(compiled, {"".join(name): value for name, value in values.items()}) == told(python, values)


@given(DICTS, DICTS)
def test_only_a_dict_like_it_is_taken(values: dict[str, Any], other: dict[str, Any]) -> None:
    compiled, python = ways(values)
    backwards, exchanged = dict(reversed(values.items())), dict(zip(values, other.values(), strict=False))
    for one in (other, backwards, exchanged, {**values, **other}, {**values, "more": 1.0}):
        assert told(compiled, one) == told(python, one)


@pytest.mark.parametrize(
    "other",
    [
        {"a": 1.0, "b": 1},
        {"b": 1.0, "a": 0.5},
        {"a": 0.5},
        {"a": 0.5, "b": 0.5, "c": 0.5},
        {"a": 0.5, 1: 0.5},
        {"a": 0.5, "b": np.float64(0.5)},
        OrderedDict({"a": 0.5, "b": 0.5}),
        Odd(a=0.5, b=0.5),
        [("a", 0.5), ("b", 0.5)],
        None,
    ],
    ids=repr,
)
def test_what_is_not_like_it_is_left_alone(other: Any) -> None:
    for way in ways({"a": 0.5, "b": 0.5}):
        assert way(other) is None


def test_a_text_of_another_class_is_left_to_the_long_way() -> None:
    compiled, _ = ways({"a": 0.5})
    assert compiled({Word("a"): 0.5}) is None


@pytest.mark.parametrize(
    "value", [torch.ones(2), torch.ones(0), torch.tensor(1j), 2**2000, Fraction(10**400)]
)
def test_what_is_not_one_number_is_wrong_in_both_ways(value: Any) -> None:
    assert [told(way, {"a": value}) for way in ways({"a": value})] == ["wrong", "wrong"]


TENSORS = {
    "with a graph": torch.ones((), requires_grad=True) * 3,
    "a parameter": torch.nn.Parameter(torch.tensor(0.1)),
    "of 64 bits": torch.tensor(0.1, dtype=torch.float64),
    "of 16 bits": torch.tensor(0.1, dtype=torch.float16),
    "of 16 other bits": torch.tensor(0.1, dtype=torch.bfloat16),
    "whole": torch.tensor(7),
    "a truth": torch.tensor(True),
    "in a vector of one": torch.tensor([0.1]),
    "in a matrix of one": torch.tensor([[0.1]], dtype=torch.float64),
    "first of several": torch.tensor([0.1, 0.2, 0.3])[0],
    "second of several": torch.tensor([0.1, 0.2, 0.3])[1],
    "last of several": torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)[2],
    "every second of several": torch.tensor([0.1, 0.2, 0.3])[::2][1],
    "real": torch.tensor([1 + 2j, 3 + 4j])[1].real,
    "imaginary": torch.tensor([1 + 2j, 3 + 4j])[1].imag,
    "to be negated": torch.tensor([1 + 2j, 3 + 4j]).conj()[1].imag,
    "to be negated, of 64 bits": torch.tensor(1 + 2j, dtype=torch.complex128).conj().imag,
    "to be negated, and nothing else": torch._neg_view(torch.tensor(2.0)),
    "a zero without memory": torch._efficientzerotensor(()),
    "none": torch.tensor(math.nan),
    "endless": torch.tensor(-math.inf),
    "less than nothing": torch.tensor(-0.0),
    "tiny": torch.tensor(1e-45),
}


@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS)
def test_a_tensor_gives_the_number_that_it_tells_itself(tensor: torch.Tensor) -> None:
    compiled, python = ways({"a": tensor, "b": tensor})
    assert told(compiled, {"a": tensor, "b": tensor}) == told(python, {"a": tensor, "b": tensor}) != "wrong"


def test_tensors_that_stand_for_others_are_asked() -> None:
    def batched(value: torch.Tensor) -> torch.Tensor:
        found.append([told(way, {"a": value}) for way in ways({"a": value})])
        return value * 1

    found: list[list[str]] = []
    torch.vmap(batched)(torch.ones(3))
    torch.func.grad(batched)(torch.tensor(0.5))
    batched(torch.ones((), device="meta"))
    assert found == [["wrong"] * 2, ["[(<class 'float'>, '0x1.0000000000000p-1')]"] * 2, ["wrong"] * 2]


def test_a_way_may_do_what_it_likes() -> None:
    assert native.numbers is not None
    values = {str(n): complex(n) for n in range(100)}

    def clears(value: complex) -> float:
        values.clear()
        for one in gc.get_objects():  # even the list that the numbers are collected in
            if type(one) is list and len(one) == 100 and type(one[-1]) is complex:
                one.clear()
        return value.real

    names, kinds = tuple(values), (complex,) * 100
    with pytest.raises(IndexError):
        native.numbers(names, kinds, (clears,) * 100, values)
    values.update({"a": 1j})
    assert native.numbers(("a",), (complex,), (abs,), values) == [1.0]
    with pytest.raises(ValueError, match="could not convert"):
        native.numbers(("a",), (complex,), (str,), values)
    with pytest.raises(TypeError):
        native.numbers(("a",), (complex,), (dict,), values)
    with pytest.raises(ZeroDivisionError):
        native.numbers(("a",), (complex,), (lambda value: 1 // 0,), values)


def test_nothing_is_kept_and_nothing_is_let_go() -> None:
    assert native.numbers is not None
    value, name = object(), "".join(["n"] * 50)
    values = {name: value}
    before = sys.getrefcount(value), sys.getrefcount(name)
    for ways in ((lambda _: 0.5,), (lambda _: 2,), (lambda _: "x",), (lambda _: None,)):
        for kind in (object, int):
            with contextlib.suppress(TypeError, ValueError):
                native.numbers((name,), (kind,), ways, values)
    assert (sys.getrefcount(value), sys.getrefcount(name)) == before


NUMBERS = st.lists(st.floats(-1e100, 1e100), max_size=9)


@given(NUMBERS, st.floats(0, 1e6), st.integers(0, 1000))
def test_sums_grow_alike(numbers: list[float], weight: float, size: int) -> None:
    assert native.add is not None
    for by in (weight, size):
        compiled, python = array("d", numbers), array("d", numbers)
        native.add(compiled, numbers[::-1], by)
        add(python, numbers[::-1], by)
        assert compiled.tolist() == pytest.approx(python.tolist(), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(
    "wrong",
    [
        (array("d", [1.0]), [1.0, 2.0], 1.0),
        (array("d", [1.0, 2.0]), [1.0], 1.0),
        (array("f", [1.0]), [1.0], 1.0),
        (array("f", [1.0, 2.0]), [1.0], 1.0),
        (array("q", [1]), [1.0], 1.0),
        (bytearray(8), [1.0], 1.0),
        ([1.0], [1.0], 1.0),
        (array("d", [1.0]), (1.0,), 1.0),
        (array("d", [1.0]), [1], 1.0),
        (array("d", [1.0]), [1.0], "heavy"),
        (np.ones(1)[::2], [1.0], None),
        (),
    ],
    ids=repr,
)
def test_what_cannot_be_added_is_refused(wrong: Any) -> None:
    assert native.add is not None
    with pytest.raises(TypeError):
        native.add(*wrong)


def test_a_mistake_in_the_call_is_told() -> None:
    assert native.numbers is not None
    calls: list[tuple[Any, ...]] = [
        (),
        (("a",), (float,), (None,)),
        (["a"], (float,), (None,), {}),
        (("a",), [float], (None,), {}),
        (("a",), (float,), None, {}),
        (("a", "b"), (float,), (None,), {}),
        (("a",), (float,), (None, None), {}),
    ]
    for wrong in calls:
        with pytest.raises(TypeError, match="numbers takes"):
            native.numbers(*wrong)
    with pytest.raises(TypeError):
        native.numbers(("a",), (float,), (5,), {"a": 0.5})
