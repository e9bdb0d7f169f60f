"""What TensorBoard shows of media: each type as one or more summaries, by what the file holds."""

from __future__ import annotations

import bisect
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec
from tensorboard.compat.proto import graph_pb2, summary_pb2, tensor_pb2, types_pb2
from tensorboard.plugins.pr_curve import plugin_data_pb2

from etm_lightning.track.sinks import markdown, pictures

THRESHOLDS = 201
MOST_POINTS = 50
_MOST_POSITIVES = 10_000


@dataclass(frozen=True)
class Shown:
    """One thing to be shown under one tag.

    Attributes:
        what: ``text``, ``image`` and so on: tags of one name are told apart by it.
        value: the fields of a Summary.Value but for its tag; for a graph, the graph's bytes.
        part: what to add to the name.
    """

    what: str
    value: Mapping[str, Any]
    part: str = ""


def text(content: str) -> Shown:
    """A text, which TensorBoard renders as Markdown."""
    tensor = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_STRING, tensor_shape={}, string_val=[content.encode("utf-8", "replace")]
    )
    return Shown("text", {"tensor": tensor, "metadata": {"plugin_data": {"plugin_name": "text"}}})


def _picture(content: bytes) -> Iterator[Shown]:
    width, height = pictures.size(content)
    image = summary_pb2.Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=content)
    yield Shown("image", {"image": image})


