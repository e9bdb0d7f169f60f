"""W&B online, against a small server on loopback, and W&B's own upload of what was written offline."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etm_lightning import Run
from etm_lightning.layout import RunFolder
from etm_lightning.track.shipping.delivery import Delivery
from tests.contracts import journals
from tests.contracts.case_wandb import file_of, rows
from tests.track.wandb_server import KEY, Server, Stored, server


@pytest.fixture(name="cloud")
def _cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    for variable in [key for key in os.environ if key.startswith("WANDB_") and key != "WANDB_SERVICE"]:
        monkeypatch.delenv(variable)
    with server() as cloud:
        monkeypatch.setenv("WANDB_BASE_URL", cloud.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_MODE", "online")  # W&B keeps the environment that it saw first
        monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        yield cloud


def deliver(folder: RunFolder) -> None:
    delivery = Delivery(folder, "wandb", {"sink": "wandb"})
    delivery.advance()
    delivery.close()
    assert not delivery.error


def best_then_worse(run: Run) -> None:
    """An evaluation with a checkpoint that is the best, and a later one that is worse."""
    run.log({"val/f1": 0.9}, step=1, stage="validate")
    mark = run.mark_checkpoint(step=1)
    run.log_checkpoint(mark, "best.ckpt", step=1, monitor="val/f1", mode="max", score=0.9, best=True)
    run.log({"val/f1": 0.7}, step=2, stage="validate")


def steps(run: Stored, name: str = "train/loss") -> list[int]:
    assert [row["_step"] for row in run.rows] == list(range(len(run.rows)))
    return [row["trainer/global_step"] for row in run.rows if name in row]


def test_it_arrives_with_its_state_and_what_it_comes_to(cloud: Server, tmp_path: Path) -> None:
    with Run("p", save_dir=tmp_path, id="r1", name="n", group="g", params={"lr": 1}, shipper=False) as run:
        best_then_worse(run)
    deliver(run.folder)
    found = cloud.runs["r1"]
    assert steps(found, "val/f1") == [1, 2]
    assert found.exit_code == 0
    assert (found.summary["val/f1"], found.summary["status"]) == (0.9, "finished")
    assert (found.config["lr"], found.config["run_id"]) == (1, "r1")
    assert [found.told[key] for key in ("displayName", "groupName", "project")] == ["n", "g", "p"]
    assert b'"program"' in cloud.files["wandb-metadata.json"]


def test_a_key_that_the_server_does_not_know_is_told_in_one_line(
    cloud: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "f" * 40)
    run = journals.new_run(tmp_path)
    journals.log_steps(run, range(3))
    run.end()
    delivery = Delivery(run.folder, "wandb", {"sink": "wandb"})
    delivery.advance()
    delivery.close()
    assert delivery.refused
    assert delivery.error.startswith("W&B: ")
    assert len(delivery.error.splitlines()) == 1
    assert cloud.runs == {}
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    deliver(run.folder)
    assert steps(cloud.runs["r1"]) == [0, 1, 2]


def test_piece_by_piece_it_is_one_run(cloud: Server, tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    for begin in range(0, 30, 10):
        journals.log_steps(run, range(begin, begin + 10))
        deliver(run.folder)
    run.end()
    deliver(run.folder)
    assert list(cloud.runs) == ["r1"]
    assert steps(cloud.runs["r1"]) == list(range(30))
    assert cloud.runs["r1"].exit_code == 0


def test_what_arrived_before_the_place_was_stored_does_not_come_twice(cloud: Server, tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    journals.log_steps(run, range(10))
    deliver(run.folder)
    (run.folder.cursors / "wandb.json").unlink()
    journals.log_steps(run, range(10, 20))
    run.end()
    deliver(run.folder)
    assert steps(cloud.runs["r1"]) == list(range(20))


def test_rows_that_a_kill_cost_are_sent_again_to_the_same_run(cloud: Server, tmp_path: Path) -> None:
    run = journals.new_run(tmp_path)
    journals.log_steps(run, range(20))
    deliver(run.folder)
    for place in range(15, 22):
        del cloud.runs["r1"].history[place]  # as if W&B's client had been killed before it uploaded them
    cloud.runs["r1"].summary["_step"] = 14  # comes in the same upload
    journals.log_steps(run, range(20, 30))
    run.end()
    deliver(run.folder)
    assert list(cloud.runs) == ["r1"]
    assert steps(cloud.runs["r1"]) == list(range(30))


def test_rows_that_a_later_attempt_made_void_stay_with_the_first_run(cloud: Server, tmp_path: Path) -> None:
    deliver(journals.before_the_crash(tmp_path))
    deliver(journals.after_the_crash(tmp_path))
    assert steps(cloud.runs["r1"]) == list(range(80))
    assert steps(cloud.runs["r1-2"]) == list(range(100))


def test_a_service_that_died_is_replaced(cloud: Server, tmp_path: Path) -> None:
    from wandb.sdk import wandb_setup

    run = journals.new_run(tmp_path)
    journals.log_steps(run, range(10))
    deliver(run.folder)
    connection = wandb_setup.singleton().assert_service()
    assert connection._proc
    service = connection._proc._process
    service.kill()
    service.wait(10)
    journals.log_steps(run, range(10, 20))
    run.end()
    now = [0.0]
    delivery = Delivery(run.folder, "wandb", {"sink": "wandb"}, clock=lambda: now[0])
    delivery.advance()
    assert delivery.error
    now[0] += 60.0
    delivery.advance()
    delivery.close()
    assert not delivery.error
    assert steps(cloud.runs["r1"]) == list(range(20))


def test_w_and_b_uploads_what_was_written_offline_as_we_read_it(
    cloud: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    with journals.new_run(tmp_path) as run:
        run.log(journals.ODD | journals.NONFINITE, step=0)
        best_then_worse(run)
        run.log_table("errors", ["word", "count"], [["a", 1], ["b", 2]], step=4)
    folder = run.folder
    deliver(folder)
    expected = rows(folder)
    environment = {
        key: value for key, value in os.environ.items() if key not in ("WANDB_MODE", "WANDB_SERVICE")
    }
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "beta", "sync", "--no-skip-synced", str(file_of(folder))],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,  # it leaves a log in a folder `wandb` where it is called
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    [found] = cloud.runs.values()
    assert found.exit_code == 0
    assert found.summary["val/f1"] == 0.9
    assert repr(numbers(found.rows)) == repr(numbers(expected))


def numbers(table: list[dict[str, Any]]) -> list[list[tuple[str, float]]]:
    """What is comparable: W&B writes 1.0 as 1, and -0.0 as 0."""
    found = [{k: float(v) + 0.0 for k, v in row.items() if isinstance(v, int | float)} for row in table]
    return [sorted(row.items()) for row in found]
