"""What is logged comes back from its file as an independent reader sees it."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import wave
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn import metrics

from etm_lightning import Run
from etm_lightning.records import Artifact, Media
from etm_lightning.track.media.curves import MOST_POINTS
from etm_lightning.track.media.worker import WORKER
from tests.track.lines import below, of_kind

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (7, 5, 3), dtype=np.uint8)


def shown(folder: Path, *calls: tuple[str, Any]) -> list[tuple[Media, bytes]]:
    """The records of a run that logs these, in the order of their steps, and their files."""
    with Run(save_dir=folder, strict=True) as run:
        for step, (method, options) in enumerate(calls):
            getattr(run, method)("shown", **options, step=step)
    found = sorted(of_kind(run.folder, Media), key=lambda media: (media.step, media.info.get("index")))
    files = [(run.folder.path / media.file).read_bytes() for media in found]
    for media, content in zip(found, files, strict=True):
        assert (media.sha256, media.size) == (hashlib.sha256(content).hexdigest(), len(content))
        assert media.file.startswith(f"media/{media.sha256}.")
    return list(zip(found, files, strict=True))


def shown_json(folder: Path, method: str, **options: Any) -> Any:
    [(media, content)] = shown(folder, (method, options))
    assert media.file.endswith(".json")
    return json.loads(content)


def pixels(content: bytes) -> Any:
    return np.asarray(Image.open(io.BytesIO(content)))


def file_of(format: str, mode: str = "RGB", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, format=format, **options)
    return file.getvalue()


CHW = PIXELS.transpose(2, 0, 1)
GREY = PIXELS[:, :, 0]
RGBA = np.dstack([PIXELS, GREY])


@pytest.mark.parametrize(
    ("image", "seen"),
    [
        (torch.from_numpy(CHW.copy()), PIXELS),
        (torch.from_numpy(CHW / 255), PIXELS),
        (torch.from_numpy(CHW / 255).float().requires_grad_(), PIXELS),
        (torch.from_numpy(CHW / 255).float()[:, :, ::2], PIXELS[:, ::2]),
        (torch.from_numpy(GREY.copy()), GREY),
        (torch.from_numpy(GREY.copy())[None], GREY),
        (torch.tensor([[0.0, 1.0]]).bfloat16(), [[0, 255]]),
        (torch.tensor([[True, False]]), [[255, 0]]),
        (torch.zeros(3, 2, 3), np.zeros((2, 3, 3))),
        (PIXELS, PIXELS),
        (CHW, PIXELS),
        (GREY / 255, GREY),
        (RGBA, RGBA),
        (np.zeros((3, 2, 3)), np.zeros((3, 2, 3))),
        (Image.fromarray(PIXELS), PIXELS),
        (Image.fromarray(GREY), GREY),
        (Image.fromarray(RGBA), RGBA),
        (Image.fromarray(GREY > 99), np.where(GREY > 99, 255, 0)),
        (Image.fromarray(PIXELS).quantize(256), PIXELS),
        (Image.fromarray(PIXELS).convert("CMYK"), PIXELS),
        (Image.fromarray(GREY.astype(np.uint16) * 257), GREY),
        (file_of("BMP"), PIXELS),
    ],
)
def test_a_picture_of_any_kind_is_a_png_of_its_pixels(image: Any, seen: Any, tmp_path: Path) -> None:
    [(media, content)] = shown(tmp_path, ("log_image", {"image": image}))
    assert content.startswith(b"\x89PNG")
    assert media.type == "image"
    found = pixels(content)
    assert found.tolist() == np.asarray(seen).tolist()
    assert media.info == {"width": found.shape[1], "height": found.shape[0]}


def test_values_that_no_pixel_has_are_clipped_and_counted(tmp_path: Path) -> None:
    image = torch.tensor([[-0.5, 0.5], [2.0, float("nan")]])
    [(media, content)] = shown(tmp_path, ("log_image", {"image": image}))
    assert pixels(content).tolist() == [[0, 128], [255, 0]]
    assert media.info["clipped"] == 0.75


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (file_of("PNG"), "png"),
        (file_of("JPEG"), "jpg"),
        (file_of("JPEG", progressive=True), "jpg"),
        (file_of("GIF"), "gif"),
        (file_of("WEBP"), "webp"),
        (file_of("WEBP", lossless=True), "webp"),
        (file_of("WEBP", mode="RGBA", exif=b"Exif\0\0"), "webp"),
    ],
)
def test_a_file_that_browsers_show_is_kept_as_it_is(content: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(content)
    calls = [("log_image", {"image": image}) for image in (content, path, str(path))]
    for media, kept in shown(tmp_path / "store", *calls):
        assert kept == content
        assert media.file.endswith(f".{suffix}")
        assert media.info == {"width": 5, "height": 7}


def test_several_pictures_are_records_of_one_name_and_step(tmp_path: Path) -> None:
    batch = torch.stack([torch.full((1, 2, 2), value) for value in (0.0, 0.5, 1.0)])
    calls = [
        ("log_image", {"image": batch, "caption": ["a", "b", "c"]}),
        ("log_image", {"image": list(batch[:2]), "caption": "both"}),
        ("log_image", {"image": batch[0], "caption": "one"}),
    ]
    found = [(m.step, m.info.get("index"), m.info.get("caption")) for m, _ in shown(tmp_path, *calls)]
    assert found == [
        *[(0, 0, "a"), (0, 1, "b"), (0, 2, "c")],
        *[(1, 0, "both"), (1, 1, "both")],
        (2, None, "one"),
    ]


@pytest.mark.parametrize(
    ("method", "arguments", "said"),
    [
        ("log_image", (torch.zeros(2, 4, 5),), r"must have 1, 3 or 4 channels, .* got shape \(2, 4, 5\)"),
        ("log_image", (torch.zeros(4),), r"must have 2 or 3 dimensions but got shape \(4,\)"),
        ("log_image", (torch.zeros(3, 0, 4),), "must have pixels"),
        ("log_image", (torch.zeros(4, 4, dtype=torch.int64),), "must be floats in .* but got int64"),
        ("log_image", (np.array([["a"]]),), "must be numbers but got ndarray of <U1"),
        ("log_image", (b"no picture",), "must be a picture but got 10 bytes that begin b'no pictu'"),
        ("log_image", (file_of("PNG")[:18],), "must be a whole picture"),
        ("log_image", (5,), "must be a tensor, an array, a picture of PIL, or .* but got int"),
        ("log_image", ("missing.png",), "No such file"),
        ("log_figure", (5,), "must be a figure of matplotlib or plotly but got int"),
        ("log_table", (["a"], [[1, 2]]), r"`rows\[0\]` must have 1 values"),
        ("log_table", (["a"],), "`columns` must be names, or a data frame, but got list"),
        ("log_histogram", (), "must be given either `values`, or `counts` and `edges`"),
        ("log_histogram", (["a"],), "must be numbers"),
        ("log_pr_curve", ([0, 1], [0.5]), r"`scores` must be of shape \(2,\) or \(2, C\) but got \(1,\)"),
        ("log_pr_curve", ([0, 2], [0.5, 0.5]), "`targets` must be from 0 to 1 but got from 0 to 2"),
        ("log_roc_curve", ([0.5, 1], [0.5, 0.5]), "`targets` must be whole numbers"),
        ("log_html", (5,), "`page` must be a text but got int"),
        ("log_audio", (torch.zeros(8),), "`sample_rate` must be samples a second but got None"),
        ("log_audio", (torch.zeros(8, dtype=torch.int32), 8), "must be floats in .* but got int32"),
        ("log_video", ("film.txt",), "must be a file that ends in mp4, .* but got 'film.txt'"),
        ("log_artifact", (), "`path` must be a file or a folder"),
    ],
)
def test_a_strict_run_says_at_once_what_it_cannot_show(
    method: str, arguments: tuple[Any, ...], said: str, tmp_path: Path
) -> None:
    run = Run(save_dir=tmp_path, strict=True)
    with pytest.raises(TypeError, match=said):
        getattr(run, method)("missing", *arguments)
    assert (run.rejected, below(tmp_path)) == (1, [])


def test_a_position_is_made_of_whole_numbers(tmp_path: Path) -> None:
    with Run(save_dir=tmp_path, strict=True) as run:
        run.log_html("page", "<b>x</b>", step=np.int64(3), epoch=torch.tensor(1), stage="test")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="takes `step`, `epoch` and `stage` but got `stpe`"):
            run.log_html("page", "x", stpe=3)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="must be whole numbers but got 'x', None"):
            run.log_text("page", "x", step="x")  # type: ignore[arg-type]
    [media] = of_kind(run.folder, Media)
    assert (media.step, media.epoch, media.stage, media.type) == (3, 1, "test", "html")
    assert (run.folder.path / media.file).read_text() == "<b>x</b>"


def test_a_figure_of_matplotlib_is_drawn_at_once_and_stays_open(tmp_path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(3, 2), dpi=50)
    axes.plot([1, 2])
    reference = io.BytesIO()
    figure.savefig(reference, format="png")
    with Run(save_dir=tmp_path, strict=True) as run:
        run.log_figure("a", figure, step=0)
        run.log_image("b", figure, step=1, caption="c")
        run.log_figure("c", plt, step=2)
        axes.clear()
    assert plt.get_fignums() == [figure.number]
    plt.close(figure)
    found = sorted(of_kind(run.folder, Media), key=lambda media: media.step)
    assert [media.type for media in found] == ["figure"] * 3
    assert found[1].info == {"width": 150, "height": 100, "caption": "c"}
    for media in found:
        content = (run.folder.path / media.file).read_bytes()
        assert (pixels(content) == pixels(reference.getvalue())).all()


def test_a_figure_of_plotly_is_its_json(tmp_path: Path) -> None:
    kind = type("Figure", (), {"to_json": lambda self: '{"data":[]}', "__module__": "plotly.graph_objs"})
    [(media, content)] = shown(tmp_path, ("log_figure", {"figure": kind()}))
    assert (media.type, media.file[-5:], content) == ("plotly", ".json", b'{"data":[]}')


def test_a_data_frame_is_a_table_without_its_index(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "n": [1, 2],
            "x": [0.5, float("nan")],
            "when": [pd.Timestamp("2026-01-02"), pd.NaT],
            "word": ["a", None],
        },
        index=["p", "q"],
    )
    found = shown_json(tmp_path, "log_table", columns=frame)
    assert found["columns"] == ["n", "x", "when", "word"]
    assert found["rows"][0] == [1, 0.5, "2026-01-02T00:00:00", "a"]
    assert found["rows"][1][:3] == [2, "nan", None]


def test_a_frame_of_polars_is_a_table(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    found = shown_json(tmp_path, "log_table", columns=polars.DataFrame({"a": [1, None], "b": ["x", "y"]}))
    assert found == {"columns": ["a", "b"], "rows": [[1, "x"], [None, "y"]]}


@pytest.mark.parametrize("bins", [1, 7, 64])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, np.bool_])
def test_a_histogram_is_that_of_numpy(bins: int, kind: Any, tmp_path: Path) -> None:
    values = (RNG.normal(size=(50, 4)) * 5).astype(kind)
    found = shown_json(tmp_path, "log_histogram", values=torch.from_numpy(values), bins=bins)
    counts, edges = np.histogram(values.astype(np.float64), bins)
    assert found["counts"] == counts.tolist()
    assert found["edges"] == edges.tolist()
    told = [found[name] for name in ("min", "max", "mean", "std")]
    wide = values.astype(np.float64)
    assert told == pytest.approx([wide.min(), wide.max(), wide.mean(), wide.std()])
    assert (found["count"], found["nonfinite"]) == (200, 0)


@pytest.mark.parametrize(
    ("values", "count", "nonfinite"),
    [
        ([], 0, 0),
        ([float("nan"), float("-inf")], 0, 2),
        ([3.0, float("inf"), 3.0], 2, 1),
        ([1e300, 1e300], 2, 0),
        ([-1.7e308, 1.7e308], 2, 0),
    ],
)
def test_a_histogram_of_anything_has_rising_edges(
    values: list[float], count: int, nonfinite: int, tmp_path: Path
) -> None:
    found = shown_json(tmp_path, "log_histogram", values=values, bins=4)
    assert (sum(found["counts"]), found["count"], found["nonfinite"]) == (count, count, nonfinite)
    assert len(found["edges"]) == len(found["counts"]) + 1
    assert sorted(set(found["edges"])) == found["edges"]
    assert (found["min"] is None) is (count == 0)


def test_a_histogram_that_was_counted_is_kept(tmp_path: Path) -> None:
    found = shown_json(tmp_path, "log_histogram", counts=[1, 0, 3], edges=np.array([0.0, 1.0, 2.0, 4.0]))
    assert (found["counts"], found["edges"], found["count"]) == ([1, 0, 3], [0, 1, 2, 4], 4)
    assert (found["min"], found["max"], found["mean"]) == (0, 4, (0.5 + 3 * 3) / 4)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("size", [2, 30, 150])
def test_small_curves_are_those_of_sklearn(ties: bool, size: int, tmp_path: Path) -> None:
    targets = RNG.integers(0, 2, size)
    targets[:2] = 0, 1
    scores = RNG.random(size).round(1 if ties else 9)
    found = shown_json(tmp_path / "pr", "log_pr_curve", targets=targets, scores=scores)
    assert found["labels"] == ["0", "1"]
    [curve] = found["curves"]
    precision, recall, thresholds = metrics.precision_recall_curve(targets, scores)
    assert curve["label"] == "1"
    assert curve["precision"] == pytest.approx(precision)
    assert curve["recall"] == pytest.approx(recall)
    assert curve["thresholds"] == [*thresholds.tolist(), None]
    assert curve["average_precision"] == pytest.approx(metrics.average_precision_score(targets, scores))

    [curve] = shown_json(tmp_path / "roc", "log_roc_curve", targets=targets, scores=scores)["curves"]
    fpr, tpr, thresholds = metrics.roc_curve(targets, scores, drop_intermediate=False)
    assert curve["fpr"] == pytest.approx(fpr)
    assert curve["tpr"] == pytest.approx(tpr)
    assert curve["thresholds"] == [None, *thresholds[1:].tolist()]
    assert curve["auc"] == pytest.approx(metrics.roc_auc_score(targets, scores))


def both(folder: Path, options: Any) -> list[Any]:
    """A precision-recall and a ROC curve."""
    calls = [("log_pr_curve", options), ("log_roc_curve", options)]
    return [json.loads(content) for _, content in shown(folder, *calls)]


def test_large_curves_are_thinned_and_their_areas_are_exact(tmp_path: Path) -> None:
    targets = torch.from_numpy(RNG.integers(0, 3, 3000))
    scores = torch.softmax(torch.from_numpy(RNG.normal(size=(3000, 3))), 1)
    names = ["a", "b", "c"]
    options = {"targets": targets, "scores": scores, "labels": names}
    pr, roc = (
        json.loads(c) for _, c in shown(tmp_path, ("log_pr_curve", options), ("log_roc_curve", options))
    )
    assert pr["labels"] == roc["labels"] == names
    for n, (one, other) in enumerate(zip(pr["curves"], roc["curves"], strict=True)):
        positive, score = (targets == n).numpy(), scores[:, n].numpy()
        area = metrics.average_precision_score(positive, score)
        assert (one["label"], other["label"]) == (names[n], names[n])
        assert one["average_precision"] == pytest.approx(area)
        assert other["auc"] == pytest.approx(metrics.roc_auc_score(positive, score))
        assert 100 < len(one["recall"]) == len(one["precision"]) == len(one["thresholds"]) <= MOST_POINTS
        assert 100 < len(other["fpr"]) == len(other["tpr"]) == len(other["thresholds"]) <= MOST_POINTS
        assert (one["recall"][0], one["recall"][-1], one["precision"][-1]) == (1, 0, 1)
        assert (other["fpr"][0], other["tpr"][0], other["fpr"][-1], other["tpr"][-1]) == (0, 0, 1, 1)
        fpr, tpr, thresholds = metrics.roc_curve(positive, score, drop_intermediate=False)
        exact = set(zip(fpr.tolist(), tpr.tolist(), thresholds.tolist(), strict=True))
        points = list(zip(other["fpr"], other["tpr"], other["thresholds"], strict=True))
        assert set(points[1:]) <= exact


def test_a_class_that_is_missing_has_no_curve(tmp_path: Path) -> None:
    options = {"targets": [0, 0, 1], "scores": [[0.5, 0.2, 0.3]] * 3}
    pr, roc = (
        json.loads(c) for _, c in shown(tmp_path, ("log_pr_curve", options), ("log_roc_curve", options))
    )
    assert [curve["average_precision"] is None for curve in pr["curves"]] == [False, False, True]
    assert [curve["auc"] is None for curve in roc["curves"]] == [False, False, True]
    assert roc["curves"][2] == {"label": "2", "fpr": [], "tpr": [], "thresholds": [], "auc": None}


@pytest.mark.parametrize("shape", [(80,), (2, 80), (80, 2)])
def test_samples_are_a_wav_file(shape: tuple[int, ...], tmp_path: Path) -> None:
    samples = RNG.uniform(-1, 1, shape).astype(np.float32)
    calls = [
        ("log_audio", {"audio": torch.from_numpy(samples), "sample_rate": 8000, "caption": "c"}),
        ("log_audio", {"audio": np.rint(samples * 32767).astype(np.int16), "sample_rate": 8000}),
    ]
    expected = np.rint(samples.astype(np.float64) * 32767)
    if shape == (2, 80):
        expected = expected.T
    for (media, content), caption in zip(shown(tmp_path, *calls), ("c", None), strict=True):
        with wave.open(io.BytesIO(content)) as file:
            assert (file.getframerate(), file.getsampwidth(), file.getnframes()) == (8000, 2, 80)
            found = np.frombuffer(file.readframes(80), "<i2").reshape(80, file.getnchannels())
        assert found.tolist() == expected.reshape(80, -1).tolist()
        assert (media.info["sample_rate"], media.info.get("caption")) == (8000, caption)


def test_files_of_sound_and_film_are_kept_as_they_are(tmp_path: Path) -> None:
    for name in ("a.MP3", "b.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    calls = [
        ("log_audio", {"audio": [tmp_path / "a.MP3", np.zeros(4)], "sample_rate": [1, 8]}),
        ("log_video", {"path": str(tmp_path / "b.mp4")}),
    ]
    (sound, first), (_, second), (film, last) = shown(tmp_path / "store", *calls)
    assert (sound.type, sound.file[-4:], first, second[:4]) == ("audio", ".mp3", b"a.MP3", b"RIFF")
    assert (film.type, film.file[-4:], last) == ("video", ".mp4", b"b.mp4")


def test_a_folder_is_one_artifact(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "b.txt").write_text("bb")
    (folder / "sub" / "a.txt").write_text("a")
    with Run(save_dir=tmp_path / "store", strict=True) as run:
        run.log_artifact(folder, type="data", info={"rows": 3})
    [artifact] = of_kind(run.folder, Artifact)
    lines = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in (("b.txt", b"bb"), ("sub/a.txt", b"a"))
    )
    assert (artifact.name, artifact.path, artifact.size) == ("data", str(folder), 3)
    assert artifact.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert artifact.info == {"rows": 3, "files": 2}


def wait(event: threading.Event) -> None:
    assert event.wait(60)


def test_a_copy_of_an_artifact_is_in_the_run_and_later_versions_lie_beside_it(tmp_path: Path) -> None:
    file, folder = tmp_path / "w.bin", tmp_path / "folder"
    folder.mkdir()
    (folder / "x").write_text("x")
    run = Run(save_dir=tmp_path / "store", strict=True)
    run.hold()
    file.write_bytes(b"0")
    run.log_artifact(file, "../w.bin", copy=True)
    busy = threading.Event()
    WORKER.take(partial(wait, busy), lambda: True, 0)  # a thread that comes late
    run.start()
    for version in (1, 2):
        file.write_bytes(b"%d" % version)
        run.log_artifact(file, copy=True, aliases="latest")
        file.write_bytes(b"changed")
    run.log_artifact(folder, copy=True)
    busy.set()
    run.end()
    first, *versions, whole = of_kind(run.folder, Artifact)
    assert first.path == "artifacts/%2E.%2Fw.bin"
    assert [a.path for a in versions] == ["artifacts/w.bin", "artifacts/w-2.bin"]
    assert [(run.folder.path / a.path).read_bytes() for a in (first, *versions)] == [b"0", b"1", b"2"]
    for version, artifact in enumerate((first, *versions)):
        assert artifact.sha256 == hashlib.sha256(b"%d" % version).hexdigest()
    assert (versions[1].name, versions[1].aliases) == ("w.bin", ("latest",))
    assert (run.folder.path / whole.path / "x").read_text() == "x"
    assert len(list(run.folder.artifacts.iterdir())) == 4
