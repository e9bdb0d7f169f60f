"""What is read where a tensor lies is what `item` says, and what cannot be read there is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from etm_lightning.native import lines as native
from etm_lightning.track.fast.values import reader
from tests.native.fakes import CUDA, LOOK, NAME, Fake, capsule, offered

pytestmark = pytest.mark.skipif(native.numbers is None, reason=f"nothing is compiled: {native.WHY_NOT}")


def taken(
    value: Any,
    *,
    version: int = 1,
    negated: Callable[[Any], Any] = lambda _: False,
    name: bytes = NAME,
    look: Any = None,
) -> float:
    """What is read of a fake: 0.5 where it lies, 7.0 from its `item`."""
    assert native.numbers is not None
    exchange = offered(version, look)
    way = (capsule(exchange, name), negated, lambda _: 7.0)
    found = native.numbers(("a",), (type(value),), (way,), {"a": value})
    assert found is not None
    return found[0]


def test_a_number_is_read_where_it_lies() -> None:
    assert taken(Fake()) == taken(Fake(ndim=0)) == 0.5
    assert taken(Fake(byte_offset=0, data=None)) == 7.0


@pytest.mark.parametrize(
    "fields",
    [{"device": CUDA}, {"lanes": 2}, {"code": 5}, {"code": 2, "bits": 16}, {"bits": 8}, {"code": 1}],
    ids=repr,
)
def test_what_is_elsewhere_or_of_another_type_is_asked_for(fields: dict[str, int]) -> None:
    assert taken(Fake(**fields)) == 7.0


def test_more_than_one_number_is_asked_for() -> None:
    fake = Fake()
    fake.shape[1] = 2
    assert taken(fake) == 7.0


def test_another_protocol_is_not_used() -> None:
    assert taken(Fake(), version=2) == taken(Fake(), version=0) == 7.0
    assert taken(Fake(), name=b"another") == taken(Fake(), look=LOOK()) == 7.0


def test_a_negated_one_is_asked_for() -> None:
    assert taken(Fake(), negated=lambda _: True) == 7.0
    assert taken(Fake(), negated=lambda _: None) == 7.0
    assert taken(Fake(), negated=lambda _: 1 / 0) == 7.0


def test_an_interrupt_is_not_swallowed() -> None:
    def interrupted(_: Any) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        taken(Fake(), negated=interrupted)


WHOLE = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool)
BROKEN = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


@given(st.floats(), st.integers(), st.sampled_from((*WHOLE, *BROKEN)), st.sampled_from([(), (1,), (1, 1)]))
def test_every_type_gives_the_number_of_its_item(
    broken: float, whole: int, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    if dtype in BROKEN:
        tensor = torch.tensor(broken, dtype=torch.float64).to(dtype)
    elif dtype == torch.bool:
        tensor = torch.tensor(whole % 2 == 0)
    else:
        bounds = torch.iinfo(dtype)
        tensor = torch.tensor(bounds.min + whole % (bounds.max - bounds.min + 1), dtype=dtype)
    check(tensor.reshape(shape))


def check(tensor: torch.Tensor) -> None:
    way = reader(["a"], [type(tensor)], torch.Tensor)
    assert way is not None
    found = way({"a": tensor})
    assert found is not None
    assert [(type(one), one.hex()) for one in found] == [(float, float(tensor.item()).hex())]


def odd_tensors() -> Iterator[torch.Tensor]:
    """Tensors whose memory is not their value, or is none, or is reached in a way of its own."""
    yield torch.arange(9.0)[4]  # in the midst of another
    yield torch.tensor(4.0).expand(1, 1)
    yield torch.tensor(1 + 2j).conj().imag
    yield torch._neg_view(torch.tensor(4.0))
    yield torch._efficientzerotensor(())
    yield torch._lazy_clone(torch.tensor(4.0))
    yield torch.nn.Parameter(torch.tensor(4.0))
    yield torch.tensor(4.0).as_subclass(Sub)
    yield torch.tensor(4.0, requires_grad=True) * 2
    yield torch.ones(1).to_sparse()
    yield torch.tensor(3, dtype=torch.uint16)
    yield torch.tensor(3, dtype=torch.uint64)
    with torch.inference_mode():
        yield torch.tensor(3.0)


class Sub(torch.Tensor):
    """A class of tensors of a user's."""


@pytest.mark.parametrize("number", range(13))
def test_odd_tensors_give_the_number_of_their_item(number: int) -> None:
    check([*odd_tensors()][number])


@pytest.mark.filterwarnings(
    "ignore:`torch.jit.script` is deprecated:DeprecationWarning"
)  # torch's own import
def test_inside_of_transforms_too() -> None:
    def seen(tensor: torch.Tensor) -> torch.Tensor:
        check(tensor)
        seen_by.append(tensor)
        return tensor * 2

    seen_by: list[torch.Tensor] = []
    one = torch.tensor(2.0)
    torch.func.grad(seen)(one)
    torch.func.functionalize(seen)(one)
    torch.func.jvp(seen, (one,), (one,))
    assert len(seen_by) == 3


def test_no_number_is_found_in_a_tensor_without_memory() -> None:
    way = reader(["a"], [torch.Tensor], torch.Tensor)
    assert way is not None
    for tensor in (torch.ones((), device="meta"), torch.ones(0), torch.ones(2), torch.tensor(1j).conj()):
        with pytest.raises((RuntimeError, TypeError, ValueError)):
            way({"a": tensor})


def test_tensors_of_an_older_torch_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    if hasattr(torch.Tensor, "__dlpack_c_exchange_api__"):
        monkeypatch.delattr(torch.Tensor, "__dlpack_c_exchange_api__")
    check(torch.tensor(4.0))
