"""W&B offline: what its users look for, in the file that its client wrote."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from etm_lightning import Run
from etm_lightning.journal import Journal
from etm_lightning.layout import Identity, RunFolder
from etm_lightning.records import Artifact, Edit, Ended, Known, Media, Params, Scalars, Started, Text
from etm_lightning.track.shipping.cursors import load, progress_file
from etm_lightning.track.shipping.delivery import Delivery
from etm_lightning.track.sinks.wandb_folders import clear
from tests.contracts import journals
from tests.contracts.case_wandb import file_of, name, records, rows

BORN = 1_700_000_000.0


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in [key for key in os.environ if key.startswith("WANDB_") and key != "WANDB_SERVICE"]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def journal(store: Path, *items: Known, **about: Any) -> RunFolder:
    """A run of long ago on another machine."""
    folder = RunFolder(store / "p" / "r1")
    folder.create(Identity(id="r1", project="p", created=BORN, **about))
    written = Journal(folder.journal, run="r1", attempt=1)
    for item in items:
        written.append(item)
    written.close()
    return folder


def deliver(folder: RunFolder, **options: Any) -> Delivery:
    delivery = Delivery(folder, "wandb", {"sink": "wandb", **options})
    delivery.advance()
    delivery.close()
    assert not delivery.error
    return delivery


def of_kind(folder: RunFolder, kind: str) -> list[Any]:
    return [getattr(record, kind) for record in records(file_of(folder)) if record.HasField(kind)]


def updates(folder: RunFolder, kind: str) -> dict[str, Any]:
    """What the config or the summary comes to, update by update."""
    found: dict[str, Any] = {}
    for record in of_kind(folder, kind):
        found.update({name(item): json.loads(item.value_json) for item in record.update})
        for item in record.remove:
            found.pop(name(item), None)
    return found


def step(number: int, **values: float) -> Scalars:
    named = {key.replace("_", "/", 1): value for key, value in values.items()}
    return Scalars(time=BORN + number, step=number, epoch=number // 10, stage="train", values=named)


def test_settings_are_flat_and_facts_have_a_prefix(tmp_path: Path) -> None:
    nested = {"lr": 1e-3, "model": {"optimizer": {"lr": 1e-3}, "width": 8}, "a": {"n": 1}, "b": {"n": 2}}
    items = [
        Params(time=BORN, params=nested),
        Params(time=BORN, params={"rows": 5}, about="data"),
        Params(time=BORN, params={"wandb": {"sink": "wandb"}}, about="sinks"),
        Params(time=BORN, params={"c": {"width": 9}}),
    ]
    found = updates(journal_delivered(tmp_path, *items), "config")
    assert found == {
        "lr": 1e-3,
        "model.optimizer.lr": 1e-3,
        "model.width": 8,
        "a.n": 1,
        "b.n": 2,
        "data/rows": 5,
        "c.width": 9,
    }


def journal_delivered(store: Path, *items: Known, **about: Any) -> RunFolder:
    folder = journal(store, *items, **about)
    deliver(folder)
    return folder


def test_the_run_is_called_and_grouped_as_ours(tmp_path: Path) -> None:
    about = {"name": "bert", "group": "g", "tags": ("a", "x" * 70), "notes": "why", "evaluates": "r0"}
    folder = journal(tmp_path, Started(time=BORN, attempt=1), **about)
    deliver(folder, job_type="eval", project="theirs", entity="team")
    first = of_kind(folder, "run")[0]
    assert (first.run_id, first.display_name, first.run_group, first.notes) == ("r1", "bert", "g", "why")
    assert (first.project, first.entity, first.job_type) == ("theirs", "team", "eval")
    assert list(first.tags) == ["a", "x" * 64]
    config = {item.key: json.loads(item.value_json) for item in first.config.update}
    assert config["evaluates"] == "r0"
    assert config["run_id"] == "r1"


def test_the_environment_chooses_where_the_options_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "of-the-shell")
    monkeypatch.setenv("WANDB_ENTITY", "us")
    first = of_kind(journal_delivered(tmp_path, Started(time=BORN, attempt=1)), "run")[0]
    assert (first.project, first.entity) == ("of-the-shell", "us")


def test_edits_of_people_arrive(tmp_path: Path) -> None:
    edits = [("tag", "good"), ("untag", "a"), ("rename", "other"), ("note", "new"), ("archive", "")]
    items = [Edit(time=BORN, op=op, value=value) for op, value in edits]
    last = of_kind(journal_delivered(tmp_path, *items, tags=("a", "b"), name="n"), "run")[-1]
    assert (list(last.tags), last.display_name, last.notes) == (["b", "good"], "other", "new")


def test_each_name_is_drawn_over_its_true_axis(tmp_path: Path) -> None:
    evaluated = Scalars(time=BORN, step=3, axis="eval_batch", stage="validate", values={"val/loss_step": 0.5})
    folder = journal_delivered(tmp_path, step(1, train_loss=1.0, lr=0.1), evaluated)
    axes = {metric.name: metric.step_metric for metric in of_kind(folder, "metric")}
    assert axes.pop("train/loss") == "trainer/global_step"
    assert axes.pop("val/loss_step") == "eval_batch"
    assert axes == {"lr": "trainer/global_step", "trainer/global_step": "", "eval_batch": ""}
    hidden = {metric.name for metric in of_kind(folder, "metric") if metric.options.hidden}
    assert hidden == {"trainer/global_step", "eval_batch"}


def test_rows_have_the_times_of_the_training(tmp_path: Path) -> None:
    folder = journal_delivered(tmp_path, step(12, train_loss=1.0), step(3, train_loss=2.0))
    assert rows(folder) == [
        {"train/loss": 1.0, "trainer/global_step": 12, "epoch": 1, "_timestamp": BORN + 12, "_runtime": 12.0}
        | {"_step": 0},
        {"train/loss": 2.0, "trainer/global_step": 3, "epoch": 0, "_timestamp": BORN + 3, "_runtime": 3.0}
        | {"_step": 1},
    ]
    assert of_kind(folder, "run")[-1].start_time.seconds == BORN


def test_the_summary_is_that_of_the_best_checkpoint_and_the_duration_that_of_the_training(
    tmp_path: Path,
) -> None:
    end = Ended(time=BORN + 3600, status="finished", summary={"val/f1": 0.9, "val/loss": "nan"})
    folder = journal_delivered(tmp_path, step(1, val_f1=0.9), step(2, val_f1=0.7, train_loss=0.1), end)
    found = updates(folder, "summary")
    assert (found["val/f1"], found["train/loss"], found["status"]) == (0.9, 0.1, "finished")
    assert found["val/loss"] != found["val/loss"]
    assert (found["_wandb.runtime"], found["_runtime"], found["_step"]) == (3600, 3600, 1)
    last = [record.WhichOneof("record_type") for record in records(file_of(folder))]
    assert "history" not in last[last.index("summary") :]


def test_what_comes_after_the_end_counts(tmp_path: Path) -> None:
    end = Ended(time=BORN + 5, status="finished", summary={"val/f1": 0.9})
    folder = journal(tmp_path, step(1, val_f1=0.9), step(2, val_f1=0.7), end, step(3, test_f1=0.8))
    deliver(folder)
    found = updates(folder, "summary")
    assert (found["val/f1"], found["test/f1"]) == (0.9, 0.8)
    assert of_kind(folder, "exit")[0].exit_code == 1, "it was reopened and did not end again"


@pytest.mark.parametrize(
    ("status", "code"), [("finished", 0), ("failed", 1), ("crashed", 1), ("interrupted", 1), ("preempted", 1)]
)
def test_the_state_is_that_of_the_run(status: str, code: int, tmp_path: Path) -> None:
    folder = journal_delivered(tmp_path, step(1, train_loss=1.0), Ended(time=BORN + 5, status=status))
    assert [record.exit_code for record in of_kind(folder, "exit")] == [code]
    assert len(of_kind(folder, "preempting")) == (status == "preempted")


def test_command_code_and_machine_are_those_of_the_training(tmp_path: Path) -> None:
    info = {
        "command": ["python", "far/train.py", "lr=1"],
        "cwd": "/far",
        "git": {"commit": "f" * 40, "remote": "https://example.org/far.git", "dirty": True},
        "python": "3.12.1",
        "host": "gandalf",
        "user": "frodo",
        "cpus": 64,
    }
    folder = journal_delivered(tmp_path, Started(time=BORN, attempt=1, info=info))
    [found] = of_kind(folder, "environment")
    assert (found.program, list(found.args), found.root) == ("far/train.py", ["lr=1"], "/far")
    assert (found.host, found.username, found.python, found.cpu_count) == ("gandalf", "frodo", "3.12.1", 64)
    assert (found.git.commit, found.git.remote_url) == ("f" * 40, "https://example.org/far.git")
    assert found.started_at.seconds == BORN
    first = of_kind(folder, "run")[0]
    assert (first.host, first.git.commit) == ("gandalf", "f" * 40)


def test_without_facts_nothing_is_told_of_this_process(tmp_path: Path) -> None:
    [found] = of_kind(journal_delivered(tmp_path, Started(time=BORN, attempt=1)), "environment")
    assert (found.program, list(found.args), found.executable, found.git.commit) == ("", [], "", "")


def test_the_system_panel_shows_the_training(tmp_path: Path) -> None:
    values = {"system/cpu_percent": 200.0, "system/memory_gb": 2.0, "system/gpu1_percent": 90.0}
    values |= {"system/gpu1_memory_gb": 3.0, "system/disk_free_gb": 7.0}
    sample = Scalars(time=BORN + 60, step=60, axis="seconds", values=values)
    folder = journal_delivered(tmp_path, Started(time=BORN, attempt=1, info={"cpus": 4}), sample)
    [stats] = of_kind(folder, "stats")
    assert {item.key: json.loads(item.value_json) for item in stats.item} == {
        "cpu": 50.0,
        "proc.memory.rssMB": pytest.approx(2e9 / 2**20),
        "gpu.1.gpu": 90.0,
        "gpu.1.memoryAllocatedBytes": 3e9,
        "disk_free_gb": 7.0,
    }
    assert stats.timestamp.seconds == BORN + 60
    assert rows(folder) == []


def test_what_somebody_logs_over_seconds_is_drawn_over_them(tmp_path: Path) -> None:
    values = {"queue/length": 3.0, "system/cpu_percent": 200.0}
    folder = journal_delivered(tmp_path, Scalars(time=BORN + 7, step=7, axis="seconds", values=values))
    [row] = rows(folder)
    assert (row["queue/length"], row["seconds"]) == (3.0, 7)
    assert {m.name: m.step_metric for m in of_kind(folder, "metric")}["queue/length"] == "seconds"
    assert len(of_kind(folder, "stats")) == 1


def media(folder: Path, type: str, suffix: str, content: bytes | dict[str, Any], **more: Any) -> Media:
    path = folder / "p" / "r1" / "media" / f"{type}.{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return Media(
        time=BORN, name=f"val/{type}", type=type, file=f"media/{path.name}", sha256="", size=0, **more
    )


def test_media_are_shown_as_w_and_b_shows_them(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / "picture.png")
    curve = {"label": "cat", "precision": [0.5, 1.0], "recall": [1.0, 0.0]}
    rates = {"label": "cat", "fpr": [0.0, 1.0], "tpr": [0.0, 1.0]}
    shown: list[Known] = [
        media(tmp_path, "image", "png", (tmp_path / "picture.png").read_bytes(), info={"caption": "a cat"}),
        media(tmp_path, "table", "json", {"columns": ["word", "n"], "rows": [["a", 1], ["b", 2.5]]}),
        media(tmp_path, "confusion_matrix", "json", {"labels": ["cat", "dog"], "counts": [[3, 1], [0, 4]]}),
        media(tmp_path, "histogram", "json", {"counts": [1, 2], "edges": [0.0, 0.5, 1.0]}),
        media(tmp_path, "pr_curve", "json", {"labels": ["cat"], "curves": [curve]}),
        media(tmp_path, "roc_curve", "json", {"labels": ["cat"], "curves": [rates]}),
        media(tmp_path, "html", "html", b"<b>bold</b>", step=7, epoch=1),
        Text(time=BORN, name="sample", text="a text", step=3),
    ]
    folder = journal_delivered(tmp_path, *shown)
    found = {key: value for row in rows(folder) for key, value in row.items() if isinstance(value, dict)}
    assert {key: value["_type"] for key, value in found.items()} == {
        "val/image": "image-file",
        "val/table": "table-file",
        "val/confusion_matrix_table": "table-file",
        "val/histogram": "histogram",
        "val/pr_curve_table": "table-file",
        "val/roc_curve_table": "table-file",
        "val/html": "html-file",
        "sample": "table-file",
    }
    staged = [
        Path(entry.local_path) for record in of_kind(folder, "artifact") for entry in record.manifest.contents
    ]
    assert staged
    assert all(path.is_file() and path.is_relative_to(folder.path) for path in staged)
    files = file_of(folder).parent / "files"
    assert (files / found["val/image"]["path"]).read_bytes() == (tmp_path / "picture.png").read_bytes()
    assert found["val/image"]["caption"] == "a cat"
    matrix = json.loads((files / found["val/confusion_matrix_table"]["path"]).read_text())
    assert matrix["columns"] == ["Actual", "Predicted", "nPredictions"]
    assert matrix["data"] == [["cat", "cat", 3], ["cat", "dog", 1], ["dog", "cat", 0], ["dog", "dog", 4]]
    panels = [item for record in of_kind(folder, "config") for item in record.update if item.nested_key]
    assert ["_wandb", "visualize", "val/roc_curve"] in [list(item.nested_key) for item in panels]
    [page] = [row for row in rows(folder) if "val/html" in row]
    assert (page["trainer/global_step"], page["epoch"]) == (7, 1)


def test_a_file_that_is_gone_or_broken_is_counted_and_nothing_else_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = Media(time=BORN, name="lost", type="image", file="media/no.png", sha256="", size=0)
    broken = media(tmp_path, "table", "json", b"{")
    rotated = Artifact(time=BORN, name="m", type="model", path="checkpoints/no.ckpt")
    folder = journal_delivered(tmp_path, gone, broken, rotated, step(1, train_loss=1.0))
    assert [row["train/loss"] for row in rows(folder)] == [1.0]
    assert load(progress_file(folder, "wandb")).state["skipped"] == 3
    assert "W&B does not get 'lost'" in caplog.text


def test_artifacts_have_their_aliases(tmp_path: Path) -> None:
    (tmp_path / "best.ckpt").write_bytes(b"weights")
    made = Artifact(
        time=BORN,
        name="best.ckpt",
        type="model",
        path=str(tmp_path / "best.ckpt"),
        aliases=("best", "latest"),
    )
    folder = journal(tmp_path, made)
    deliver(folder)
    found = [request.log_artifact.artifact for request in of_kind(folder, "request")] + of_kind(
        folder, "artifact"
    )
    [artifact] = [artifact for artifact in found if artifact.type == "model"]
    assert (artifact.name, sorted(artifact.aliases)) == ("model-r1", ["best", "latest"])
    [entry] = artifact.manifest.contents
    assert (entry.path, entry.local_path) == ("best.ckpt", str(tmp_path / "best.ckpt"))


def test_artifacts_stay_here_if_asked(tmp_path: Path) -> None:
    (tmp_path / "best.ckpt").write_bytes(b"weights")
    folder = journal(tmp_path, Artifact(time=BORN, name="m", type="model", path=str(tmp_path / "best.ckpt")))
    deliver(folder, log_artifacts=False)
    assert of_kind(folder, "artifact") == []


def test_what_was_printed_is_uploaded_if_asked(tmp_path: Path) -> None:
    folder = journal(tmp_path, Ended(time=BORN, status="finished"))
    folder.logs.mkdir()
    (folder.logs / "train.log").write_text("one\ntwo\n")
    (folder.logs / "shipper-1.log").write_text("of no interest\n")
    deliver(folder, console=True)
    assert [record.line for record in of_kind(folder, "output_raw")] == ["one\n", "two\n"]


def test_a_resume_from_step_500_of_800_shows_no_zigzag(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    delivery = Delivery(run.folder, "wandb", {"sink": "wandb"})
    journals.log_steps(run, range(500))
    run.mark_checkpoint(step=500)
    journals.log_steps(run, range(500, 800), slope=7.0)
    run._end = object()  # type: ignore[assignment]  # as after SIGKILL: nobody writes down an end
    delivery.advance()
    folder = journals.go_on(tmp_path, range(500, 1000))
    delivery.advance()
    delivery.close()
    assert not delivery.error
    drawn = [row["trainer/global_step"] for row in rows(folder) if "train/loss" in row]
    assert drawn == list(range(1000))


def test_an_offline_run_is_written_anew_and_what_others_wrote_stays(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    journals.log_steps(run, range(5))
    deliver(run.folder)
    theirs = run.folder.path / "wandb" / "offline-run-20260101_000000-guest"
    theirs.mkdir()
    journals.log_steps(run, range(5, 9))
    deliver(run.folder)
    run.end()
    assert len(set((run.folder.path / "wandb").glob("offline-run-*"))) == 2
    theirs.rmdir()
    assert len(rows(run.folder)) == 9


def without_service() -> dict[str, str]:
    """The environment without the address of this process's W&B service, which would outlive the other."""
    return {key: value for key, value in os.environ.items() if key != "WANDB_SERVICE"}


