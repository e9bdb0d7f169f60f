"""Two processes (gloo) measure exactly what one does, though the last batch is uneven."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.text.conftest import write_conll, write_csv

ROOT = Path(__file__).parents[2]


def run(kind: str, ranks: int, mode: str, folder: Path) -> dict[str, Any]:
    file = folder / f"{kind}-{ranks}-{mode}.json"
    command = [warm.python(), "-m", "tests.text.two_ranks", kind, str(ranks), mode, str(folder), str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    values: dict[str, Any] = json.loads(file.read_text())
    return values


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_csv(tmp_path / "texts.csv", 203)  # 81 test rows: batches of 16, 16, 16, 16, 16 and 1
    lines = [f"{'number ' * (1 + i % 9)},{i % 13}" for i in range(203)]
    (tmp_path / "values.csv").write_text("text,label\n" + "\n".join(f"{i} {x}" for i, x in enumerate(lines)))
    for i, name in enumerate(("train", "dev", "test")):
        write_conll(tmp_path / f"{name}.conll", 37, seed=i)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["texts", "tags", "values"])
def test_test_metrics_of_two_processes_equal_those_of_one(kind: str, folder: Path) -> None:
    one, two = (run(kind, ranks, "test", folder) for ranks in (1, 2))
    assert len(one) > 5
    assert one == two


@pytest.mark.slow
def test_two_processes_train_and_validate_with_uneven_batches(folder: Path) -> None:
    values = run("texts", 2, "fit", folder)
    assert values["val/accuracy"] > 0.4
    assert sum(map(sum, values["confusion"]["validate"])) == 20
