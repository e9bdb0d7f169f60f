"""What a failed sync may have lost is written again."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from etm_lightning.journal import Journal
from etm_lightning.reading import writers
from etm_lightning.records import encode
from tests.faults.simulated_disk import SimulatedDisk
from tests.records.histories import exact, long_history, wrote
from tests.records.test_faults_in_writing import fill, needs_full


def journal(folder: Path, keep_bytes: int = 1 << 20) -> Journal:
    return Journal(folder, run="run", attempt=1, clock=lambda: 1.0, keep_bytes=keep_bytes)


@needs_full
@pytest.mark.parametrize("lost", [True, False])
def test_after_a_failed_sync_every_record_is_there_once(tmp_path: Path, lost: bool) -> None:
    history, one = long_history(30), journal(tmp_path)
    for record in history[:10]:
        one.append(record)
    one.sync()
    [segment] = writers(tmp_path)[one.writer]
    safe = segment.stat().st_size
    for record in history[10:20]:
        one.append(record)
    fill(segment)
    if lost:  # as a disk that failed to write back its cache
        os.truncate(segment, safe)
    with pytest.raises(OSError, match="Invalid argument"):
        one.sync()
    for record in history[20:]:
        one.append(record)
    one.sync()
    one.close()
    assert exact(wrote(writers(tmp_path)[one.writer])) == exact(history)
    assert len(writers(tmp_path)[one.writer]) == 2


def test_what_a_deleted_file_held_is_in_the_next_one(tmp_path: Path) -> None:
    history, one = long_history(30), journal(tmp_path)
    for record in history[:10]:
        one.append(record)
    one.sync()
    one.append(history[10])
    [segment] = writers(tmp_path)[one.writer]
    segment.unlink()
    one.append(history[11])
    with pytest.raises(FileNotFoundError, match="deleted while it was written"):
        one.sync()
    for record in history[12:]:
        one.append(record)
    one.sync()
    one.close()
    [again] = writers(tmp_path)[one.writer]
    assert again.name != segment.name
    assert exact(wrote([again])) == exact(history)


@needs_full
def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    history, one = long_history(1000), journal(tmp_path, keep_bytes=5000)
    for record in history:
        one.append(record)
    assert sum(map(len, list(one._unsynced)[:-1])) <= 5000
    [segment] = writers(tmp_path)[one.writer]
    fill(segment)
    with pytest.raises(OSError, match="Invalid argument"):
        one.sync()
    one.close()
    assert exact(wrote(writers(tmp_path)[one.writer])) == exact(history)


def test_a_sync_with_nothing_new_does_not_touch_the_disk(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.append(long_history(1)[0])
    one.sync()
    before = os.stat(writers(tmp_path)[one.writer][0])
    one.sync()
    assert os.stat(writers(tmp_path)[one.writer][0]) == before
    assert not one._unsynced
    one.close()


def test_a_part_of_a_batch_that_the_disk_took_is_synced_too(tmp_path: Path) -> None:
    disk = SimulatedDisk(random.Random(0))
    one = Journal(tmp_path, run="run", attempt=1, clock=lambda: 1.0, disk=disk)
    history = long_history(3)
    one.append(history[0])
    one.sync()
    lines = one.seal(map(encode, history[1:]))
    disk.room = len(lines[0]) + 5  # then none for the header of a new segment
    with pytest.raises(OSError, match="No space"):
        one.write(lines)
    disk.mend()
    one.sync()  # readers see the first of them
    [content] = disk.names.values()
    assert lines[0] in content.seen
    assert content.platter == content.seen


def test_syncing_beside_threads_that_append_forgets_nothing_too_early(tmp_path: Path) -> None:
    history, one, stop = long_history(4000), journal(tmp_path), threading.Event()

    def keep_syncing() -> None:
        while not stop.is_set():
            one.sync()

    thread = threading.Thread(target=keep_syncing)
    thread.start()
    for record in history:
        one.append(record)
    stop.set()
    thread.join()
    one.sync()
    assert not one._unsynced
    one.close()
    assert exact(wrote(writers(tmp_path)[one.writer])) == exact(history)