def _audio(content: bytes) -> Iterator[Shown]:
    """A WAV file: RIFF, then parts, of which `fmt ` says how it sounds and `data` how long."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise ValueError(f"audio must be a WAV file but begins with {content[:4]!r}")
    at, channels, rate, width, frames = 12, 1, 0, 1, 0
    while at + 8 <= len(content):
        kind, size = struct.unpack("<4sI", content[at : at + 8])
        if kind == b"fmt ":
            channels, rate, _, width = struct.unpack("<HIIH", content[at + 10 : at + 22])
        elif kind == b"data":
            frames = size // max(width, 1)
        at += 8 + size + size % 2
    audio = summary_pb2.Summary.Audio(
        sample_rate=rate,
        num_channels=channels,
        length_frames=frames,
        encoded_audio_string=content,
        content_type="audio/wav",
    )
    yield Shown("audio", {"audio": audio})


def _table(content: bytes) -> Iterator[Shown]:
    found = msgspec.json.decode(content)
    yield text(markdown.table(found["columns"], found["rows"]))


def _confusion_matrix(content: bytes) -> Iterator[Shown]:
    found = msgspec.json.decode(content)
    yield text(markdown.confusion_matrix(found["labels"], found["counts"]))
    yield from _picture(pictures.heat_map(found["counts"]))


def _histogram(content: bytes) -> Iterator[Shown]:
    """Counts between edges; without mean and deviation, as if all lay in the middle of their bins."""
    found = msgspec.json.decode(content)
    counts, edges = found["counts"], found["edges"]
    if len(edges) != len(counts) + 1 or not counts:
        raise ValueError(f"a histogram of {len(counts)} counts must not have {len(edges)} edges")
    total = sum(counts)
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    mean, std = _or(found.get("mean"), _mean(counts, middles)), found.get("std")
    squares = _mean(counts, [middle**2 for middle in middles]) if std is None else std**2 + mean**2
    histogram = summary_pb2.HistogramProto(
        min=_or(found.get("min"), edges[0]),
        max=_or(found.get("max"), edges[-1]),
        num=total,
        sum=mean * total,
        sum_squares=squares * total,
        bucket_limit=edges[1:],
        bucket=counts,
    )
    yield Shown("histogram", {"histo": histogram})


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def _mean(counts: Sequence[float], values: Sequence[float]) -> float:
    weighted = sum(count * value for count, value in zip(counts, values, strict=True))
    return weighted / (sum(counts) or 1)


def _pr_curve(content: bytes) -> Iterator[Shown]:
    """One curve for each class that has positives."""
    curves = msgspec.json.decode(content)["curves"]
    for curve in curves:
        known = [cut for cut in curve["thresholds"] if cut is not None]
        if not known:
            continue
        low, high = (0.0, 1.0) if 0 <= min(known) <= max(known) <= 1 else (min(known), max(known))
        cuts = [cut if cut is None else (cut - low) / ((high - low) or 1) for cut in curve["thresholds"]]
        rows = pr_rows(curve["precision"], curve["recall"], cuts, curve.get("positives"))
        tensor = tensor_pb2.TensorProto(
            dtype=types_pb2.DT_FLOAT,
            tensor_shape={"dim": [{"size": 6}, {"size": THRESHOLDS}]},
            tensor_content=struct.pack(f"<{6 * THRESHOLDS}f", *(value for row in rows for value in row)),
        )
        about = plugin_data_pb2.PrCurvePluginData(version=0, num_thresholds=THRESHOLDS)
        metadata: dict[str, Any] = {
            "plugin_data": {"plugin_name": "pr_curves", "content": about.SerializeToString()}
        }
        if (low, high) != (0.0, 1.0):
            metadata["summary_description"] = "thresholds are from the lowest score (0) to the highest (1)"
        part = f"/{curve['label']}" if len(curves) > 1 else ""
        yield Shown("pr_curve", {"tensor": tensor, "metadata": metadata}, part)


def pr_rows(
    precision: Sequence[float],
    recall: Sequence[float],
    thresholds: Sequence[float | None],
    positives: int | None,
) -> list[list[float]]:
    """What TensorBoard's curves consist of, at thresholds from 0 to 1 that are equally far apart.

    Args:
        precision: of predictions at or above each threshold.
        recall: likewise.
        thresholds: rising; None for a point that has none.
        positives: how many there are; by default as few as explain each recall.

    Returns:
        True and false positives, true and false negatives, precision, recall. The true negatives are not
        known from a curve, and 0.
    """
    points = [point for point in zip(thresholds, precision, recall, strict=False) if point[0] is not None]
    cuts = [cut for cut, _, _ in points if cut is not None]
    columns = []
    total = positives or _fewest(recall)
    for number in range(THRESHOLDS):
        at = bisect.bisect_left(cuts, number / (THRESHOLDS - 1) - 1e-12)
        _, exact, found = points[at] if at < len(points) else (None, 1.0, 0.0)
        hits = round(total * found)
        wrong = round(hits / exact - hits) if exact else total
        columns.append((hits, wrong, 0, total - hits, exact, found))
    return [list(map(float, row)) for row in zip(*columns, strict=True)]


def _fewest(shares: Sequence[float]) -> int:
    """The smallest number of which all `shares` are whole parts."""
    for total in range(1, _MOST_POSITIVES):
        if all(abs(share * total - round(share * total)) < 1e-4 for share in shares):
            return total
    return _MOST_POSITIVES


def _points(content: bytes) -> Iterator[Shown]:
    """Curves that TensorBoard does not draw: some of their points, as a table each."""
    for curve in msgspec.json.decode(content)["curves"]:
        columns = {name: values for name, values in curve.items() if isinstance(values, list)}
        points = list(zip(*columns.values(), strict=False))
        every = max(1, -(-len(points) // MOST_POINTS))
        facts = ", ".join(f"{name} {value}" for name, value in curve.items() if name not in columns)
        shown = text(f"{facts}\n\n{markdown.table(list(columns), points[::every])}")
        yield Shown(shown.what, shown.value, f"/{curve.get('label', '')}".rstrip("/"))


def _graph(content: bytes) -> Iterator[Shown]:
    graph = graph_pb2.GraphDef()
    for node in msgspec.json.decode(content)["nodes"]:
        graph.node.add(name=node["name"], op=node.get("op", ""), input=node.get("inputs", ()))
    yield Shown("graph", {"graph_def": graph.SerializeToString()})


BY_TYPE: Mapping[str, Callable[[bytes], Iterator[Shown]]] = {
    "image": _picture,
    "figure": _picture,
    "audio": _audio,
    "table": _table,
    "confusion_matrix": _confusion_matrix,
    "histogram": _histogram,
    "pr_curve": _pr_curve,
    "roc_curve": _points,
    "graph": _graph,
}
"""What is shown of the media of a type; the other types have no place in TensorBoard."""
