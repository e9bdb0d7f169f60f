"""What TensorBoard shows of a run, asked of TensorBoard itself."""

from __future__ import annotations

import io
import logging
import random
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from etm_lightning import Run
from etm_lightning.journal import Journal
from etm_lightning.layout import RunFolder
from etm_lightning.records import Ended, Scalars
from etm_lightning.track.shipping import delivery
from etm_lightning.track.shipping.cursors import load, progress_file
from etm_lightning.track.shipping.delivery import Delivery
from etm_lightning.track.sinks import pictures
from etm_lightning.track.sinks.summaries import THRESHOLDS, pr_rows
from tests.contracts import journals
from tests.contracts.case_tensorboard import accumulated, event_folder
from tests.track.board import LOADERS, Board, Seen, board
from tests.track.gallery import GRAPH, HISTOGRAM, PNG, gallery, show, tone

both_loaders = pytest.mark.parametrize("loader", LOADERS)


def deliver(folder: RunFolder, **options: Any) -> None:
    """One deliverer's life: all that is there."""
    carrier = Delivery(folder, "tensorboard", {"sink": "tensorboard", **options})
    while carrier.advance():
        pass
    carrier.close()
    assert not carrier.error, carrier.error


def watch(folder: RunFolder, loader: str) -> AbstractContextManager[Board]:
    """A TensorBoard of the run's project: it takes the last values of runs that have a name for metrics."""
    return board(event_folder(folder).parent, loader)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = gallery(tmp_path_factory.mktemp("store"))
    deliver(folder)
    return folder


@pytest.fixture(scope="module", params=LOADERS)
def seen(shown: RunFolder, request: pytest.FixtureRequest) -> Iterator[Seen]:
    with watch(shown, request.param) as looking:
        looking.curve("summary/val/f1", until=bool)
        yield looking.look()


@pytest.fixture(scope="module")
def events(shown: RunFolder) -> Any:
    return accumulated(shown)


def texts(events: Any, tag: str) -> list[tuple[int, str]]:
    return [(event.step, event.tensor_proto.string_val[0].decode()) for event in events.Tensors(tag)]


# -- every kind has its place -------------------------------------------------------------------------------


def test_everything_is_where_people_look_for_it(seen: Seen) -> None:
    assert seen["tags"] == {
        "text": ["alerts", "confusion", "errors", "roc/spam", "sample"],
        "images": ["attention", "confusion (image)"],
        "histograms": ["weights"],
        "pr_curves": ["spam"],
        "audio": ["tone"],
        "graphs": ["__run_graph__"],
    }


def test_hparams_have_real_settings_and_real_metrics(seen: Seen) -> None:
    expected = {"lr": 1e-3, "model.width": 8, "model.name": "bert", "fast": True, "layers": "[1,2]"}
    assert seen["hparams"] == expected
    assert seen["metrics"]["summary/val/f1"] == pytest.approx(1 - 1 / 39)
    assert seen["metrics"]["train/loss"] == pytest.approx(1 / 40)
    assert seen["status"] == ["STATUS_SUCCESS"]


def test_the_epoch_is_a_curve_with_a_point_for_each(seen: Seen) -> None:
    assert seen["scalars"]["epoch"] == [[0, 0.0], [10, 1.0], [20, 2.0], [30, 3.0]]


def test_batches_of_evaluations_go_on_where_the_last_one_ended(seen: Seen) -> None:
    points = seen["scalars"]["val/loss (eval_batch)"]
    assert [step for step, _ in points] == list(range(12))
    assert [value for _, value in points] == pytest.approx([1 / s for s in (9, 19, 29, 39) for _ in range(3)])


def test_texts_tables_and_alerts_are_texts(events: Any) -> None:
    assert texts(events, "sample") == [(3, "a **bold** text")]
    assert texts(events, "errors") == [(4, "| word | count |\n| --- | --- |\n| a\\|b | 1 |\n| c | 2 |")]
    assert texts(events, "alerts") == [(0, "**warning: look here**\n\na text")]
    assert [step for step, _ in texts(events, "confusion")] == [9, 19, 29, 39]
    assert "| **cat** | 9 | 1 |" in texts(events, "confusion")[0][1]


def test_pictures_arrive_byte_by_byte(events: Any) -> None:
    [picture] = events.Images("attention")
    assert (picture.step, picture.width, picture.height) == (5, 48, 48)
    assert picture.encoded_image_string == PNG


