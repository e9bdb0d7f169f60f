"""Media are copied at once and made by a thread, whatever happens meanwhile."""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from etm_lightning import Run
from etm_lightning.attempts import find_writers
from etm_lightning.records import Alert, Artifact, Ended, Gap, Media, Scalars
from etm_lightning.track.media.worker import WORKER, Worker
from tests.track.lines import logger_in, of_kind, only_run, records


class Latch:
    """A job that the thread cannot finish before it is told to."""

    def __init__(self) -> None:
        self.begun, self.free = threading.Event(), threading.Event()

    def make(self) -> None:
        self.begun.set()
        assert self.free.wait(30)

    def deliver(self) -> bool:
        return True


@contextmanager
def busy() -> Iterator[Latch]:
    """The thread has something else to do, until the latch is freed or the block ends."""
    latch = Latch()
    assert WORKER.take(latch.make, latch.deliver, 0)
    yield latch
    latch.free.set()
    WORKER.flush()


def started(folder: Path) -> Run:
    run = Run(save_dir=folder, strict=True)
    run.start()
    return run


def pixels(run: Run, media: Media) -> Any:
    return np.asarray(Image.open(io.BytesIO((run.folder.path / media.file).read_bytes()))).tolist()


def content(run: Run, media: Media) -> Any:
    return json.loads((run.folder.path / media.file).read_bytes())


def test_what_is_changed_after_it_was_logged_is_logged_as_it_was(tmp_path: Path) -> None:
    run = started(tmp_path)
    tensor, array, picture = torch.zeros(2, 2), np.zeros((2, 2)), Image.new("L", (2, 2))
    row: list[Any] = ["a", [1]]
    frame = pd.DataFrame({"a": [1, 2]})
    counts, scores, path = np.ones(3), np.zeros(2), tmp_path / "f.gif"
    picture.save(path)
    with busy():
        run.log_image("tensor", tensor)
        run.log_image("array", array)
        run.log_image("pil", picture)
        run.log_image("file", path)
        run.log_table("table", ["a", "b"], [row])
        run.log_table("frame", frame)
        run.log_histogram("histogram", counts, bins=1)
        run.log_pr_curve("pr", np.array([0, 1]), scores)
        tensor += 1
        array += 1
        picture.putpixel((0, 0), 255)
        path.unlink()
        row[1].append(2)
        frame.loc[0, "a"] = 99
        counts[:] = 5
        scores[:] = [0, 1]
        assert of_kind(run.folder, Media) == []
    run.end()
    found = {media.name: media for media in of_kind(run.folder, Media)}
    assert len(found) == 8
    for name in ("tensor", "array", "pil", "file"):
        assert pixels(run, found[name]) == [[0, 0], [0, 0]]
    assert content(run, found["table"])["rows"] == [["a", [1]]]
    assert content(run, found["frame"])["rows"] == [[1], [2]]
    assert content(run, found["histogram"])["max"] == 1
    assert content(run, found["pr"])["curves"][0]["average_precision"] == 0.5


def test_scalars_do_not_wait_for_media_and_the_record_comes_when_the_file_is_whole(tmp_path: Path) -> None:
    run = started(tmp_path)
    with busy():
        run.log_image("a", torch.zeros(2, 2), step=1)
        run.log({"loss": 1.0}, step=2)
        assert [type(item).__name__ for item in records(run.folder)[2:]] == ["Scalars"]
        assert not run.folder.media.exists()
    run.sync()
    assert [type(item).__name__ for item in records(run.folder)[2:]] == ["Scalars", "Media"]
    run.end()
    assert isinstance(records(run.folder)[-1], Ended)


def test_the_end_comes_after_the_media(tmp_path: Path) -> None:
    with Run(save_dir=tmp_path) as run:
        for step in range(20):
            run.log_image("a", torch.rand(3, 64, 64), step=step)
    found = records(run.folder)[2:]
    assert [type(item).__name__ for item in found] == ["Media"] * 20 + ["Ended"]
    assert [item.step for item in found[:-1]] == list(range(20))


