"""Real faults of disks and processes: full devices, size limits, kills."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from etm_lightning.journal import Journal
from etm_lightning.reading import Damage, follow, writers
from etm_lightning.records import Gap, Scalars, Text
from tests.records.histories import exact, long_history, wrote

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")


def descriptor(path: Path) -> int:
    """The descriptor under which this process has `path` open."""
    wanted = path.stat()
    for fd in range(3, 4096):
        try:
            found = os.fstat(fd)
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return fd
    raise AssertionError(f"{path} is not open")


def fill(path: Path) -> int:
    """Put a full device under the descriptor of `path`; the descriptor."""
    fd, full = descriptor(path), os.open(FULL, os.O_WRONLY)
    os.dup2(full, fd, inheritable=False)
    os.close(full)
    return fd


def run(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, args)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def step(number: int) -> Scalars:
    return Scalars(time=1.0, step=number)


@needs_full
def test_after_an_error_the_record_goes_to_a_new_segment_under_the_same_descriptor(tmp_path: Path) -> None:
    journal = Journal(tmp_path, run="run", attempt=1)
    history = long_history(30)
    descriptors = set()
    for number, record in enumerate(history):
        journal.append(record)
        if number % 10 == 9:
            descriptors.add(fill(writers(tmp_path)[journal.writer][-1]))
    journal.append(Gap(time=1.0, lost=0, since=0.0))
    segments = writers(tmp_path)[journal.writer]
    assert len(segments) == 4
    descriptors.add(descriptor(segments[-1]))
    assert len(descriptors) == 1
    journal.close()
    assert wrote(segments) == [*history, Gap(time=1.0, lost=0, since=0.0)]


@needs_full
def test_an_append_that_fails_says_so_and_the_next_ones_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder, run="run", attempt=1)
    journal.append(step(0))
    segments = writers(folder)[journal.writer]
    moved = tmp_path / "moved"
    fill(segments[0])
    folder.rename(moved)
    folder.write_text("no folder")
    for number in (1, 2):
        with pytest.raises(OSError):
            journal.append(step(number))
    folder.unlink()
    moved.rename(folder)
    journal.append(step(3))
    journal.close()
    assert wrote(writers(folder)[journal.writer]) == [step(0), step(3)]


def test_a_new_segment_that_cannot_be_made_costs_nothing_while_the_old_one_takes_records(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder, run="run", attempt=1, segment_bytes=0)
    journal.append(step(0))
    folder.rename(tmp_path / "moved")
    folder.write_text("no folder")
    journal.append(step(1))
    journal.append(step(2))
    folder.unlink()
    (tmp_path / "moved").rename(folder)
    journal.append(step(3))
    journal.close()
    segments = writers(folder)[journal.writer]
    assert len(segments) == 2
    assert wrote(segments) == [step(number) for number in range(4)]


def test_short_writes_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """A limit on the size of files cuts the line that crosses it, as a full disk does."""
    code = """
        import resource, signal, sys
        from pathlib import Path
        from etm_lightning.journal import Journal
        from etm_lightning.records import Scalars
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        journal = Journal(Path(sys.argv[1]), run="run", attempt=1)
        for step in range(200):
            journal.append(Scalars(time=1.0, step=step))
        journal.close()
    """
    done = run(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    [(_, segments)] = writers(tmp_path).items()
    assert len(segments) > 10
    found = [item for _, item in follow(segments, final=True)]
    torn = [item for item in found if isinstance(item, Damage)]
    assert len(torn) > 5
    assert all(item.offset + item.size == 1000 for item in torn)
    assert [item.step for item in found if isinstance(item, Scalars)] == list(range(200))


def test_a_record_that_no_segment_can_hold_is_refused_and_the_next_ones_are_kept(tmp_path: Path) -> None:
    code = """
        import resource, signal, sys
        from pathlib import Path
        from etm_lightning.journal import Journal
        from etm_lightning.records import Text
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        journal = Journal(Path(sys.argv[1]), run="run", attempt=1)
        for size in (10, 2000, 20, 3000, 4000, 30):
            try:
                journal.append(Text(time=1.0, name="x", text="y" * size))
            except OSError as error:
                print(size)
        journal.close()
    """
    done = run(code, tmp_path)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["2000", "3000", "4000"], "")
    [(_, segments)] = writers(tmp_path).items()
    found = [item for _, item in follow(segments, final=True)]
    assert [len(item.text) for item in found if isinstance(item, Text)] == [10, 20, 30]


def test_a_file_without_room_for_its_header_leaves_nothing_behind(tmp_path: Path) -> None:
    code = """
        import resource, signal, sys
        from pathlib import Path
        from etm_lightning.journal import Journal
        from etm_lightning.records import Gap
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, resource.RLIM_INFINITY))
        journal = Journal(Path(sys.argv[1]), run="run", attempt=1)
        for lost in range(2):
            try:
                journal.append(Gap(time=1.0, lost=lost, since=0.0))
            except OSError:
                print("refused", len(list(Path(sys.argv[1]).iterdir())))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        journal.append(Gap(time=1.0, lost=2, since=0.0))
        journal.close()
    """
    done = run(code, tmp_path)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["refused", "0"] * 2, "")
    [(_, segments)] = writers(tmp_path).items()
    assert wrote(segments) == [Gap(time=1.0, lost=2, since=0.0)]


def test_a_journal_that_runs_out_of_descriptors_goes_on(tmp_path: Path) -> None:
    code = """
        import os, resource, sys
        from pathlib import Path
        from etm_lightning.journal import Journal
        from etm_lightning.records import Scalars
        journal = Journal(Path(sys.argv[1]), run="run", attempt=1, segment_bytes=0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        taken = []
        try:
            while True:
                taken.append(os.open("/", os.O_RDONLY))
        except OSError:
            os.close(taken.pop())  # room for a file, but not for what makes its name durable
        for step in range(10):
            journal.append(Scalars(time=1.0, step=step))
        for fd in taken:
            os.close(fd)
        for step in range(10, 20):
            journal.append(Scalars(time=1.0, step=step))
    """
    done = run(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    [(_, segments)] = writers(tmp_path).items()
    assert len(segments) == 11
    assert wrote(segments) == [step(number) for number in range(20)]


KILLED = """
    import os, sys
    from pathlib import Path
    from etm_lightning.journal import Journal
    from etm_lightning.records import Scalars
    journal = Journal(Path(sys.argv[1]), run="run", attempt=1, segment_bytes=200_000)
    step = 0
    while True:
        journal.append(Scalars(time=1.0, step=step, values={"loss": 1 / (step + 1)}))
        os.write(1, b"%d\\n" % step)
        step += 1
"""


@pytest.mark.parametrize("seed", range(10))
def test_sigkill_loses_nothing_that_was_acknowledged(seed: int, tmp_path: Path) -> None:
    acknowledged = tmp_path / "acknowledged"
    with acknowledged.open("wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "journal")], stdout=file
        )
    try:
        deadline = time.monotonic() + 30
        while not acknowledged.stat().st_size and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(random.Random(seed).uniform(0, 0.1))
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    last = int(acknowledged.read_bytes().rpartition(b"\n")[0].rpartition(b"\n")[2])
    [(_, segments)] = writers(tmp_path / "journal").items()
    found = wrote(segments)  # as it lies: no damage, no repair
    assert len(found) in (last + 1, last + 2)
    assert exact(found) == exact(
        [Scalars(time=1.0, step=i, values={"loss": 1 / (i + 1)}) for i in range(len(found))]
    )
