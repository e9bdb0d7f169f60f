"""The tutorial, typed from top to bottom."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import warm

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_every_block_of_the_first_hour_runs(tmp_path: Path) -> None:
    for name in ("train.py", "conf"):
        (tmp_path / name).symlink_to(ROOT / name)
    environment = warm.bare()
    first = [str(Path(warm.python()).parent), str(Path(sys.executable).parent)]
    environment["PATH"] = os.pathsep.join([*first, environment["PATH"]])
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    blocks = BLOCK.findall((ROOT / "docs" / "first-hour.md").read_text())
    assert len(blocks) >= 10
    environment["OMP_NUM_THREADS"] = "1"  # threads that wait for each other are slow on a busy machine
    said = []
    for language, text in blocks:
        command = (
            ["bash", "-euo", "pipefail", "-c", text] if language == "bash" else [warm.python(), "-c", text]
        )
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=250, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        said.append(done.stdout)
    assert "tested once" in said[2]
    assert "± " in said[2]
    assert " crashed " in said[-2]
    assert "going on with" in said[-1]
    assert {"points.csv", "sweep.html", "colours.csv"} <= {path.name for path in tmp_path.iterdir()}
