"""What `etm show` and the report say about where a run comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from etm_lightning import Run
from etm_lightning.share import tables
from etm_lightning.share.origin import origin
from etm_lightning.share.report import write_report
from etm_lightning.store.store import Store

WHOLE = {
    "git": {"commit": "4f2c9e1b7a", "branch": "", "remote": "git@a:b.git", "dirty": True, "diff": "ab" * 32},
    "python": "3.11.9",
    "packages": {"absl-py": "2", "numpy": "2.1", "torch": "2.6.0"},
    "gpus": [{"name": "H100", "memory": 80 << 30}] * 2,
    "driver": "550.1",
    "torch": {"cuda": "12.4"},
    "slurm": {"job_id": "12", "array_job_id": "10", "array_task_id": "2"},
}


def test_a_person_is_told_the_main_facts() -> None:
    assert dict(origin(WHOLE)) == {
        "commit": "4f2c9e1b7a, with changes abababababab",
        "remote": "git@a:b.git",
        "python": "3.11.9",
        "packages": "torch 2.6.0, numpy 2.1",
        "gpu": "2 x H100 80 GiB, driver 550.1, CUDA 12.4",
        "slurm job": "10_2",
    }


@pytest.mark.parametrize(
    "start",
    [{}, {"git": None, "packages": "<cannot be told: OSError>", "gpus": "?", "slurm": None, "torch": 1}],
)
def test_what_was_not_recorded_is_left_out(start: dict[str, object]) -> None:
    assert dict(origin(start)) == {}


def test_a_run_shows_where_it_comes_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Run("p", save_dir=tmp_path) as run:
        run.log({"loss": 1.0}, step=0)
    stored = Store(tmp_path).run("latest")
    facts = stored.info("start")
    tables.run(stored)
    shown = capsys.readouterr().out
    page = write_report([stored], tmp_path / "report.html").read_text()
    for text in (facts["python"], facts["host"], facts["git"].get("commit", ""), facts["packages"]["torch"]):
        assert text in shown
        assert text in page
