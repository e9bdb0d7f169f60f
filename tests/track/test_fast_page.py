"""The example of docs/fast-path.md runs, and does what the page says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import LightningModule

from etm_lightning import fast_log
from tests.track.lines import QUIET, only_run, points

pytestmark = QUIET
PAGE = Path(__file__).parents[2].joinpath("docs", "fast-path.md").read_text()


@pytest.mark.filterwarnings("ignore:.*GPU available")
def test_the_example_runs_and_its_monitors_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ETM_STORE", str(tmp_path))
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0], names)
    folder = only_run(tmp_path)
    assert [point[2] for point in points(folder, "train/loss_step")] == list(range(1, 24, 2))
    assert points(folder, "train/loss_epoch") == [("train", "step", step, step // 8) for step in (7, 15, 23)]
    assert (
        names["best"].best_model_score
        == names["stop"].best_score
        == names["trainer"].callback_metrics["val/loss"]
    )


def test_the_page_names_each_argument_of_self_log_that_is_missing() -> None:
    theirs, ours = (inspect.signature(function).parameters for function in (LightningModule.log, fast_log))
    missing = set(theirs) - set(ours) - {"self", "name", "value"}
    row = next(line for line in PAGE.splitlines() if line.startswith("| `enable_graph`"))
    assert set(re.findall(r"`(\w+)(?:=\w+)?`", row)) == missing
    for name in set(ours) & set(theirs) - {"logger"}:
        assert ours[name].default == theirs[name].default, name
