"""TensorBoard's event files: records with checksums, in files of which only the last one grows."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from tensorboard.compat.proto import event_pb2

from etm_lightning.records import Json
from etm_lightning.track.sinks.sink import StartOverError

VERSION = "brain.Event:2"
WRITER = "etm_lightning"
OURS = re.compile(r"events\.out\.tfevents\.\d+\.(\d+)\.etm")
BUFFER = 1 << 20
_POLYNOMIAL = 0x82F63B78  # CRC-32C (Castagnoli), bits reversed
_INT64 = range(-(2**63), 2**63)


def _crc_table() -> tuple[int, ...]:
    found = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        found.append(crc)
    return tuple(found)


_TABLE = _crc_table()


def masked_crc(data: bytes) -> int:
    """CRC-32C of `data`, rotated and shifted as the TFRecord format wants it.

    >>> hex(masked_crc(b"123456789"))  # CRC-32C is 0xe3069283
    '0xc78ab0e5'
    """
    table, crc = _TABLE, 0xFFFFFFFF
    for byte in data:
        crc = table[crc & 0xFF ^ byte] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return (crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8 & 0xFFFFFFFF


@lru_cache(maxsize=4096)
def _head(size: int) -> bytes:
    length = struct.pack("<Q", size)
    return length + struct.pack("<I", masked_crc(length))


def framed(data: bytes) -> bytes:
    """`data` as one record of a TFRecord file: length, its checksum, data, its checksum."""
    return b"".join((_head(len(data)), data, struct.pack("<I", masked_crc(data))))


class EventFiles:
    """The event files of one run, of which nothing is seen twice and nothing that was stored is lost.

    A file that holds more than was stored is cut there, and another one goes on: whoever reads along must
    not see other bytes where it has read already. A file that does not count any more is emptied and stays,
    since a reader that is in it would wait for it for ever. Only files with our own ending are touched.

    Args:
        folder: TensorBoard's folder of the run.
        state: what `flush` returned last; empty to begin anew, which empties the files from before.
        created: when the run was created, in Unix seconds.

    Raises:
        StartOverError: if what was stored is not there any more.
    """

    def __init__(self, folder: Path, state: Mapping[str, Json], created: float) -> None:
        self._folder, self._created = folder, created
        self._pending: list[bytes] = []
        self._pending_size = 0
        folder.mkdir(parents=True, exist_ok=True)
        if state:
            self._go_on(str(state["file"]), int(state["offset"]))
        else:
            self._begin()

    def append(self, time: float, step: int, **what: Any) -> None:
        """Add one event.

        Args:
            time: Unix seconds.
            step: step of what it holds; those that the format cannot hold become the nearest it can.
            what: the field of the event and its content, such as ``summary``.
        """
        if step not in _INT64:
            step = _INT64[0] if step < 0 else _INT64[-1]
        record = framed(event_pb2.Event(wall_time=time, step=step, **what).SerializeToString())
        self._pending.append(record)
        self._pending_size += len(record)
        if self._pending_size > BUFFER:
            self._write()

    def flush(self) -> dict[str, Json]:
        """Hand all over to the operating system.

        Returns:
            Where the last file ends.

        Raises:
            StartOverError: if somebody removed the file.
        """
        self._write()
        if not os.fstat(self._file).st_nlink:
            raise StartOverError(f"{self._path} was removed")
        return {"file": self._path.name, "offset": self._offset}

    def close(self) -> None:
        """Let go of the file; what was not flushed is not written."""
        os.close(self._file)

    def _begin(self) -> None:
        """A new first file; then those from before are emptied."""
        before = self._numbered()
        self._create(max(before, default=-1) + 1)
        # tells a reader that knows an earlier generation to forget it; there is no other such event
        start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self.append(self._created, 0, session_log=start)
        for path in before.values():
            os.truncate(path, 0)

    def _go_on(self, name: str, offset: int) -> None:
        path, files = self._folder / name, self._numbered()
        size = path.stat().st_size if path.exists() else -1
        if size < offset:
            raise StartOverError(f"{path} holds {size} of {offset} bytes" if size >= 0 else f"no {path}")
        later = [found for found in files.values() if found.name > name]
        if size == offset and not later:
            self._open(path, os.O_WRONLY | os.O_APPEND)
            self._offset = offset
            return
        os.truncate(path, offset)
        self._create(max(files) + 1)
        for found in later:
            os.truncate(found, 0)

    def _create(self, number: int) -> None:
        """Names rise with the number, as readers go from name to name."""
        path = self._folder / f"events.out.tfevents.{int(self._created):010}.{number:06}.etm"
        self._open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL)
        self._offset = 0
        self.append(self._created, 0, file_version=VERSION, source_metadata={"writer": WRITER})

    def _open(self, path: Path, flags: int) -> None:
        self._path, self._file = path, os.open(path, flags, 0o666)

    def _numbered(self) -> dict[int, Path]:
        names = ((OURS.fullmatch(path.name), path) for path in self._folder.iterdir())
        return {int(match[1]): path for match, path in names if match}

    def _write(self) -> None:
        data = memoryview(b"".join(self._pending))
        self._pending, self._pending_size = [], 0
        while data:
            written = os.write(self._file, data)
            self._offset += written
            data = data[written:]
