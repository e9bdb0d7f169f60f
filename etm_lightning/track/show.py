"""Other things than numbers for any of Lightning's loggers, by what each of them can do.

Lightning has no common method for these. Where a logger has no form for something, it does not get it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etm_lightning.track.sinks.markdown import table as markdown

log = logging.getLogger(__name__)

_WANDB_LEVELS = {"info": "INFO", "warning": "WARN", "error": "ERROR"}


@dataclass(frozen=True)
class Histogram:
    """How values are distributed: how many in each bin, and the edges of the bins, one more than these."""

    counts: Sequence[float]
    edges: Sequence[float]


@dataclass(frozen=True)
class Table:
    """Rows of plain values, as many each as there are columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def show(logger: Any, name: str, thing: Histogram | Table, step: int) -> None:
    """Give a histogram or a table to a logger.

    ETMLogger and WandbLogger have methods for them; TensorBoard's writer takes histograms, and a table as a
    text.
    """
    if isinstance(thing, Table):
        _show_table(logger, name, thing, step)
    else:
        _show_histogram(logger, name, thing, step)


def _show_table(logger: Any, name: str, table: Table, step: int) -> None:
    if hasattr(logger, "log_table"):
        logger.log_table(name, columns=list(table.columns), data=[list(row) for row in table.rows], step=step)
    elif hasattr(_experiment(logger), "add_text"):
        logger.experiment.add_text(name, markdown(table.columns, table.rows), step)


def _show_histogram(logger: Any, name: str, found: Histogram, step: int) -> None:
    if hasattr(logger, "log_histogram"):
        logger.log_histogram(name, counts=list(found.counts), edges=list(found.edges), step=step)
    elif hasattr(_experiment(logger), "add_histogram_raw"):
        logger.experiment.add_histogram_raw(name, **_raw(found), global_step=step)
    elif _of_wandb(logger):
        drawn = sys.modules["wandb"].Histogram(np_histogram=(list(found.counts), list(found.edges)))
        logger.log_metrics({name: drawn}, step=step)


def _raw(found: Histogram) -> dict[str, Any]:
    """A histogram as TensorBoard stores it; its sums are those of the centres of the bins."""
    centres = [(low + high) / 2 for low, high in zip(found.edges, found.edges[1:], strict=False)]
    pairs = list(zip(found.counts, centres, strict=True))
    return {
        "min": found.edges[0],
        "max": found.edges[-1],
        "num": sum(found.counts),
        "sum": sum(count * centre for count, centre in pairs),
        "sum_squares": sum(count * centre * centre for count, centre in pairs),
        "bucket_limits": list(found.edges[1:]),
        "bucket_counts": list(found.counts),
    }


def tell(
    loggers: Sequence[Any],
    title: str,
    text: str = "",
    *,
    level: str = "warning",
    name: str = "",
    step: int = 0,
) -> None:
    """Tell a person something: one line in the terminal, and an alert in every logger that has a form for it.

    Args:
        loggers: of the Trainer.
        title: a few words.
        text: more about it.
        level: ``info``, ``warning`` or ``error``.
        name: of what watches, the same each time.
        step: optimizer batches so far.
    """
    log.log(getattr(logging, level.upper()), "step %d: %s%s", step, title, f": {text}" if text else "")
    for logger in loggers:
        if hasattr(logger, "alert"):
            logger.alert(title, text, level=level, name=name, step=step)
        elif hasattr(_experiment(logger), "add_text"):
            logger.experiment.add_text("alerts", f"**{level}: {title}**\n\n{text}", step)
        elif _of_wandb(logger):
            logger.experiment.alert(title[:63], text, level=_WANDB_LEVELS[level])


def attach(loggers: Sequence[Any], path: Path, type: str) -> None:
    """Let the loggers that keep files know of one."""
    for logger in loggers:
        if hasattr(logger, "log_artifact"):
            logger.log_artifact(path, path.name, type)
        elif _of_wandb(logger):
            logger.experiment.log_artifact(str(path), name=path.name, type=type)


def folder_of(trainer: Any) -> Path:
    """Where the first logger that has a folder keeps what belongs to the training."""
    places = (getattr(logger, "log_dir", None) or logger.save_dir for logger in trainer.loggers)
    return Path(next((place for place in places if place), trainer.default_root_dir))


def _experiment(logger: Any) -> Any:
    return getattr(logger, "experiment", None)


def _of_wandb(logger: Any) -> bool:
    return type(_experiment(logger)).__module__.partition(".")[0] == "wandb"
