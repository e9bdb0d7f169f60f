"""One run of the W&B client, written to with rows, times and machines that are not this process's own.

W&B's public functions take "now" and "here" for granted. A run that is delivered late, or by a companion
process, needs the records one level below: the same ones that W&B's client makes of a call.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etm_lightning.records import Json, Started

INIT_SECONDS = 60.0
FINISH_SECONDS = 50.0
"""Less than a minute, which is what the shipper waits for one that makes no progress."""


class Client:
    """A W&B run of this process.

    Args:
        run: what `wandb.init` returned.

    Attributes:
        run: the same, for what W&B's public functions can do.
        rows: how many rows W&B already has of it.
    """

    def __init__(self, run: Any) -> None:
        from wandb.proto import wandb_internal_pb2

        self.run = run
        self.rows = int(run.starting_step)
        self._records: Any = wandb_internal_pb2
        self._interface = run._interface
        self._drawn: set[str] = set()

    @property
    def folder(self) -> Path:
        """Where the client keeps the run's files."""
        return Path(self.run.settings.sync_dir)

    def row(self, number: int, values: Mapping[str, Json]) -> None:
        """A row of the history; what is JSON but for NaN and infinities, which W&B spells as Python does."""
        history = self._records.HistoryRecord()
        history.step.num = number
        for name, value in values.items():
            history.item.add(nested_key=(name,), value_json=json.dumps(value))
        history.item.add(nested_key=("_step",), value_json=str(number))
        self._interface._publish_history(history)

    def shown(self, name: str, media: Any, number: int) -> dict[str, Json]:
        """What a row has of a picture, table or chart, whose files W&B takes from here on."""
        from wandb.sdk.data_types.utils import history_dict_to_json

        row = self.run._serialize_custom_charts({name: media})
        with self._staging():
            found: dict[str, Json] = history_dict_to_json(self.run, row, step=number)
        return found

    def artifact(self, made: Any, aliases: Sequence[str]) -> None:
        """A version of an artifact."""
        with self._staging():
            self.run.log_artifact(made, aliases=list(aliases) or None)

    @contextlib.contextmanager
    def _staging(self) -> Iterator[None]:
        """Copies that W&B keeps until it has uploaded them lie with the run, not in somebody's home."""
        given = os.environ.get("WANDB_DATA_DIR")
        os.environ["WANDB_DATA_DIR"] = given or str(self.folder)
        try:
            yield
        finally:
            if not given:
                del os.environ["WANDB_DATA_DIR"]

    def axis(self, name: str, step_metric: str) -> None:
        """Draw a metric over another one."""
        if step_metric not in self._drawn:
            self._drawn.add(step_metric)
            self.run.define_metric(step_metric, hidden=True)
        if name not in self._drawn:
            self._drawn.add(name)
            if "*" not in name:
                self.run.define_metric(name, step_metric=step_metric)

    def summary(self, values: Mapping[str, Json]) -> None:
        """One value for each name, in W&B's table of runs."""
        summary = self._records.SummaryRecord()
        for name, value in values.items():
            summary.update.add(nested_key=(name,), value_json=json.dumps(value))
        self._interface._publish_summary(summary)

    def duration(self, seconds: float) -> None:
        """How long the training took."""
        summary = self._records.SummaryRecord()
        summary.update.add(nested_key=("_wandb", "runtime"), value_json=str(int(seconds)))
        summary.update.add(nested_key=("_runtime",), value_json=str(int(seconds)))
        self._interface._publish_summary(summary)

    def machine(self, time: float, values: Mapping[str, float]) -> None:
        """A sample of the machine, for the panel of the system."""
        stats = self._records.StatsRecord(stats_type=self._records.StatsRecord.StatsType.SYSTEM)
        stats.timestamp.FromMicroseconds(int(time * 1e6))
        for name, value in values.items():
            stats.item.add(key=name, value_json=json.dumps(value))
        self._interface._publish(self._interface._make_record(stats=stats))

    def config(self, values: Mapping[str, Json], removed: Iterable[str] = ()) -> None:
        """Settings by name."""
        config = self._records.ConfigRecord()
        for name, value in values.items():
            config.update.add(key=name, value_json=json.dumps(value))
        for name in removed:
            config.remove.add(key=name)
        self._interface._publish_config(config)

    def environment(self, origin: Origin, time: float) -> None:
        """Where the training comes from: W&B's file of metadata."""
        known = self._records.EnvironmentRecord.DESCRIPTOR.fields_by_name
        record = self._records.EnvironmentRecord(
            **{name: value for name, value in origin.environment().items() if value and name in known}
        )
        record.writer_id = self.run.id
        record.started_at.FromMicroseconds(int(time * 1e6))
        if origin.commit or origin.remote:
            record.git.commit, record.git.remote_url = origin.commit, origin.remote
        self._interface.publish_environment(record)

    def began(self, time: float) -> None:
        """When the training began; W&B itself takes now."""
        self.run._start_time = time
        self._interface.publish_run(self.run)

    def console(self, text: str) -> None:
        """What the training printed."""
        self._interface.publish_output_raw("stdout", text)

    def preempted(self) -> None:
        """The run was preempted, which W&B tells from a failure."""
        self._interface.publish_preempting()

    def finish(self, exit_code: int) -> None:
        """Let W&B upload what is left, for a bounded time, and end the run.

        Raises:
            TimeoutError: if W&B could not upload everything; it keeps the rest in its `folder`.
        """
        from wandb.sdk import wandb_setup

        self.run.finish(exit_code=exit_code)
        # W&B's service closes the run's file after that; it does what it is asked in order, and answers this
        setup = wandb_setup.singleton()
        service = setup.assert_service()
        setup.asyncer.run(lambda: service.sync_status("none")).wait_or(timeout=FINISH_SECONDS)


