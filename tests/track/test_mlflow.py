from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities import ViewType
from mlflow.utils import validation

from etm_lightning import Run
from etm_lightning.layout import RunFolder
from etm_lightning.records import Scalars
from etm_lightning.store import edits
from etm_lightning.track.outcome import Outcome
from etm_lightning.track.shipping.cursors import load, progress_file
from etm_lightning.track.shipping.delivery import Delivery
from etm_lightning.track.sinks import mlflow as sink
from etm_lightning.track.sinks.mlflow_names import escape, unescape
from tests.contracts import journals
from tests.contracts.databases import lay
from tests.track.mlflow_server import Server, server

WHERE = "mlflow"


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with server(folder, lay(folder / "server.db")) as found:
        yield found


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return lay(tmp_path / "mlflow.db")


def deliver(folder: RunFolder, uri: str, **options: Any) -> Delivery:
    found = Delivery(folder, WHERE, {"sink": "mlflow", "tracking_uri": uri, **options})
    found.advance()
    found.close()
    assert not found.error, found.error
    return found


def run_of(folder: RunFolder, uri: str) -> Any:
    """The run's only run in MLflow."""
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name(folder.identity().project)
    assert experiment is not None
    [found] = client.search_runs([experiment.experiment_id], f"tags.`etm.run` = '{folder.path.name}'")
    return found


def points(folder: RunFolder, uri: str, name: str) -> list[tuple[int, float]]:
    history = mlflow.MlflowClient(uri).get_metric_history(run_of(folder, uri).info.run_id, name)
    return sorted((point.step, point.value) for point in history)


def artifact(folder: RunFolder, uri: str, path: str, place: Path) -> Path:
    run_id = run_of(folder, uri).info.run_id
    return Path(mlflow.MlflowClient(uri).download_artifacts(run_id, path, str(place)))


@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back_has_everything_once(remote: Server, tmp_path: Path) -> None:
    now = [0.0]
    remote.start()
    run = journals.new_run(tmp_path, "killed")
    delivery = Delivery(
        run.folder, WHERE, {"sink": "mlflow", "tracking_uri": remote.uri}, clock=lambda: now[0]
    )
    journals.log_steps(run, range(50))
    assert delivery.advance() > 50
    remote.kill()
    journals.log_steps(run, range(50, 100))
    for _ in range(3):
        assert delivery.advance() == 0
        assert delivery.waiting
        assert "127.0.0.1" in delivery.error
        now[0] += 60
    remote.start()
    journals.log_steps(run, range(100, 150))
    run.end()
    assert delivery.advance() > 100
    delivery.close()
    assert not delivery.error
    assert points(run.folder, remote.uri, "train/loss") == journals.curve(150)
    assert run_of(run.folder, remote.uri).info.status == "FINISHED"


@pytest.mark.slow
def test_what_a_server_took_without_answering_is_not_there_twice(remote: Server, tmp_path: Path) -> None:
    remote.start()
    folder = journals.simple(tmp_path, id="unanswered")
    deliver(folder, remote.uri)
    progress_file(folder, WHERE).unlink()
    assert deliver(folder, remote.uri).delivered > 50
    assert points(folder, remote.uri, "train/loss") == journals.curve(50)
    for name in journals.NONFINITE:
        assert len(points(folder, remote.uri, name)) == 1


@pytest.mark.slow
def test_a_server_takes_empty_and_odd_params_names_and_files(remote: Server, tmp_path: Path) -> None:
    remote.start()
    with Run("server", save_dir=tmp_path, shipper=False, notes="a\nnote") as run:
        run.log_params({"empty": "", "none": None, "损失 %": '"' * 7000, **{f"p{i}": i for i in range(250)}})
        run.log({"//": 1.0, "%": 2.0, "x" * 300: 3.0}, step=1)
        run.log_text("said/%", "hello", step=3)
    deliver(run.folder, remote.uri)
    found = run_of(run.folder, remote.uri)
    assert found.data.params["empty"] == ""
    assert found.data.params["none"] == "None"
    assert found.data.params["损失 _x0025_"] == '"' * 5999 + "…"
    assert {f"p{i}" for i in range(250)} <= found.data.params.keys()
    assert found.data.metrics["_x_/_x_/_x_"] == 1.0
    assert found.data.tags["mlflow.note.content"] == "a\nnote"
    assert artifact(run.folder, remote.uri, "text/said/_x0025_/3.txt", tmp_path).read_text() == "hello"
    names = json.loads(artifact(run.folder, remote.uri, "etm/names.json", tmp_path).read_text())
    assert names["_x0025_"] == "%"
    assert "x" * 300 in names.values()