def test_a_thread_that_was_stopped_is_started_again(tmp_path: Path) -> None:
    with Run(save_dir=tmp_path) as run:
        for step in range(3):
            run.log_image("a", torch.zeros(2, 2), step=step)
            WORKER.stop()
            assert "etm-media" not in {thread.name for thread in threading.enumerate()}
    assert [media.step for media in of_kind(run.folder, Media)] == [0, 1, 2]


def test_when_too_much_waits_the_caller_works() -> None:
    worker, latch, done = Worker(most_bytes=100, most_jobs=3), Latch(), list[int]()

    def job(number: int, size: int) -> bool:
        return worker.take(lambda: done.append(number), lambda: True, size)

    assert worker.take(latch.make, latch.deliver, 60)
    assert latch.begun.wait(30)
    assert [job(1, 41), job(2, 40), job(3, 1), job(4, 0)] == [False, True, False, True]
    latch.free.set()
    worker.flush()
    assert done == [2, 4]
    assert [job(n, 1) for n in (5, 6)] == [True, True]
    worker.close()
    assert done == [2, 4, 5, 6]
    assert not job(7, 1)


def test_a_job_that_could_not_be_delivered_is_delivered_later() -> None:
    worker, delivered = Worker(), threading.Event()
    answers = iter([False, False, True])

    def deliver() -> bool:
        answer = next(answers)
        if answer:
            delivered.set()
        return answer

    worker.take(lambda: None, deliver, 1)
    worker.flush()
    assert delivered.wait(30)
    worker.close()


def test_a_picture_that_cannot_be_made_is_counted_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(save_dir=tmp_path, strict=True)
    with run:
        run.log_roc_curve("a", [0, 1], [float("nan"), 1.0], step=0)
        run.log_image("b", torch.zeros(2, 2), step=1)
    assert run.rejected == 1
    [alert] = of_kind(run.folder, Alert)
    assert alert.text == "ValueError: `scores` must not be NaN but got 1"
    assert [media.name for media in of_kind(run.folder, Media)] == ["b"]
    assert "must not be NaN" in caplog.text
    assert isinstance(records(run.folder)[-1], Ended)


def test_a_folder_that_cannot_be_written_costs_the_media_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Run(save_dir=tmp_path, strict=True) as run:
        run.folder.media.write_text("in the way")
        run.log_image("a", torch.zeros(2, 2), step=0)
        run.sync()
        run.folder.media.unlink()
        run.log_image("b", torch.zeros(2, 2), step=1)
    assert run.lost == 1
    [gap] = of_kind(run.folder, Gap)
    assert gap.lost == 1
    assert [media.name for media in of_kind(run.folder, Media)] == ["b"]
    assert "records are being lost" in caplog.text


def script(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A script in a process of its own, with `folder` as its store."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"ETM_STORE": str(folder)},
    )


