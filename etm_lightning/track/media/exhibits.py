"""What a run shows besides numbers: pictures, tables, curves, texts and files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypedDict, Unpack

from etm_lightning.layout import RunFolder
from etm_lightning.records import Artifact, Json, Media, Text
from etm_lightning.track.media import curves, figures, images, recordings, tables
from etm_lightning.track.media.exhibit import Copy, Exhibit, Parcel
from etm_lightning.track.media.graph import graph
from etm_lightning.track.outbox import Item
from etm_lightning.track.plain import plain, sound
from etm_lightning.track.redact import redact


class Where(TypedDict, total=False):
    """When something was logged.

    Attributes:
        step: optimizer batches so far.
        epoch: epoch, from 0.
        stage: ``train``, ``validate``, ``test`` or ``predict``.
    """

    step: int | None
    epoch: int | None
    stage: str


class Shown(NamedTuple):
    """One thing to show: its type, a copy of it, and what to add to the record's `info`."""

    type: str
    copy: Copy
    info: Mapping[str, Json] = MappingProxyType({})


class Exhibits:
    """The methods of a `Run` that log other things than numbers.

    What is given is copied at once and may be changed afterwards; a thread encodes, hashes and writes it, and
    only then appends the record. Each method takes ``step``, ``epoch`` and ``stage`` by name. What cannot be
    logged is counted and told as an alert; with ``strict`` it raises a TypeError.
    """

    _clock: Callable[[], float]

    def log_text(self, name: str, text: str, **where: Unpack[Where]) -> None:
        """Record a text under a name."""
        try:
            place = _checked(where)
        except (TypeError, ValueError) as error:
            self._reject(f"text {name!r}: {error}")
            return
        self._record(Text(time=self._clock(), name=sound(name), text=redact(sound(text)), **place))

    def log_image(
        self, name: str, image: Any, *, caption: str | Sequence[str] = "", **where: Unpack[Where]
    ) -> None:
        """Record a picture, or several as records of one name and step.

        Args:
            name: such as ``val/samples``.
            image: a tensor of shape (channels, height, width) or (height, width), a numpy array of these
                shapes or (height, width, channels), with 1, 3 or 4 channels, floats in [0, 1] or uint8; a
                picture of PIL; the path or the bytes of a file; a list or a batch of these; a figure.
            caption: a line below it; for several pictures one or as many lines.
            **where: step, epoch, stage.
        """
        if figures.is_figure(image):
            self.log_figure(name, image, caption=caption, **where)
            return
        self._show(name, "image", lambda: _captioned("image", images.images(image), caption), where)

    def log_figure(
        self, name: str, figure: Any, *, caption: str | Sequence[str] = "", **where: Unpack[Where]
    ) -> None:
        """Record a figure of matplotlib, as a picture drawn at once, or of plotly, as its JSON."""

        def drawn() -> Iterable[Shown]:
            type, copy = figures.figure(figure)
            return _captioned(type, [copy], caption)

        self._show(name, "figure", drawn, where)

    def log_table(
        self,
        name: str,
        columns: Any,
        rows: Sequence[Sequence[Any]] | None = None,
        **where: Unpack[Where],
    ) -> None:
        """Record a table.

        Args:
            name: such as ``val/mistakes``.
            columns: names of the columns, or a data frame of pandas or polars.
            rows: as many plain values each as there are columns.
            **where: step, epoch, stage.
        """
        self._show(name, "table", lambda: [Shown("table", tables.table(columns, rows))], where)

    def log_confusion_matrix(
        self,
        name: str,
        labels: Sequence[str],
        counts: Sequence[Sequence[int]],
        **where: Unpack[Where],
    ) -> None:
        """Record how often each class was taken for each.

        Args:
            name: such as ``val/confusion_matrix``.
            labels: the classes, in the order of `counts`.
            counts: of shape (classes, classes): true class by row, predicted class by column.
            **where: step, epoch, stage (``validate`` by default).
        """
        type = "confusion_matrix"
        copied = lambda: [Shown(type, tables.confusion_matrix(labels, counts))]  # noqa: E731
        self._show(name, type, copied, {"stage": "validate", **where})

    def log_histogram(
        self,
        name: str,
        values: Any = None,
        *,
        bins: int = 64,
        counts: Any = None,
        edges: Any = None,
        **where: Unpack[Where],
    ) -> None:
        """Record how values are distributed.

        Args:
            name: such as ``weights/encoder``.
            values: a tensor, array or list of any shape; NaN and infinities are counted apart.
            bins: number of bins of equal width.
            counts: instead of `values`: how many are in each bin.
            edges: with `counts`: of the bins, one more than these.
            **where: step, epoch, stage.
        """

        def copied() -> Iterable[Shown]:
            if (values is None) is (counts is None) or (counts is None) is not (edges is None):
                raise TypeError("must be given either `values`, or `counts` and `edges`")
            found = curves.counted(counts, edges) if values is None else curves.histogram(values, bins)
            return [Shown("histogram", found)]

        self._show(name, "histogram", copied, where)

    def log_pr_curve(
        self,
        name: str,
        targets: Any,
        scores: Any,
        *,
        labels: Sequence[str] | None = None,
        **where: Unpack[Where],
    ) -> None:
        """Record precision over recall for every threshold, and the average precision.

        Args:
            name: such as ``val/pr``.
            targets: true classes, whole numbers from 0, of shape (N,).
            scores: of class 1, of shape (N,), or of each class against the others, of shape (N, classes).
            labels: names of the classes.
            **where: step, epoch, stage (``validate`` by default).
        """
        self._curve(name, "pr_curve", targets, scores, labels, where)

    def log_roc_curve(
        self,
        name: str,
        targets: Any,
        scores: Any,
        *,
        labels: Sequence[str] | None = None,
        **where: Unpack[Where],
    ) -> None:
        """Record true over false positives for every threshold, and the area below; see `log_pr_curve`."""
        self._curve(name, "roc_curve", targets, scores, labels, where)

    def log_html(self, name: str, page: str, **where: Unpack[Where]) -> None:
        """Record a page of HTML."""
        self._show(name, "html", lambda: [Shown("html", recordings.html(page))], where)

    def log_audio(
        self,
        name: str,
        audio: Any,
        sample_rate: int | Sequence[int] | None = None,
        *,
        caption: str | Sequence[str] = "",
        **where: Unpack[Where],
    ) -> None:
        """Record sound.

        Args:
            name: such as ``test/speech``.
            audio: path of a file; or samples of shape (frames,), (channels, frames) or (frames, channels),
                floats in [-1, 1] or int16; or a list of these.
            sample_rate: samples a second, of all or of each.
            caption: a line below it, of all or of each.
            **where: step, epoch, stage.
        """
        copied = lambda: _captioned("audio", recordings.audios(audio, sample_rate), caption)  # noqa: E731
        self._show(name, "audio", copied, where)

    def log_video(
        self,
        name: str,
        path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        caption: str | Sequence[str] = "",
        **where: Unpack[Where],
    ) -> None:
        """Record a film, or several, by the paths of their files."""
        copied = lambda: _captioned("video", recordings.videos(path), caption)  # noqa: E731
        self._show(name, "video", copied, where)

    def log_graph(self, name: str, module: Any, inputs: Any, **where: Unpack[Where]) -> None:
        """Record the operations of a torch module and how they are connected.

        Args:
            name: such as ``model/graph``.
            module: the module; it is traced with `inputs` where it cannot be read.
            inputs: what it is called with: a tensor, a tuple of positional arguments or a dict of named ones.
            **where: step, epoch, stage.
        """
        self._show(name, "graph", lambda: [Shown("graph", graph(module, inputs))], where)

    def log_artifact(
        self,
        path: str | os.PathLike[str],
        name: str = "",
        type: str = "file",
        aliases: Sequence[str] = (),
        *,
        copy: bool = False,
        info: dict[str, Any] | None = None,
    ) -> None:
        """Record that a file or folder belongs to the run.

        Args:
            path: where it lies, and stays.
            name: what to call it; by default as it is called there. What has the name of an earlier one is a
                later version of it.
            type: such as ``model`` or ``data``.
            aliases: words for this version, such as ``best``; an earlier version loses them.
            copy: keep a copy in the run's folder, made at once, or at the start of a run that waits for it.
            info: what else to know about it.
        """
        if not self.shows:
            return
        path = Path(path)
        record = Artifact(
            time=self._clock(),
            name=sound(name or path.absolute().name),
            type=sound(type),
            path="",
            aliases=(aliases,) if isinstance(aliases, str) else tuple(aliases),
            info=plain(info or {}),
        )
        try:
            if not path.is_dir():
                path.open("rb").close()
            parcel = Parcel(record, path.absolute(), copy)
            if self.started:
                parcel = parcel.copied(self.folder)
        except OSError as error:
            self._reject(f"`path` must be a file or a folder but got {str(path)!r}: {error}")
            return
        self._record(parcel)

    def _curve(
        self, name: str, type: str, targets: Any, scores: Any, labels: Sequence[str] | None, where: Where
    ) -> None:
        copied = lambda: [Shown(type, curves.curves(type, targets, scores, labels))]  # noqa: E731
        self._show(name, type, copied, {"stage": "validate", **where})

    def _show(self, name: str, type: str, copied: Callable[[], Iterable[Shown]], where: Where) -> None:
        if not self.shows:
            return
        try:
            place = _checked(where)
            found = [
                Exhibit(_media(sound(name), self._clock(), shown, place), shown.copy) for shown in copied()
            ]
        except Exception as error:  # a stranger's object may do anything
            self._reject(f"{type} {name!r}: {error}")
            return
        for exhibit in found:
            self._record(exhibit)

    # what a run has for them

    @property
    def shows(self) -> bool:
        raise NotImplementedError

    @property
    def started(self) -> bool:
        raise NotImplementedError

    @property
    def folder(self) -> RunFolder:
        raise NotImplementedError

    def _record(self, item: Item) -> None:
        raise NotImplementedError

    def _reject(self, text: str) -> None:
        raise NotImplementedError