@given(st.text())
def test_every_name_becomes_one_that_mlflow_takes_and_can_be_told_back(name: str) -> None:
    name = name.encode(errors="ignore").decode()
    escaped = escape(name)
    validation._validate_metric_name(escaped)  # type: ignore[no-untyped-call]
    assert len(escaped) <= validation.MAX_ENTITY_KEY_LENGTH
    if len(escaped) < 250 - 11:
        assert unescape(escaped) == name


def test_an_ordinary_name_stays_as_it_is() -> None:
    for name in ("val/f1", "a b/c:d", "train_loss-1.5", "naïve/損失"):
        assert escape(name) == name


def test_a_value_too_long_for_an_older_server_is_cut_to_what_it_says(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "MAX_PARAM_VAL_LENGTH", 500)
    monkeypatch.setenv("MLFLOW_TRUNCATE_LONG_VALUES", "false")
    with Run("p", save_dir=tmp_path, shipper=False, params={"long": "x" * 9000, "short": 1}) as run:
        pass
    deliver(run.folder, uri)
    assert run_of(run.folder, uri).data.params == {"long": "x" * 499 + "…", "short": "1"}


def test_a_param_that_a_later_attempt_changed_is_a_tag(tmp_path: Path, uri: str) -> None:
    run = journals.new_run(tmp_path)
    run.log_params({"trainer": {"max_epochs": 1}, "lr": 0.1})
    deliver(run.folder, uri)
    run.log_params({"trainer": {"max_epochs": 2}, "lr": 0.1, "layers": [1, 2]})
    deliver(run.folder, uri)
    found = run_of(run.folder, uri)
    assert found.data.params == {"trainer.max_epochs": "1", "lr": "0.1", "layers": "[1, 2]"}
    assert found.data.tags["etm.param.trainer.max_epochs"] == "2"
    assert "etm.param.lr" not in found.data.tags
    run.log_params({"trainer": {"max_epochs": 1}})
    run.end()
    deliver(run.folder, uri)
    assert run_of(run.folder, uri).data.tags["etm.param.trainer.max_epochs"] == "1"


def test_secrets_among_the_settings_of_sinks_do_not_travel(tmp_path: Path, uri: str) -> None:
    with Run("p", save_dir=tmp_path, shipper=False, sinks=[{"sink": "wandb", "mode": "s3cret"}]) as run:
        pass
    deliver(run.folder, uri)
    assert "s3cret" not in repr(run_of(run.folder, uri).to_dictionary())


def test_runs_of_a_group_have_one_parent(tmp_path: Path, uri: str) -> None:
    parents = set()
    for number in range(3):
        run = Run("p", save_dir=tmp_path, shipper=False, id=f"r{number}", group='it\'s "a" sweep')
        run.log({"loss": 1.0}, step=0)
        run.end()
        deliver(run.folder, uri)
        parents.add(run_of(run.folder, uri).data.tags["mlflow.parentRunId"])
    [found] = parents
    parent = mlflow.MlflowClient(uri).get_run(found)
    assert parent.info.run_name == 'it\'s "a" sweep'
    assert parent.info.status == "FINISHED"
    assert parent.info.end_time >= run_of(run.folder, uri).info.end_time


@pytest.mark.parametrize(
    ("status", "theirs"),
    [
        ("finished", "FINISHED"),
        ("failed", "FAILED"),
        ("crashed", "FAILED"),
        ("interrupted", "KILLED"),
        ("preempted", "KILLED"),
        ("pruned", "KILLED"),
    ],
)
def test_a_run_ends_as_it_ended(tmp_path: Path, uri: str, status: Any, theirs: str) -> None:
    run = journals.new_run(tmp_path)
    run.log({"loss": 1.0}, step=0)
    run.end_with(Outcome(status, "because"))
    deliver(run.folder, uri)
    found = run_of(run.folder, uri)
    assert found.info.status == theirs
    assert (found.data.tags["etm.status"], found.data.tags["etm.reason"]) == (status, "because")
    assert found.info.end_time == round(run._end.time * 1000)  # type: ignore[union-attr]  # it has ended


