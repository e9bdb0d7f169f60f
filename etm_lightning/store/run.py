"""A run as its folder tells it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from etm_lightning.layout import Identity, RunFolder
from etm_lightning.naming import SeriesKey, labels
from etm_lightning.reading import Damage
from etm_lightning.records import Alert, Artifact, Edit, Gap, Media, Text
from etm_lightning.store.cached import cached_property
from etm_lightning.store.checkpoints import CheckpointView
from etm_lightning.store.digest import Digest, code_of, data_of
from etm_lightning.store.edits import Edited, apply, read_edits
from etm_lightning.store.history import History
from etm_lightning.store.identity import guess
from etm_lightning.store.row import Monitor
from etm_lightning.store.segments import Segments
from etm_lightning.store.series import Metric, Point, Series
from etm_lightning.store.state import State

if TYPE_CHECKING:
    import pandas as pd

    from etm_lightning.store.epochs import Epochs
    from etm_lightning.store.zoom import X, Zoomed


class StoredRun:
    """One run of a store. The journal is read once, when first asked about; `refresh` reads it again.

    Threads may ask it at once, but not while one of them calls `refresh`.

    From a list it comes with what the list knows, its status and headline for instance: these are not read.

    A name that was logged in several stages or on several axes is several series. The plain name is the
    first of them in the order axis `step` before `eval_batch`, then stage train, validate, test, predict; the
    others are called ``name (stage, axis)``, in `metrics`, `headline` and `series` alike.
    """

    def __init__(self, folder: RunFolder, known: Digest | None = None) -> None:
        self.folder = folder
        self._known = known
        self._segments = Segments(folder)

    def __repr__(self) -> str:
        return f"StoredRun({str(self.folder.path)!r})"

    def _repr_html_(self) -> str:
        from etm_lightning.store.shown import as_html

        facts = {
            "run": f"{self.name} · {self.id}" if self.name else self.id,
            "project": " / ".join(filter(None, (self.project, self.group))),
            "status": " · ".join(filter(None, (self.status, self.reason))),
            "tags": " ".join(self.tags),
            "notes": self.notes,
        }
        return as_html(facts, self.headline)

    def refresh(self) -> None:
        """Forget what was read; the next question reads the files again, of big ones only what is new."""
        self._known = None
        for name in ("_identity", "_edited", "_history", "edits", "metrics", "headline", "_labels", "epochs"):
            self.__dict__.pop(name, None)

    def again(self) -> StoredRun:
        """The same run, read anew when it is asked; of big files only what is new since."""
        fresh = StoredRun(self.folder)
        fresh._segments = self._segments
        return fresh

    def look_again(self) -> None:
        """See whether its process still lives, without reading the journal again."""
        self._known = None
        self._history.look_again()

    # who it is

    @cached_property
    def _identity(self) -> tuple[Identity, list[Damage]]:
        try:
            return self.folder.identity(), []
        except (OSError, ValueError) as error:
            path = self.folder.identity_file
            reason = str(error).removeprefix(f"{path} ")
            return guess(self.folder), [Damage(path, 0, 0, reason)]

    @property
    def identity(self) -> Identity:
        """What `run.json` says; where it is missing or damaged, what the folder's names tell."""
        return self._known.identity if self._known else self._identity[0]

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.folder.path.name

    @property
    def project(self) -> str:
        return unquote(self.folder.path.parent.name)

    @property
    def group(self) -> str:
        return self._edited.group

    @property
    def question(self) -> str:
        return self.identity.question

    @property
    def method(self) -> str:
        return self.identity.method

    @property
    def created(self) -> float:
        """Unix seconds."""
        return self.identity.created

    @property
    def forked_from(self) -> str:
        return self.identity.forked_from

    @property
    def evaluates(self) -> str:
        """Id of the run whose model this run tests; empty for a training."""
        return self.identity.evaluates

    # what people made of it

    @cached_property
    def edits(self) -> list[Edit]:
        """People's changes, in the order of their times."""
        return read_edits(self.folder)

    @cached_property
    def _edited(self) -> Edited:
        return self._known.edited if self._known else apply(self.identity, self.edits)

    @property
    def name(self) -> str:
        return self._edited.name

    @property
    def tags(self) -> tuple[str, ...]:
        return self._edited.tags

    @property
    def notes(self) -> str:
        return self._edited.notes

    @property
    def archived(self) -> bool:
        return self._edited.archived

    @property
    def trashed(self) -> bool:
        return self._edited.trashed

    # what became of it

    @cached_property
    def _history(self) -> History:
        return History(self.folder, self._segments)

    @property
    def state(self) -> State:
        """How it stands."""
        return self._known.state if self._known else self._history.state

    @property
    def status(self) -> str:
        """One of `etm_lightning.records.STATUSES`, or a word of a later version."""
        return self.state.status

    @property
    def reason(self) -> str:
        return self.state.reason

    @property
    def traceback(self) -> str:
        return self.state.traceback

    @property
    def exit_code(self) -> int | None:
        return self.state.exit_code

    @property
    def signal(self) -> int | None:
        return self.state.signal

    @property
    def started(self) -> float | None:
        """Unix seconds; None before anything was recorded."""
        return self.state.started

    @property
    def ended(self) -> float | None:
        """Unix seconds; None while it runs. Of a crashed run: its last record."""
        return self.state.ended

    @property
    def duration(self) -> float:
        """Seconds that its attempts took together."""
        return self.state.duration

    @property
    def attempts(self) -> int:
        """How often it was started."""
        return self.state.attempts

    def lives(self) -> dict[int, tuple[float | None, str]]:
        """By attempt when it ended, in Unix seconds, and its status; None while it lives."""
        return self._history.lives()

    # what it recorded

    @property
    def params(self) -> dict[str, Any]:
        """The config, later records over earlier ones key by key."""
        return self.info("config")

    @property
    def abouts(self) -> list[str]:
        """What `info` has facts about."""
        return list(self._history.about)

    def info(self, about: str) -> dict[str, Any]:
        """Other facts by what they are about: ``data``, ``model``, ``environment``, ``start`` and so on."""
        if self._known and about == "config":
            return self._known.config
        return self._history.about.get(about, {})

    @cached_property
    def _labels(self) -> dict[str, SeriesKey]:
        return labels(key for key, series in self._history.series.items() if key.rank == 0 and series.counts)

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """What each series of rank 0 comes to, by name."""
        found = {name: self._history.series[key].metric() for name, key in self._labels.items()}
        return {name: metric for name, metric in found.items() if metric}

    def series(
        self,
        name: str,
        *,
        stage: str | None = None,
        axis: str | None = None,
        rank: int = 0,
        superseded: bool = False,
    ) -> list[Point]:
        """The points of a series in the order in which they were recorded; none if there is no such series.

        Args:
            name: as logged, or a key of `metrics`.
            stage: where the name was logged in several stages; the first of them by default.
            axis: where it was logged on several axes.
            rank: the process that logged it.
            superseded: also the points that a later attempt made void.
        """
        wanted = self._find(name, stage, axis, rank, superseded)
        return self._history.series[wanted].points(superseded=superseded) if wanted else []

    def zoom(
        self,
        name: str,
        *,
        x: X = "step",
        start: float | None = None,
        stop: float | None = None,
        points: int = 1000,
        around: bool = False,
        stage: str | None = None,
        axis: str | None = None,
        rank: int = 0,
        superseded: bool = False,
    ) -> Zoomed:
        """A series between two x with at most so many points, its extremes and NaN always among them.

        Args:
            name: as for `series`; no points if there is none.
            x: ``step``, ``epoch``, ``time`` (Unix seconds) or ``relative`` (seconds since the run started).
            start: smallest x; by default that of the series.
            stop: largest x; by default that of the series.
            points: how many at most, at least 10.
            around: also the nearest point on each side.
            stage: as for `series`.
            axis: as for `series`.
            rank: as for `series`.
            superseded: as for `series`.

        Raises:
            ValueError: if `x` is none of these, or `points` too small.
            ImportError: without numpy.
        """
        from etm_lightning.store import rollup
        from etm_lightning.store.zoom import check, thinned, zoom

        check(x, points)
        request = rollup.Request(name, stage, axis, rank, superseded, x)
        whole = start is stop is None and points * 10 <= rollup.POINTS
        if whole and "_history" not in self.__dict__ and (kept := rollup.load(self.folder, request)):
            return thinned(kept, points)
        known = rollup.stamps(self.folder) if "_history" not in self.__dict__ else None
        wanted = self._find(name, stage, axis, rank, superseded)
        series = self._history.series[wanted] if wanted else None
        origin = self.started or self.created

        def shown(points: int) -> Zoomed:
            return zoom(
                series,
                x=x,
                start=start,
                stop=stop,
                points=points,
                around=around,
                superseded=superseded,
                origin=origin,
            )

        if whole and known and series is not None and len(series) >= rollup.WORTH:
            rollup.save(self.folder, request, known, shown(rollup.POINTS))
        return shown(points)

    def find(
        self,
        name: str,
        *,
        stage: str | None = None,
        axis: str | None = None,
        rank: int = 0,
        superseded: bool = False,
    ) -> Series | None:
        """A series itself, with arguments as for `series`; None if there is none."""
        wanted = self._find(name, stage, axis, rank, superseded)
        return self._history.series[wanted] if wanted else None

    def label(self, series: Series) -> str:
        """By what `metrics` calls a series; its plain name if it is of another rank."""
        return next((name for name, key in self._labels.items() if key == series.key), series.key.name)

    def attempt_starts(self, series: Series) -> list[tuple[int, int]]:
        """Where attempts begin in a series: the number of the first point that counts, and the attempt."""
        return self._history.attempts(series)

    def _find(
        self, name: str, stage: str | None, axis: str | None, rank: int, void: bool
    ) -> SeriesKey | None:
        fits = labels(
            key
            for key, series in self._history.series.items()
            if key.name == name
            and key.rank == rank
            and stage in (None, key.stage)
            and axis in (None, key.axis)
            and (void or series.counts)
        )
        return fits.get(name) or (self._labels.get(name) if rank == 0 and stage is axis is None else None)

    def frame(self, *, rank: int | None = 0, superseded: bool = False) -> pd.DataFrame:
        """All points as a long pandas frame: name, stage, axis, rank, step, epoch, time, value.

        Args:
            rank: the process that logged them; None for all.
            superseded: also the points that a later attempt made void.

        Raises:
            ImportError: without pandas.
        """
        from etm_lightning.store.frame import frame

        return frame(self.all_series(rank=rank), superseded=superseded)

    def all_series(self, *, rank: int | None = 0) -> list[Series]:
        """The series themselves, in the order of their first points."""
        return [series for key, series in self._history.series.items() if rank in (None, key.rank)]

    @cached_property
    def epochs(self) -> Epochs:
        """Where its epochs begin. Needs numpy."""
        from etm_lightning.store.epochs import epochs

        return epochs(self.all_series())

    @property
    def checkpoints(self) -> list[CheckpointView]:
        """In the order in which they were taken."""
        return self._history.checkpoints

    @property
    def best_checkpoint(self) -> CheckpointView | None:
        if self._known:
            return self._known.best
        return next((checkpoint for checkpoint in self.checkpoints if checkpoint.best), None)

    @property
    def monitor(self) -> Monitor | None:
        """What chose the best checkpoint, and its value there; None if nothing was watched."""
        best = self.best_checkpoint
        return best.watched() if best else None

    @cached_property
    def headline(self) -> dict[str, float]:
        """One value per series: as the best checkpoint has it, latest for test and predict.

        Without a best checkpoint: the latest values.
        """
        if self._known:
            return {name: float(value) for name, value in self._known.headline.items()}
        best = self.best_checkpoint
        found = {}
        for name, metric in self.metrics.items():
            if metric.axis == "seconds":  # of the machine, not of the experiment
                continue
            point: Point | None = metric.latest
            if best and metric.stage not in ("test", "predict"):
                point = self._history.at(best, self._history.series[self._labels[name]])
            if point:
                found[name] = point.value
        return found

    @property
    def stages(self) -> dict[str, str]:
        """The stage in which each value of `headline` was measured."""
        if self._known:
            return self._known.stages
        return {name: self.metrics[name].stage for name in self.headline}

    @property
    def code(self) -> dict[str, Any]:
        """The version of the code: what git said at the start, less where it came from."""
        return self._known.code if self._known else code_of(self.info("start"))

    @property
    def data(self) -> dict[str, Any]:
        """The version of the data: the recorded facts about it that are hashes."""
        return self._known.data if self._known else data_of(self.info("data"))

    @property
    def alerts(self) -> list[Alert]:
        return self._history.listed[Alert]

    @property
    def artifacts(self) -> list[Artifact]:
        return self._history.listed[Artifact]

    @property
    def media(self) -> list[Media]:
        return self._history.listed[Media]

    @property
    def texts(self) -> list[Text]:
        return self._history.listed[Text]

    @property
    def gaps(self) -> list[Gap]:
        return self._history.listed[Gap]

    @property
    def damage(self) -> list[Damage]:
        """What of its files cannot be read."""
        return [*self._identity[1], *self._history.damage]

    def file(self, path: str) -> Path:
        """Where a recorded `path` lies: absolute as it is, relative in the run's folder."""
        return self.folder.path / path