def test_a_full_disk_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    done = script(
        """
        import resource, signal
        import numpy as np
        from etm_lightning import Run
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        noise = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
        run = Run("p")
        run.start()
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, -1))
        run.log_image("large", noise)
        run.log_image("small", noise[:50, :50])
        run.end()
        print(run.lost)
        """,
        tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    folder = only_run(tmp_path)
    [media] = of_kind(folder, Media)
    assert media.name == "small"
    assert [str(path.relative_to(folder.path)) for path in folder.media.iterdir()] == [media.file]
    [gap] = of_kind(folder, Gap)
    assert gap.lost == 1


def test_a_run_that_nobody_ends_has_its_media(tmp_path: Path) -> None:
    done = script(
        """
        import atexit
        import numpy as np
        from etm_lightning import Run
        late = []
        atexit.register(lambda: late[0].log_image("late", np.zeros((2, 2))))
        run = Run("p")
        late.append(run)
        for step in range(20):
            run.log_image("a", np.zeros((100, 100)) + step / 20, step=step)
        """,
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    names = [media.name for media in of_kind(only_run(tmp_path), Media)]
    assert names.count("a") == 20


def test_a_forked_child_writes_its_own_media_and_leaves_the_parents_alone(tmp_path: Path) -> None:
    done = script(
        """
        import os, threading
        import numpy as np
        from etm_lightning import Run
        from etm_lightning.track.media.worker import WORKER
        run = Run("p")
        run.start()
        free = threading.Event()
        WORKER.take(free.wait, lambda: True, 0)
        run.log_image("parent", np.zeros((2, 2)))
        pid = os.fork()
        if not pid:
            run.log_image("child", np.ones((2, 2)))
            run.sync()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        free.set()
        run.end()
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    folder = only_run(tmp_path)
    assert sorted(media.name for media in of_kind(folder, Media)) == ["child", "parent"]
    assert {writer.header.role for writer in find_writers(folder.journal)} == {"train", "child"}


def test_a_logger_with_media_that_wait_is_pickled_with_them(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    logger.log_image("a", torch.zeros(2, 2))
    other = pickle.loads(pickle.dumps(logger))
    other.log_metrics({"x": 1.0}, 0)
    other.finalize("success")
    logger.log_metrics({"x": 2.0}, 1)
    logger.finalize("success")
    assert [media.name for media in of_kind(only_run(tmp_path), Media)] == ["a"]


def test_what_the_thread_has_is_not_pickled(tmp_path: Path) -> None:
    logger = logger_in(tmp_path)
    logger.run.start()
    with busy():
        logger.log_image("a", torch.zeros(2, 2))
        other = pickle.loads(pickle.dumps(logger))
    other.log_image("b", torch.zeros(2, 2))
    other.finalize("success")
    logger.finalize("success")
    assert sorted(media.name for media in of_kind(only_run(tmp_path), Media)) == ["a", "b"]


def test_media_that_wait_for_the_start_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etm_lightning.track.outbox._MOST_BYTES", 10_000)
    run = Run(save_dir=tmp_path)
    run.hold()
    for step in range(4):
        run.log_image("a", np.zeros((20, 20)), step=step)  # 3200 bytes each
    run.start()
    run.end()
    assert [media.step for media in of_kind(run.folder, Media)] == [0, 1, 2]
    assert run.lost == 1
    assert [gap.lost for gap in of_kind(run.folder, Gap)] == [1]


def test_a_signal_handler_inside_an_append_may_log_media_and_wait_for_them(tmp_path: Path) -> None:
    run = started(tmp_path)
    journal: Any = run._outbox._journal
    with journal.lock:  # as inside an append that a signal interrupts
        run.log_image("a", torch.zeros(2, 2), step=0)
        time.sleep(0.2)  # the thread has made the first and cannot write it down
        run.log_image("a", torch.zeros(2, 2), step=1)
        run.sync()
        assert [media.step for media in of_kind(run.folder, Media)] == [0, 1]
    run.end()
    assert len(of_kind(run.folder, Media)) == 2


def test_a_signal_handler_that_logs_media_holds_nothing_up(tmp_path: Path) -> None:
    run = started(tmp_path)
    seen = 0

    def handler(*_: object) -> None:
        nonlocal seen
        run.log_image("signal", np.full((8, 8), seen % 256, dtype=np.uint8), step=seen)
        if seen % 5 == 0:
            run.sync()
        seen += 1
        if seen < 60:
            signal.setitimer(signal.ITIMER_REAL, 0.001)

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    logged, deadline = 0, time.monotonic() + 20
    try:
        while seen < 60 and time.monotonic() < deadline:
            run.log({"x": 1.0}, step=logged)
            if logged % 50 == 0:
                run.log_image("main", np.zeros((8, 8)), step=logged)
            logged += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    run.end()
    names = [media.name for media in of_kind(run.folder, Media)]
    assert seen == 60
    assert names.count("signal") == seen
    assert names.count("main") == (logged + 49) // 50
    assert len(of_kind(run.folder, Scalars)) == logged


def test_an_artifact_that_is_removed_before_it_was_hashed_is_recorded_without(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_text("x")
    run = started(tmp_path / "store")
    with busy():
        run.log_artifact(path)
        path.unlink()
    run.end()
    [artifact] = of_kind(run.folder, Artifact)
    assert (artifact.path, artifact.sha256, artifact.size) == (str(path), "", 0)
