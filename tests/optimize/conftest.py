"""`python task.py -m …` in a folder of the test's own."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from etm_lightning.optimize.folder import StudyFolder
from etm_lightning.optimize.history import History
from tests import warm
from tests.execute.test_command_line import environment

TASK = Path(__file__).parent / "task.py"


@dataclass
class Studied:
    """What a multirun left behind."""

    done: subprocess.CompletedProcess[str]
    folder: StudyFolder

    @property
    def history(self) -> History:
        return self.folder.history()

    @property
    def rows(self) -> list[dict[str, str]]:
        with (self.folder.path / "results.csv").open() as file:
            return list(csv.DictReader(file))


def command(*arguments: str) -> list[str]:
    return [warm.python(), str(TASK), "-m", "hydra.sweep.dir=studies/${now:%H%M%S%f}", *arguments]


def studies(folder: Path) -> list[StudyFolder]:
    return [StudyFolder(path.parent) for path in sorted(folder.glob("studies/*/study.json"))]


Search = Callable[..., Studied]


@pytest.fixture
def search(tmp_path: Path) -> Search:
    """A function from overrides to what the study came to, the newest one in the folder."""

    def run(*arguments: str, **variables: Any) -> Studied:
        done = subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env=environment(tmp_path) | variables,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        found = studies(tmp_path)
        return Studied(done, found[-1] if found else StudyFolder(tmp_path / "none"))

    return run
