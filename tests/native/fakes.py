"""What stands for a tensor whose type offers DLPack's C functions."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

NAME = b"dlpack_exchange_api"
CPU, CUDA = 1, 2


class Look(ctypes.Structure):
    """DLPack's `DLTensor`."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
    )


LOOK = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(Look))


class Exchange(ctypes.Structure):
    """DLPack's `DLPackExchangeAPI`."""

    _fields_ = (
        ("version", ctypes.c_uint32 * 2),
        ("older", ctypes.c_void_p),
        ("others", ctypes.c_void_p * 3),
        ("look", LOOK),
        ("stream", ctypes.c_void_p),
    )


def capsule(exchange: Exchange, name: bytes = NAME) -> Any:
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(ctypes.addressof(exchange), name, None)


class Fake:
    """Stands for a tensor: its number lies in memory, and its `item` is another."""

    def __init__(self, **fields: Any) -> None:
        self.memory = ctypes.c_double(0.5)
        self.shape = (ctypes.c_int64 * 2)(1, 1)
        self.fields = {"device": CPU, "ndim": 2, "code": 2, "bits": 64, "lanes": 1} | fields

    def look(self, view: Any) -> int:
        view[0].data = ctypes.addressof(self.memory)
        view[0].shape = ctypes.cast(self.shape, ctypes.POINTER(ctypes.c_int64))
        view[0].byte_offset = 0
        for name, value in self.fields.items():
            setattr(view[0], name, value)
        return 0


def offered(version: int = 1, look: Callable[..., int] | None = None) -> Exchange:
    """The functions for `Fake`; none instead of `look` if that is `LOOK()`."""
    exchange = Exchange()
    exchange.version[0], exchange.version[1] = version, 3
    exchange.look = LOOK(lambda tensor, view: tensor.look(view)) if look is None else look
    return exchange