def test_a_kill_before_an_offline_folder_is_marked_leaves_no_second_one(tmp_path: Path) -> None:
    folder = journal(tmp_path, step(1, train_loss=1.0))
    theirs = folder.path / "wandb" / "offline-run-20260101_000000-r1"
    theirs.mkdir(parents=True)
    script = f"""
import os
from pathlib import Path
from etm_lightning.layout import RunFolder
from etm_lightning.track.shipping.delivery import Delivery
from etm_lightning.track.sinks import wandb_folders
wandb_folders.mark = lambda *_: os._exit(9)
Delivery(RunFolder(Path({str(folder.path)!r})), "wandb", {{"sink": "wandb", "mode": "offline"}}).advance()
"""
    killed_process = subprocess.run([sys.executable, "-c", script], check=False, env=without_service())
    assert killed_process.returncode == 9
    [killed] = {path for path in theirs.parent.glob("offline-run-*") if path != theirs}
    assert not (killed / ".etm").exists()
    deliver(folder)
    [ours] = {path for path in theirs.parent.glob("offline-run-*") if path != theirs}
    assert (ours / ".etm").exists()  # W&B names by the second: it may have the name of the first
    assert theirs.exists()
    theirs.rmdir()
    assert [row["train/loss"] for row in rows(folder)] == [1.0]


