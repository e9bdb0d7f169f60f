"""`etm study …` beside a study that runs."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from etm_lightning.optimize.folder import find, studies
from tests import warm
from tests.execute.test_command_line import environment
from tests.optimize.conftest import TASK

PLACE = "hydra.sweep.dir=etm_runs/mine/.sweeps/${now:%H%M%S%f}"


def etm(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm.python(), "-m", "etm_lightning", "study", *arguments],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def asked(folder: Path, *arguments: str) -> Any:
    done = etm(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_study_is_listed_stopped_and_gone_on_with(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [warm.python(), str(TASK), "-m", PLACE, "x=1,2,4", "kind=waits"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("etm_runs/mine/.sweeps/*/trials/0/1.log")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "runs already" in etm(tmp_path, "resume").stderr
    assert asked(tmp_path, "stop")["stop"] == "soon"
    while list(tmp_path.glob("etm_runs/mine/.sweeps/*/stop")):
        time.sleep(0.01)
    (tmp_path / "go").touch()
    _, stderr = process.communicate(timeout=60)
    assert "waiting for 1 running trial" in stderr
    assert [(one["status"], one["over"], one["total"]) for one in asked(tmp_path, "ls")] == [
        ("unfinished", 1, 3)
    ]

    done = etm(tmp_path, "resume")
    assert done.returncode == 0, done.stderr
    assert "going on with study" in done.stdout
    found = asked(tmp_path, "show")
    assert [trial["value"] for trial in found["list"]] == [5.0, 2.0, 2.0]
    assert (found["status"], found["space"]) == ("over", {"x": "one of 1, 2, 4"})
    best = asked(tmp_path, "best")
    assert (best["trial"], best["setting"]) == (1, "x=2")
    assert "is over (complete)" in etm(tmp_path, "resume").stderr
    assert "+experiment=best" in etm(tmp_path, "best").stdout


def test_a_study_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    for name in ("a-1", "a-2"):
        folder = tmp_path / "p" / ".sweeps" / name
        folder.mkdir(parents=True)
        (folder / "study.json").write_text("{}")
    assert find(tmp_path, "latest").id == "a-2"
    assert [one.id for one in studies(tmp_path, "p")] == ["a-2", "a-1"]
    with pytest.raises(LookupError, match="in the ids of 2"):
        find(tmp_path, "a")
    with pytest.raises(LookupError, match="is none; there are a-2, a-1"):
        find(tmp_path, "b")
