"""`etm sync`: what a sink missed, now."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from etm_lightning.cli import app
from etm_lightning.layout import RunFolder
from etm_lightning.track.shipping.cursors import Lease
from tests.contracts import journals, memory


def sync(store: Path, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["sync", "--store", str(store), *arguments])
    assert done.exit_code == code, done.output
    return done.stdout


def sync_json(store: Path, *arguments: str, code: int = 0) -> Any:
    return json.loads(sync(store, "--json", *arguments, code=code))


@pytest.fixture
def configured(tmp_path: Path) -> RunFolder:
    """A run that was configured with a sink and had no shipper."""
    fault = str(tmp_path / "fault")
    from etm_lightning import Run

    sinks: dict[str, Any] = {"memory": {"sink": memory.SPEC, "fail": fault}}
    with Run("sinks", save_dir=tmp_path, id="r1", sinks=sinks, shipper=False) as run:
        journals.log_steps(run, range(20))
    return run.folder


def test_it_delivers_to_the_sinks_of_the_config(configured: RunFolder, tmp_path: Path) -> None:
    assert "memory" in sync(tmp_path)
    assert memory.kept(configured)["train/loss"] == journals.curve(20)


def test_a_run_that_cannot_be_read_is_told_and_the_others_are_brought(
    configured: RunFolder, tmp_path: Path
) -> None:
    odd = RunFolder(configured.path.with_name("r2"))  # looked at first
    shutil.copytree(configured.path, odd.path)
    (path,) = odd.journal.iterdir()
    path.unlink()
    path.mkdir()  # which not even root can read
    done = CliRunner().invoke(app, ["sync", "--store", str(tmp_path), "--all"])
    assert (done.exit_code, f"etm: {path}: " in done.stderr) == (1, True)
    assert memory.kept(configured)["train/loss"] == journals.curve(20)


def test_said_again_it_delivers_nothing(configured: RunFolder, tmp_path: Path) -> None:
    [first] = sync_json(tmp_path, "r1")
    [second] = sync_json(tmp_path, "r1")
    assert (first["delivered"] > 20, second["delivered"], second["behind"]) == (True, 0, 0)


def test_the_status_delivers_nothing(configured: RunFolder, tmp_path: Path) -> None:
    [one] = sync_json(tmp_path, "--status")
    assert one["behind"] > 20
    assert memory.kept(configured) == {}


def test_a_run_of_long_ago_is_brought_to_a_sink_that_was_never_configured(tmp_path: Path) -> None:
    folder = journals.simple(tmp_path)
    assert "no sinks" in sync(tmp_path)
    [one] = sync_json(tmp_path, "--all", "--to", memory.SPEC)
    assert (one["sink"], one["behind"]) == (memory.SPEC, 0)
    assert memory.kept(folder)["train/loss"] == journals.curve(50)
    [later] = sync_json(tmp_path, "--status")
    assert later["sink"] == memory.SPEC


def test_a_sink_that_fails_is_told_and_ends_with_1(
    configured: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etm_lightning.share.sync.PAUSES", (0.0, 0.01))
    (tmp_path / "fault").touch()
    said = sync(tmp_path, code=1)
    assert "no space left on the sink's device" in said
    assert "behind" in said


def test_it_keeps_away_from_a_live_deliverer(configured: RunFolder, tmp_path: Path) -> None:
    lease = Lease(configured, "memory")
    assert lease.take()
    [one] = sync_json(tmp_path, code=1)
    assert "delivers to memory now" in one["error"]
    assert one["deliverer"]
    assert memory.kept(configured) == {}


def test_a_word_that_is_no_sink_is_refused_with_those_there_are(tmp_path: Path) -> None:
    journals.simple(tmp_path)
    done = CliRunner().invoke(app, ["sync", "--store", str(tmp_path), "--to", "tensorbord"])
    assert done.exit_code == 1
    assert "`sink` must be tensorboard, wandb, mlflow" in done.stderr


def test_the_place_of_the_alerts_is_that_of_no_sink(configured: RunFolder, tmp_path: Path) -> None:
    configured.cursors.mkdir(exist_ok=True)
    (configured.cursors / "alerts.json").write_text("{}")
    [one] = sync_json(tmp_path, "--status")
    assert one["sink"] != "alerts"