def test_an_offline_run_that_was_uploaded_stays_and_the_new_one_has_another_id(tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    journals.log_steps(run, range(5))
    deliver(run.folder)
    first = file_of(run.folder)
    first.with_suffix(".wandb.synced").touch()  # as `wandb sync` does
    journals.log_steps(run, range(5, 9))
    deliver(run.folder)
    run.end()
    assert first.exists()
    found = sorted(path.name for path in (run.folder.path / "wandb").glob("offline-run-*/run-*.wandb"))
    assert found == ["run-r1-2.wandb", "run-r1.wandb"]
    assert clear(run.folder.path) == {"r1"}


def test_nobody_is_asked_to_log_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    folder = journal(tmp_path, step(1, train_loss=1.0))
    delivery = Delivery(folder, "wandb", {"sink": "wandb"})
    assert delivery.advance() == 0
    assert delivery.error == "not logged in to W&B: `wandb login`, or WANDB_MODE=offline"
    assert delivery.waiting
    delivery.close()
    monkeypatch.setenv("WANDB_MODE", "offline")
    deliver(folder)
    assert len(rows(folder)) == 1


def test_the_shipper_does_not_wait_for_somebody_to_log_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    with Run("p", save_dir=tmp_path, id="r1", sinks=["wandb"], finish_timeout=30) as run:
        run.log({"train/loss": 0.5}, step=1)
    run.end_at_exit(None)
    [line] = run.finish()
    assert "not logged in to W&B: `wandb login`, or WANDB_MODE=offline" in line
    assert run._companion is not None
    assert run._companion.pid is None, "it left, and did not wait to try again"


def test_disabled_does_nothing_and_enabled_later_everything_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = journals.new_run(tmp_path)
    journals.log_steps(run, range(5))
    deliver(run.folder)
    assert not (run.folder.path / "wandb").exists()
    monkeypatch.setenv("WANDB_MODE", "offline")
    journals.log_steps(run, range(5, 6))
    deliver(run.folder)
    run.end()
    assert len(rows(run.folder)) == 6


def test_an_option_that_it_does_not_know_is_told(tmp_path: Path) -> None:
    delivery = Delivery(journal(tmp_path, step(1, train_loss=1.0)), "wandb", {"sink": "wandb", "projekt": 1})
    delivery.advance()
    delivery.close()
    assert "`projekt` must be one of the options mode, project" in delivery.error


def test_this_process_stays_as_it_is(tmp_path: Path) -> None:
    def state() -> list[Any]:
        handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]
        return [sys.excepthook, sys.exit, os.getcwd(), sys.stdout, sys.stderr, *handlers]

    before = state()
    deliver(journal(tmp_path, step(1, train_loss=1.0)))
    assert state() == before
    import wandb

    assert wandb.run is None


