"""Where a run is in MLflow: its experiment, its own run, and the parent that a group's runs share."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from etm_lightning.layout import Identity
from etm_lightning.track.redact import redact
from etm_lightning.track.sinks.mlflow_names import LONGEST_TAG, cut
from etm_lightning.track.sinks.sink import RefusedError, StartOverError, Target

RUN, GENERATION, GROUP, KIND = "etm.run", "etm.generation", "etm.group", "etm.kind"
PARENT, NOTE = "mlflow.parentRunId", "mlflow.note.content"
_UNREACHED = re.compile(r"Max retries exceeded|Failed to establish|failed with exception")
_REASON = re.compile(r"(?:\[Errno -?\d+\]|ConnectionResetError\(\d+,|Remote end) ?'?([^'\")]+)|(timed out)")
GONE, TAKEN = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"


@contextmanager
def reaching(uri: str) -> Iterator[None]:
    """Tell in one line that a server cannot be reached, instead of in the client's five.

    Raises:
        ConnectionError: if that is so.
    """
    try:
        yield
    except Exception as error:
        text = str(error)
        if not _UNREACHED.search(text):
            raise
        reason = _REASON.search(text)
        why = (reason[1] or reason[2]).strip() if reason else text.splitlines()[0]
        raise ConnectionError(redact(f"{uri} cannot be reached: {why}")) from error


def existing(client: Any, run_id: str) -> Any:
    """The run that was delivered to before.

    Raises:
        StartOverError: if the server does not know it.
        RefusedError: if somebody deleted it.
    """
    try:
        run = client.get_run(run_id)
    except Exception as error:
        if getattr(error, "error_code", "") == GONE:
            raise StartOverError(f"MLflow does not know run {run_id} any more") from error
        raise
    if run.info.lifecycle_stage != "active":
        raise RefusedError(
            f"run {run_id} was deleted in MLflow: `mlflow runs restore --run-id {run_id}` lets it go on"
        )
    return run


def experiment(client: Any, name: str, artifact_location: str) -> str:
    """The id of an experiment, made if there is none.

    Raises:
        RefusedError: if somebody deleted it.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifact_location or None))
        except Exception as error:
            if getattr(error, "error_code", "") != TAKEN:
                raise
        found = client.get_experiment_by_name(name)
    if found.lifecycle_stage != "active":
        raise RefusedError(
            f"experiment {name!r} was deleted in MLflow: `mlflow experiments restore --experiment-id "
            f"{found.experiment_id}` lets it go on, or give another `experiment_name`"
        )
    return str(found.experiment_id)


def artifacts_beside(tracking_uri: str, name: str) -> str:
    """Where an experiment in a database file has its artifacts; "" where the server decides.

    >>> artifacts_beside("sqlite:////data/.mlflow.db", "bbc")
    'file:///data/.mlflow-artifacts/bbc'
    """
    if not tracking_uri.startswith("sqlite:///"):
        return ""
    database = Path(tracking_uri.removeprefix("sqlite:///")).absolute()
    return (database.parent / f"{database.stem}-artifacts" / quote(name, safe=" ")).as_uri()


def find_or_create(client: Any, target: Target, experiment_id: str, name: str, tags: dict[str, str]) -> Any:
    """The run of this generation; those of earlier ones are deleted, as the server deletes: restorably.

    One may be there although we do not know of it: the answer to its creation, or our place, was lost.
    """
    identity, newest = target.identity, None
    for run in _search(client, experiment_id, {RUN: identity.id}):
        if _generation(run) < target.generation:
            client.delete_run(run.info.run_id)
        elif newest is None or _generation(run) > _generation(newest):
            newest = run
    _delete(client, str(target.superseded.get("run_id", "")))
    if newest is not None:
        return newest
    told = {RUN: identity.id, GENERATION: str(target.generation), **_told(identity), **tags}
    if identity.group:
        told[PARENT] = parent(client, experiment_id, identity.group)
    known = {key: cut(value, LONGEST_TAG) for key, value in told.items() if value}
    return client.create_run(experiment_id, _ms(identity.created), known, name)


def parent(client: Any, experiment_id: str, group: str) -> str:
    """The id of a group's run, made if there is none; of two that came to be at once the older one."""
    found = _groups(client, experiment_id, group)
    if found:
        return found[0]
    tags = {KIND: "group", GROUP: group}
    mine = str(client.create_run(experiment_id, _ms(time.time()), tags, group).info.run_id)
    client.set_terminated(mine, "FINISHED")
    chosen = _groups(client, experiment_id, group)[0]
    if chosen != mine and not _search(client, experiment_id, {PARENT: mine}):
        client.delete_run(mine)
    return chosen


def _groups(client: Any, experiment_id: str, group: str) -> list[str]:
    """The ids of the runs that stand for a group, the oldest first."""
    runs = _search(client, experiment_id, {KIND: "group", GROUP: group})
    return [run.info.run_id for run in sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))]


def _search(client: Any, experiment_id: str, tags: Mapping[str, str]) -> list[Any]:
    """Runs that are not deleted and have these tags."""
    # a text with quotes of both kinds cannot be searched for: all others are then looked through
    where = [
        f"tags.`{tag}` = {_quoted(value)}" for tag, value in tags.items() if not {"'", '"'} <= set(value)
    ]
    found: list[Any] = []
    token = None
    while True:
        page = client.search_runs([experiment_id], " and ".join(where), page_token=token)
        found += [run for run in page if tags.items() <= run.data.tags.items()]
        token = page.token
        if not token:
            return found


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


def _generation(run: Any) -> int:
    said = run.data.tags.get(GENERATION, "0")
    return int(said) if said.isdecimal() else 0


def _delete(client: Any, run_id: str) -> None:
    """Delete a run unless it is gone already."""
    try:
        if run_id and client.get_run(run_id).info.lifecycle_stage == "active":
            client.delete_run(run_id)
    except Exception as error:
        if getattr(error, "error_code", "") != GONE:
            raise


def _told(identity: Identity) -> dict[str, str]:
    return {
        "etm.project": identity.project,
        GROUP: identity.group,
        "etm.tags": ",".join(identity.tags),
        "etm.question": identity.question,
        "etm.method": identity.method,
        "etm.forked_from": identity.forked_from,
        "etm.evaluates": identity.evaluates,
        NOTE: identity.notes,
    }


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