def _media(name: str, time: float, shown: Shown, place: Where) -> Media:
    """The record, as yet without its file."""
    return Media(
        time=time, name=name, type=shown.type, file="", sha256="", size=0, info=dict(shown.info), **place
    )


def _checked(where: Where) -> Where:
    """The position with whole numbers of Python's in it.

    Raises:
        TypeError: if it has parts that no position has, or if they are no whole numbers.
    """
    unknown = where.keys() - Where.__annotations__.keys()
    if unknown:
        raise TypeError(f"takes `step`, `epoch` and `stage` but got `{'`, `'.join(sorted(unknown))}`")
    step, epoch = where.get("step"), where.get("epoch")
    try:
        return Where(
            step=None if step is None else int(step),
            epoch=None if epoch is None else int(epoch),
            stage=where.get("stage", "train"),
        )
    except (TypeError, ValueError, OverflowError):
        text = f"`step`, `epoch` must be whole numbers but got {plain(step)!r}, {plain(epoch)!r}"
        raise TypeError(text) from None


def _captioned(type: str, copies: Iterable[Copy], caption: str | Sequence[str]) -> Iterable[Shown]:
    """Copies with their captions, and numbers where there are several."""
    found = list(copies)
    lines = [caption] * len(found) if isinstance(caption, str) else [str(line) for line in caption]
    if len(lines) != len(found):
        raise TypeError(f"`caption` must be one line, or {len(found)}, but got {len(lines)}")
    for index, (copy, line) in enumerate(zip(found, lines, strict=True)):
        info: dict[str, Json] = {"caption": sound(line)} if line else {}
        yield Shown(type, copy, info | ({"index": index} if len(found) > 1 else {}))