def test_a_run_that_is_logged_to_after_its_end_runs_again(tmp_path: Path, uri: str) -> None:
    run = journals.new_run(tmp_path)
    run.log({"loss": 1.0}, step=0)
    run.end()
    deliver(run.folder, uri)
    run._outbox.put(Scalars(time=run._clock(), step=9, axis="seconds", values={"system/cpu_percent": 1.0}))
    edits.tag(run.folder, "later")
    deliver(run.folder, uri)
    assert run_of(run.folder, uri).info.status == "FINISHED"
    run.log({"loss": 0.5}, step=1)
    deliver(run.folder, uri)
    assert run_of(run.folder, uri).info.status == "RUNNING"
    run.end("failed")
    deliver(run.folder, uri)
    found = run_of(run.folder, uri)
    assert found.info.status == "FAILED"
    assert found.data.metrics["system/cpu_percent"] == 1.0
    assert found.data.metrics["best/loss"] == 0.5


def test_edits_arrive(tmp_path: Path, uri: str) -> None:
    folder = journals.simple(tmp_path, steps=3)
    edits.tag(folder, "good", "b")
    edits.untag(folder, "a")
    edits.note(folder, "look at the seeds")
    edits.rename(folder, "best of all")
    edits.archive(folder)
    deliver(folder, uri)
    found = run_of(folder, uri)
    assert found.data.tags["etm.tags"] == "b,good"
    assert found.data.tags["mlflow.note.content"] == "look at the seeds"
    assert found.data.tags["etm.archived"] == "True"
    assert found.info.run_name == "best of all"


def test_what_a_later_attempt_made_void_is_deleted_restorably(tmp_path: Path, uri: str) -> None:
    deliver(journals.before_the_crash(tmp_path), uri)
    folder = journals.after_the_crash(tmp_path)
    before = run_of(folder, uri).info.run_id
    deliver(folder, uri)
    after = run_of(folder, uri)
    assert after.info.run_id != before
    deleted = mlflow.MlflowClient(uri).search_runs(
        [after.info.experiment_id], "", run_view_type=ViewType.DELETED_ONLY
    )
    assert [run.info.run_id for run in deleted] == [before]


def test_a_run_that_mlflow_lost_is_delivered_anew(tmp_path: Path, uri: str) -> None:
    folder = journals.simple(tmp_path)
    deliver(folder, uri)
    journals.add_an_unknown_kind(folder)
    edits.tag(folder, "more")
    (tmp_path / "other").mkdir()
    other = lay(tmp_path / "other" / "mlflow.db")
    deliver(folder, other)
    assert points(folder, other, "train/loss") == journals.curve(50)


def test_a_run_that_somebody_deleted_stays_deleted(tmp_path: Path, uri: str) -> None:
    folder = journals.simple(tmp_path, steps=3)
    deliver(folder, uri)
    client = mlflow.MlflowClient(uri)
    run_id = run_of(folder, uri).info.run_id
    client.delete_run(run_id)
    edits.tag(folder, "more")
    delivery = Delivery(folder, WHERE, {"sink": "mlflow", "tracking_uri": uri})
    assert delivery.advance() == 0
    delivery.close()
    assert f"mlflow runs restore --run-id {run_id}" in load(progress_file(folder, WHERE)).error
    client.restore_run(run_id)
    deliver(folder, uri)


def test_an_unknown_option_is_named(tmp_path: Path, uri: str) -> None:
    folder = journals.simple(tmp_path, steps=1)
    delivery = Delivery(folder, WHERE, {"sink": "mlflow", "tracking_url": uri})
    delivery.advance()
    delivery.close()
    assert delivery.error.startswith(
        "`tracking_url` is not an option of the sink mlflow, which has tracking_"
    )