def test_histograms_keep_counts_and_edges(events: Any) -> None:
    found = events.Histograms("weights")[-1]
    value = found.histogram_value
    assert found.step == 39
    assert [value.min, *value.bucket_limit] == HISTOGRAM["edges"]
    assert list(value.bucket) == HISTOGRAM["counts"]
    assert value.num == 20


def test_audio_keeps_its_sound_and_says_how_long_it_is(events: Any) -> None:
    [audio] = events.Audio("tone")
    assert (audio.sample_rate, audio.length_frames, audio.content_type) == (8000, 800, "audio/wav")
    assert audio.encoded_audio_string == tone()


def test_the_graph_has_its_nodes(events: Any) -> None:
    nodes = [{"name": n.name, "op": n.op, "inputs": list(n.input)} for n in events.Graph().node]
    assert nodes == GRAPH["nodes"]


def test_a_pr_curve_counts_as_one_counts_by_hand() -> None:
    chance = random.Random(1)
    answers = [chance.random() < 0.3 for _ in range(400)]
    scores = [min(1.0, max(0.0, chance.gauss(0.6 if answer else 0.4, 0.2))) for answer in answers]
    thresholds = sorted(set(scores))

    def count(threshold: float) -> tuple[int, int, int]:
        chosen = [answer for answer, score in zip(answers, scores, strict=True) if score >= threshold]
        return sum(chosen), len(chosen) - sum(chosen), sum(answers) - sum(chosen)

    counts = [count(threshold) for threshold in thresholds]
    precision = [hits / (hits + wrong) for hits, wrong, _ in counts]
    recall = [hits / (hits + missed) for hits, _, missed in counts]
    for positives in (sum(answers), None):
        rows = pr_rows([*precision, 1.0], [*recall, 0.0], [*thresholds, None], positives)
        found = list(zip(rows[0], rows[1], rows[3], strict=True))
        assert found == [count(number / (THRESHOLDS - 1)) for number in range(THRESHOLDS)]


