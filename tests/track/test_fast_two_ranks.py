"""Two processes (gloo) log with `fast_log` what they log with `self.log`, reduced over both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.track.forge import forge
from tests.track.lines import only_run, rows


def values(store: Path) -> dict[Any, float]:
    return {
        (row.stage, row.axis, row.step, row.epoch, name): value
        for row in rows(only_run(store))
        for name, value in row.values.items()
    }


@pytest.mark.slow
def test_two_ranks_reduce_as_lightning_does(tmp_path: Path) -> None:
    with forge() as scripts:
        code = scripts.run(tmp_path, "from tests.track.fast_two_ranks import main; main()")
    assert code == 0, (tmp_path / "err").read_text()
    slow, fast = (values(tmp_path / name) for name in ("slow", "fast"))
    assert fast.keys() == slow.keys()
    assert fast == pytest.approx(slow, rel=1e-6)
    assert {key[-1] for key in fast} >= {"train/loss_step", "train/rank_epoch", "val/loss", "val/min"}
    for rank in (0, 1):
        files = (tmp_path / f"{name}-{rank}.json" for name in ("slow", "fast"))
        theirs, ours = (json.loads(file.read_text()) for file in files)
        assert ours == pytest.approx(theirs, rel=1e-6)