def test_a_file_beside_the_working_folder_is_found_again_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
    lay(tmp_path / "here" / "runs.db")
    monkeypatch.chdir(tmp_path / "here")
    folder = journals.simple(tmp_path / "store")
    deliver(folder, "sqlite:///runs.db")
    monkeypatch.chdir(tmp_path / "there")
    edits.tag(folder, "more")
    deliver(folder, "sqlite:///runs.db")
    assert os.listdir(tmp_path / "there") == []
    assert "more" in run_of(folder, f"sqlite:///{tmp_path}/here/runs.db").data.tags["etm.tags"]


def test_texts_tables_media_and_files_are_artifacts(tmp_path: Path, uri: str) -> None:
    import pandas

    (tmp_path / "notes.txt").write_text("a file")
    with journals.new_run(tmp_path / "store") as run:
        run.log_text("sample", "a text", step=3)
        run.log_table("errors", ["word", "count"], [["a", 1], ["b", 2]], step=4)
        run.log_confusion_matrix("val/confusion", ["cat", "dog"], [[3, 1], [0, 4]], step=5)
        run.log_artifact(tmp_path / "notes.txt", aliases=("first",))
    deliver(run.folder, uri)
    assert artifact(run.folder, uri, "text/sample/3.txt", tmp_path).read_text() == "a text"
    table = pandas.read_json(artifact(run.folder, uri, "media/errors/4.json", tmp_path), orient="split")
    assert table.to_dict("list") == {"word": ["a", "b"], "count": [1, 2]}
    matrix = json.loads(artifact(run.folder, uri, "media/val/confusion/5.json", tmp_path).read_text())
    assert matrix == {"labels": ["cat", "dog"], "counts": [[3, 1], [0, 4]]}
    assert artifact(run.folder, uri, "files/notes.txt", tmp_path).read_text() == "a file"
    assert run_of(run.folder, uri).data.tags["etm.artifact.notes.txt"] == "first"


def test_without_log_artifacts_there_are_none(tmp_path: Path, uri: str) -> None:
    folder = journals.simple(tmp_path)
    deliver(folder, uri, log_artifacts=False)
    assert mlflow.MlflowClient(uri).list_artifacts(run_of(folder, uri).info.run_id) == []


def test_where_the_run_comes_from_is_told_as_mlflow_shows_it(tmp_path: Path, uri: str) -> None:
    folder = journals.simple(tmp_path, steps=1)
    deliver(folder, uri, tags={"team": "blue"}, experiment_name="sinks", run_name="mine")
    tags = run_of(folder, uri).data.tags
    assert tags["mlflow.runName"] == "mine"
    assert tags["mlflow.source.type"] == "LOCAL"
    assert len(tags["mlflow.source.git.commit"]) == 40
    assert tags["mlflow.user"]
    assert tags["etm.tags"] == "a,b"
    assert tags["team"] == "blue"


def test_what_the_user_set_for_the_client_stays(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")
    deliver(journals.simple(tmp_path, steps=1), uri)
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "5"
    assert set(sink.ENVIRONMENT) <= os.environ.keys()


def test_an_address_whose_password_was_not_recorded_is_taken_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = journals.simple(tmp_path, steps=3)
    options = {"sink": "mlflow", "tracking_uri": "https://ada:<hidden>@tracking.example"}
    refused = Delivery(folder, WHERE, options)
    refused.advance()
    assert refused.error == "the server's address holds a secret, set MLFLOW_TRACKING_URI to it"
    refused.close()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", lay(tmp_path / "mlflow.db"))
    taken = Delivery(folder, WHERE, options)
    assert taken.advance() > 3
    taken.close()


def test_what_cannot_be_reached_is_told_in_a_line_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:lovelace1815@127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    folder = journals.simple(tmp_path, steps=1)
    delivery = Delivery(folder, WHERE, {"sink": "mlflow"})
    assert delivery.advance() == 0
    delivery.close()
    words = "ConnectionError: http://ada:<hidden>@127.0.0.1:1 cannot be reached: Connection refused"
    assert delivery.error == load(progress_file(folder, WHERE)).error == words


@pytest.mark.slow
def test_the_address_of_a_server_is_not_written_down(remote: Server, tmp_path: Path) -> None:
    remote.start()
    folder = journals.simple(tmp_path, steps=1)
    deliver(folder, remote.uri.replace("//", "//ada:lovelace1815@"))
    assert "lovelace" not in progress_file(folder, WHERE).read_text()
