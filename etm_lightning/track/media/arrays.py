"""Arrays of numpy and tensors of torch as arrays of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

CURE = 'pip install "etm-lightning[media]"'


def array(value: Any) -> Array:
    """A copy of the numbers in `value`: an array, a tensor on any device, a list of numbers.

    Raises:
        ImportError: without numpy.
        TypeError: if these are no numbers.

    >>> array([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    numpy = _numpy()
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":  # numpy has no such number
            value = value.float()
        value = value.numpy()
    elif isinstance(value, list | tuple) and any(hasattr(part, "detach") for part in value):
        value = [array(part) for part in value]
    found = numpy.array(value)  # a copy
    if found.dtype.kind not in "biuf":
        raise TypeError(f"must be numbers but got {type(value).__name__} of {found.dtype}")
    return found  # type: ignore[no-any-return]  # an import by name has no types


def _numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise ImportError(f"pictures and curves need numpy: {CURE}") from error
    return numpy