class Origin:
    """What a `started` record says about where a training comes from, for W&B; all of it may be missing."""

    def __init__(self, started: Started | None) -> None:
        self.info: Mapping[str, Any] = started.info if started else {}
        git = self._mapping("git")
        self.commit, self.remote = str(git.get("commit") or ""), str(git.get("remote") or "")
        words = self.info.get("command")
        self.command = [str(word) for word in words] if isinstance(words, list) else []
        self.host = str(self.info.get("host") or "")

    @property
    def cpus(self) -> int:
        """How many processors the training may use; 0 if that is not known."""
        found = self._fact("cpus_usable") or self._fact("cpus")
        return found if isinstance(found, int) else 0

    @property
    def program(self) -> str:
        """The script; "" if it is not known."""
        return self.command[1] if len(self.command) > 1 else ""

    def environment(self) -> dict[str, Any]:
        """By W&B's names."""
        gpus = self._fact("gpus")
        names = [str(gpu.get("name")) if isinstance(gpu, Mapping) else str(gpu) for gpu in _list(gpus)]
        return {
            "os": str(self._fact("platform") or ""),
            "python": str(self.info.get("python") or ""),
            "args": self.command[2:],
            "program": self.program,
            "root": str(self.info.get("cwd") or ""),
            "host": self.host,
            "username": str(self.info.get("user") or ""),
            "cpu_count": self.cpus,
            "cpu_count_logical": self.cpus,
            "gpu_type": names[0] if names else "",
            "gpu_count": len(names),
        }

    def _mapping(self, name: str) -> Mapping[str, Any]:
        found = self.info.get(name)
        return found if isinstance(found, Mapping) else {}

    def _fact(self, name: str) -> Any:
        return self._mapping("machine").get(name) or self.info.get(name)


def connect(folder: Path, origin: Origin, **about: Any) -> Client:
    """Begin a run with the W&B client, or go on with it where W&B has it.

    Args:
        folder: where the client keeps its files, in a folder ``wandb``.
        origin: where the training comes from.
        about: of `wandb.init`: mode, id, name, project, entity, …

    Raises:
        Exception: whatever W&B's client has against it.
    """
    import wandb
    from wandb.sdk import wandb_setup

    if wandb_setup.singleton()._connection is None:
        # the training may have a service of its own, which ends with it
        os.environ.pop("WANDB_SERVICE", None)
    settings = wandb.Settings(
        silent=True,
        console="off",
        save_code=False,
        disable_git=True,  # that of this process's folder
        symlink=False,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
        init_timeout=INIT_SECONDS,
        finish_timeout=FINISH_SECONDS,
        finish_timeout_raises=True,
        # what W&B sums up by itself is the last value of each name, and for how long this process delivered
        x_server_side_derived_summary=about["mode"] == "offline",
        **_known(host=origin.host, program=origin.program, git_commit=origin.commit),
        **_known(git_remote_url=origin.remote, base_url=os.environ.get("WANDB_BASE_URL")),
    )
    hooks = sys.excepthook, sys.exit
    try:
        run = wandb.init(dir=str(folder), reinit="create_new", settings=settings, **about)
    except (
        Exception
    ):  # W&B's service is gone, or holds on to the run's id from now on: begin with another one
        if wandb.run is None:  # nobody else of this process needs it
            with contextlib.suppress(Exception):
                wandb.teardown(exit_code=1)
        raise
    finally:
        sys.excepthook, sys.exit = hooks  # they are this process's
    return Client(run)


def _known(**settings: Any) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
