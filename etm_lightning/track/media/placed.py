"""The logger's methods for other things than numbers: those of a `Run`, at the place where the Trainer is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any


class Placed:
    """`log_image` and the like for `ETMLogger`; what they take is told at `Exhibits`.

    Step, epoch and stage are the Trainer's unless they are given by name. Names and order of arguments are
    those that users of WandbLogger know. A failure is counted and never reaches the training.
    """

    def log_text(
        self,
        key: str,
        text: Any = None,
        data: Sequence[Sequence[Any]] | None = None,
        dataframe: Any = None,
        step: int | None = None,
        *,
        columns: Sequence[str] | None = None,
        **where: Any,
    ) -> None:
        """Record a text; or a table of texts, as columns and data or as a data frame."""
        if data is None and dataframe is None:
            self._show("log_text", key, text, step=step, **where)
        else:
            self.log_table(key, text if columns is None else columns, data, dataframe, step, **where)

    def log_image(
        self,
        key: str,
        images: Any,
        step: int | None = None,
        *,
        caption: str | Sequence[str] = "",
        **where: Any,
    ) -> None:
        """Record one picture, a list or a batch of them."""
        self._show("log_image", key, images, caption=caption, step=step, **where)

    def log_figure(
        self,
        key: str,
        figure: Any,
        step: int | None = None,
        *,
        caption: str | Sequence[str] = "",
        **where: Any,
    ) -> None:
        """Record a figure of matplotlib or plotly."""
        self._show("log_figure", key, figure, caption=caption, step=step, **where)

    def log_table(
        self,
        key: str,
        columns: Any = None,
        data: Sequence[Sequence[Any]] | None = None,
        dataframe: Any = None,
        step: int | None = None,
        **where: Any,
    ) -> None:
        """Record a table, as columns and data or as a data frame."""
        self._show("log_table", key, columns if dataframe is None else dataframe, data, step=step, **where)

    def log_confusion_matrix(
        self,
        key: str,
        labels: Sequence[str],
        counts: Sequence[Sequence[int]],
        step: int | None = None,
        **where: Any,
    ) -> None:
        """Record how often each class was taken for each."""
        self._show("log_confusion_matrix", key, labels, counts, step=step, **where)

    def log_histogram(
        self,
        key: str,
        values: Any = None,
        step: int | None = None,
        *,
        bins: int = 64,
        counts: Any = None,
        edges: Any = None,
        **where: Any,
    ) -> None:
        """Record how values are distributed."""
        self._show("log_histogram", key, values, bins=bins, counts=counts, edges=edges, step=step, **where)

    def log_pr_curve(
        self,
        key: str,
        targets: Any,
        scores: Any,
        step: int | None = None,
        *,
        labels: Sequence[str] | None = None,
        **where: Any,
    ) -> None:
        """Record precision over recall."""
        self._show("log_pr_curve", key, targets, scores, labels=labels, step=step, **where)

    def log_roc_curve(
        self,
        key: str,
        targets: Any,
        scores: Any,
        step: int | None = None,
        *,
        labels: Sequence[str] | None = None,
        **where: Any,
    ) -> None:
        """Record true over false positives."""
        self._show("log_roc_curve", key, targets, scores, labels=labels, step=step, **where)

    def log_html(self, key: str, page: str, step: int | None = None, **where: Any) -> None:
        """Record a page of HTML."""
        self._show("log_html", key, page, step=step, **where)

    def log_audio(
        self,
        key: str,
        audios: Any,
        step: int | None = None,
        *,
        sample_rate: int | Sequence[int] | None = None,
        caption: str | Sequence[str] = "",
        **where: Any,
    ) -> None:
        """Record one sound or a list of them."""
        self._show("log_audio", key, audios, sample_rate, caption=caption, step=step, **where)

    def log_video(
        self,
        key: str,
        videos: Any,
        step: int | None = None,
        *,
        caption: str | Sequence[str] = "",
        **where: Any,
    ) -> None:
        """Record one film or a list of them, by the paths of their files."""
        self._show("log_video", key, videos, caption=caption, step=step, **where)

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
        """Record that a file or folder belongs to the run."""
        self._show("log_artifact", path, name, type, aliases, copy=copy, info=info)

    def _show(self, method: str, *args: Any, **options: Any) -> None:
        raise NotImplementedError
