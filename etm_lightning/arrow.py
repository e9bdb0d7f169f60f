"""Numbers of Arrow columns as arrays, and back: pyarrow's own ways import pandas, which takes 0.4 s."""

from __future__ import annotations

from typing import Any

_KINDS = {"int64": "i8", "int32": "i4", "float": "f4", "double": "f8"}


def plain(column: Any) -> Any:
    """The numbers of an Arrow column; what is missing is any number."""
    return _joined([_numbers(chunk) for chunk in column.chunks])


def known(column: Any) -> Any:
    """Which numbers of an Arrow column are there."""
    return _joined([_flags(chunk) for chunk in column.chunks])


def summed(column: Any, before: int) -> Any:
    """The running sum of integers as an Arrow array, on from `before`; what is missing stays missing."""
    import numpy as np
    import pyarrow as pa

    there = known(column)
    total = before + np.cumsum(np.where(there, plain(column), 0))
    buffers = [pa.py_buffer(part) for part in (np.packbits(there, bitorder="little"), total)]
    return pa.Array.from_buffers(pa.int64(), len(total), buffers)


def _numbers(chunk: Any) -> Any:
    import numpy as np

    size, data = len(chunk), chunk.buffers()[1]
    if data is None or not size:
        return np.zeros(size, _KINDS[str(chunk.type)])
    return np.frombuffer(data, _KINDS[str(chunk.type)])[chunk.offset : chunk.offset + size]


def _flags(chunk: Any) -> Any:
    import numpy as np

    size, bits = len(chunk), chunk.buffers()[0]
    if bits is None:
        return np.ones(size, bool)
    flags = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little")
    return flags[chunk.offset : chunk.offset + size].view(bool)


def _joined(parts: list[Any]) -> Any:
    import numpy as np

    return parts[0] if len(parts) == 1 else np.concatenate(parts or [np.empty(0, int)])