def test_what_a_run_draws_itself_is_shown(tmp_path: Path) -> None:
    with journals.new_run(tmp_path) as run:
        run.log_pr_curve("two", [0, 1, 1], [0.1, 0.7, 0.4], step=1)
        run.log_pr_curve("logits", [0, 1, 1], [-3.0, 5.0, 9.0], step=1)
        run.log_pr_curve("three", [0, 0, 1], [[0.5, 0.2, 0.3], [0.9, 0.1, 0], [0.2, 0.7, 0.1]], step=1)
        run.log_roc_curve("roc", [0, 1, 1], [0.1, 0.7, 0.4], step=1)
        run.log_histogram("weights", [0.0, 1.0, 1.0, 4.0, float("nan")], bins=4, step=1)
        run.log_histogram("nothing", [float("nan")], step=1)
    deliver(run.folder)
    assert load(progress_file(run.folder, "tensorboard")).state["missing"] == 0
    with watch(run.folder, "python") as looking:
        tags = looking.look()["tags"]
    assert tags["pr_curves"] == ["logits", "three/0", "three/1", "two"]  # nothing is of the third class
    assert tags["text"] == ["roc/1"]
    events = accumulated(run.folder)
    weights = events.Histograms("weights")[0].histogram_value
    assert (weights.num, weights.sum, weights.sum_squares) == (4, 6.0, pytest.approx(18.0))
    [logits] = events.Tensors("logits")
    rows = struct.unpack(f"<{6 * THRESHOLDS}f", logits.tensor_proto.tensor_content)
    recall = rows[5 * THRESHOLDS :]
    assert (recall[0], recall[THRESHOLDS // 2], recall[-1]) == (1.0, 1.0, 0.5)


def test_pictures_logged_at_once_have_tags_of_their_own(tmp_path: Path) -> None:
    with journals.new_run(tmp_path) as run:
        for step in (1, 2):
            run.log_image("sample", np.zeros((3, 8, 6, 3), np.uint8), step=step)
    deliver(run.folder)
    images = accumulated(run.folder)
    assert images.Tags()["images"] == ["sample", "sample/1", "sample/2"]
    assert [picture.step for picture in images.Images("sample/1")] == [1, 2]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF"])
def test_the_size_of_a_picture_is_what_a_library_says(format: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (37, 21), "red").save(file, format, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    assert pictures.size(file.getvalue()) == (37, 21)


def test_a_heat_map_is_a_picture_of_its_numbers() -> None:
    picture = Image.open(io.BytesIO(pictures.heat_map([[3, 1], [0, 4], [0, 0]])))
    assert picture.size == (2 * pictures.CELL, 3 * pictures.CELL)
    middles = [(x * 24 + 12, y * 24 + 12) for y in range(3) for x in range(2)]
    first, second, none, all_of_it, *empty = (picture.getpixel(at) for at in middles)
    assert (none, all_of_it) == (pictures.PALE, pictures.DEEP)
    assert empty == [pictures.PALE] * 2
    assert sum(first) < sum(second)  # type: ignore[arg-type]  # three numbers each


# -- what it may not stumble over ---------------------------------------------------------------------------


def test_media_that_are_gone_or_broken_are_passed_over_and_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with journals.new_run(tmp_path) as run:
        gone = show(run, "gone", "image", PNG, 1)
        show(run, "no picture", "image", b"<svg/>", 1)
        show(run, "no counts", "histogram", {"edges": [1]}, 1)
        show(run, "half", "audio", tone()[:30], 1)
        run.log({"loss": 0.5}, step=2)
    gone.unlink()
    with caplog.at_level(logging.WARNING):
        deliver(run.folder)
    assert [point.step for point in accumulated(run.folder).Scalars("loss")] == [2]
    for name in ("gone", "no picture", "no counts", "half"):
        assert f"'{name}' cannot be shown" in caplog.text
    assert load(progress_file(run.folder, "tensorboard")).state["missing"] == 4


def test_one_name_in_two_stages_is_two_curves(tmp_path: Path) -> None:
    with journals.new_run(tmp_path) as run:
        run.log({"loss": 0.5}, step=1)
        deliver(run.folder)
        run.log({"loss": 0.25}, step=1, stage="validate")
        run.log({"loss_step": 0.5}, step=1)
        run.log({"loss_step": 0.75}, step=0, stage="validate", axis="eval_batch")
        run.log({"epoch": 3.0}, step=2, epoch=1)
        run.log_text("loss", "a text under the name of a curve", step=1)
    deliver(run.folder)
    tags = accumulated(run.folder).Tags()
    assert {"loss", "loss (validate, step)", "loss_step", "loss_step (validate, eval_batch)"} <= {
        *tags["scalars"]
    }
    assert "loss (text)" in tags["tensors"]


def test_numbers_beyond_the_format_become_the_nearest_it_has(tmp_path: Path) -> None:
    with journals.new_run(tmp_path) as run:
        run.log_params({"huge": 10**400})
        run.log({"large": 1e300}, step=2**70)
    deliver(run.folder)
    [point] = accumulated(run.folder).Scalars("large")
    assert (point.step, point.value) == (2**63 - 1, float("inf"))


@both_loaders
def test_hardware_and_texts_without_a_step_lose_no_point(tmp_path: Path, loader: str) -> None:
    with journals.new_run(tmp_path) as run:
        for seconds in (0, 10, 20, 15, 30):  # two companions after one another
            record = Scalars(time=time.time(), step=seconds, axis="seconds", values={"system/cpu": 1.0})
            run._record(record)
        for number in range(3):
            run.log_text("said", f"text {number}")
        run.log({"loss": 0.5}, step=0)
    deliver(run.folder)
    with watch(run.folder, loader) as looking:
        points = looking.curve("system/cpu", until=lambda points: len(points) == 5)
    assert [step for step, _ in points] == [0, 10, 20, 21, 30]
    assert texts(accumulated(run.folder), "said") == [(number, f"text {number}") for number in range(3)]


# -- exactly once, for readers that come late and for those that look on ------------------------------------


def add_junk(folder: RunFolder) -> Path:
    """What a deliverer wrote that was killed before its place was stored."""
    path = max(event_folder(folder).iterdir())
    content = path.read_bytes()
    path.write_bytes(content + content[len(content) // 2 :])
    return path


@both_loaders
def test_a_reader_that_looks_on_loses_nothing_when_a_file_is_cut(tmp_path: Path, loader: str) -> None:
    run = journals.new_run(tmp_path)
    journals.log_steps(run, range(20))
    deliver(run.folder)
    with watch(run.folder, loader) as looking:
        expect(looking, 20)
        journals.log_steps(run, range(20, 40))
        carrier = Delivery(run.folder, "tensorboard", {"sink": "tensorboard"})
        place = run.folder.cursors / "tensorboard.json"
        before = place.read_bytes()
        carrier.advance()
        carrier.close()
        expect(looking, 40)
        place.write_bytes(before)  # killed before it could store the place
        journals.log_steps(run, range(40, 60))
        deliver(run.folder)
        expect(looking, 60)
    run.end()
    deliver(run.folder)
    assert curve_of(run.folder) == kept(60)


def expect(looking: Board, steps: int) -> None:
    points = looking.curve("train/loss", until=lambda points: len(points) >= steps)
    # TensorBoard's Python loader keeps what it read of the part that was cut, which came again
    assert sorted(set(points)) == kept(steps)


def kept(steps: int = 100) -> list[tuple[int, float]]:
    """The curve as TensorBoard holds it, in single precision."""
    return [(step, struct.unpack("f", struct.pack("f", value))[0]) for step, value in journals.curve(steps)]


def curve_of(folder: RunFolder) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in accumulated(folder).Scalars("train/loss")]


@both_loaders
def test_a_reader_that_looks_on_forgets_what_a_later_attempt_made_void(tmp_path: Path, loader: str) -> None:
    folder = journals.before_the_crash(tmp_path)
    deliver(folder)
    with watch(folder, loader) as looking:
        assert len(looking.curve("train/loss", until=lambda points: len(points) == 80)) == 80
        journals.after_the_crash(tmp_path)
        deliver(folder)
        points = looking.curve("train/loss", until=lambda points: len(points) == 100)
    assert points == kept()


def test_a_file_goes_on_where_nothing_was_lost(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    for begin in range(0, 40, 10):
        journals.log_steps(run, range(begin, begin + 10))
        deliver(run.folder)
    assert len(list(event_folder(run.folder).iterdir())) == 1
    cut = add_junk(run.folder)
    run.log({"train/loss": 1 / 41}, step=40)
    deliver(run.folder)
    run.end()
    assert max(event_folder(run.folder).iterdir()) > cut
    assert curve_of(run.folder) == kept(41)


def test_what_somebody_removed_comes_again_with_its_end(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    run.log_params({"lr": 0.1})
    journals.log_steps(run, range(10))
    deliver(run.folder)
    shutil.rmtree(event_folder(run.folder))
    journals.log_steps(run, range(10, 20))
    run.end()
    deliver(run.folder)
    shutil.rmtree(event_folder(run.folder))
    run = Run("sinks", save_dir=tmp_path, id="r1", shipper=False)
    journals.log_steps(run, range(20, 21))
    run.end()
    deliver(run.folder)
    assert curve_of(run.folder) == kept(21)
    assert "_hparams_/session_end_info" in accumulated(run.folder).Tags()["tensors"]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    folder = journals.before_the_crash(tmp_path)
    theirs = event_folder(folder) / "events.out.tfevents.1.host.2.0"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"theirs")
    deliver(folder)
    journals.after_the_crash(tmp_path)
    deliver(folder)
    assert theirs.read_bytes() == b"theirs"
    void, _ = sorted(set(theirs.parent.iterdir()) - {theirs})
    assert void.stat().st_size == 0  # not removed: a reader that is in it would never leave it


@pytest.mark.parametrize("batch", [1, 2000])
@pytest.mark.parametrize("late", [True, False])
def test_a_run_that_went_on_after_a_crash_ends_as_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, late: bool
) -> None:
    monkeypatch.setattr(delivery, "BATCH", batch)
    folder = journals.before_the_crash(tmp_path)
    companion = Journal(folder.journal, run="r1", attempt=1, role="shipper")
    companion.append(Ended(time=time.time(), status="crashed"))
    companion.close()
    if not late:
        deliver(folder)
    journals.after_the_crash(tmp_path)
    deliver(folder)
    with watch(folder, "python") as looking:
        assert looking.look()["status"] == []  # no settings, no session
    assert curve_of(folder) == kept()
    [end] = accumulated(folder).Tensors("_hparams_/session_end_info")
    assert end.wall_time > companion_end(folder)


def companion_end(folder: RunFolder) -> float:
    from etm_lightning.attempts import facts

    return next(
        item.time
        for item in (fact.item for fact in facts(folder.journal))
        if isinstance(item, Ended) and item.status == "crashed"
    )


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    with journals.new_run(tmp_path / "store") as run:
        run.log({"loss": 0.5}, step=1)
    deliver(run.folder, dir="boards")
    assert list((tmp_path / "boards" / "sinks" / "r1").glob("events.out.tfevents.*"))
    assert not (tmp_path / "store" / ".tensorboard").exists()


def test_the_companion_stays_small() -> None:
    script = """
import sys
import etm_lightning.track.shipping.shipper, etm_lightning.track.sinks.tensorboard
print(*(name for name in ("torch", "numpy", "tensorflow", "lightning", "PIL") if name in sys.modules))
print(int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy, megabytes = done.stdout.splitlines()
    assert heavy == ""
    assert int(megabytes) < 60