def test_a_run_delivers_by_its_shipper_and_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    run = Run("p", save_dir=tmp_path, id="r1", sinks=["wandb"], finish_timeout=120)
    with run:
        run.log({"train/loss": 0.5}, step=1)
    run.end_at_exit(None)
    assert run._companion is not None
    shipper = run._companion.pid
    assert shipper
    assert run.finish() == []
    assert [row["train/loss"] for row in rows(run.folder)] == [0.5]
    assert gone(shipper)
    assert list(here.iterdir()) == []


def test_a_kill_of_the_shipper_takes_w_and_b_s_service_with_it(tmp_path: Path) -> None:
    folder = journal(tmp_path, step(1, train_loss=1.0))
    script = f"""
from pathlib import Path
from etm_lightning.layout import RunFolder
from etm_lightning.track.shipping.delivery import Delivery
delivery = Delivery(RunFolder(Path({str(folder.path)!r})), "wandb", {{"sink": "wandb"}})
delivery.advance()
print(delivery.delivered, flush=True)
input()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=without_service(),
    )
    assert process.stdout
    assert process.stdout.readline() == "2\n"
    assert services(process.pid)
    process.kill()
    process.communicate()
    assert gone(process.pid)


def services(pid: int) -> list[int]:
    """W&B's services that serve process `pid`."""
    found = psutil.process_iter(["name", "cmdline", "status"])
    return [
        process.pid
        for process in found
        if process.info["name"] == "wandb-core"
        and process.info["status"] != psutil.STATUS_ZOMBIE
        and process.info["cmdline"][-2:] == ["--pid", str(pid)]
    ]


def gone(pid: int) -> bool:
    """Whether W&B's service of a process ends soon after it."""
    deadline = time.monotonic() + 60
    while services(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not services(pid)
