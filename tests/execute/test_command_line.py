"""`python train.py …` as a user types it, in processes of their own.

Where it matters that nothing is imported yet, `fresh` is that python; else it is one that starts at once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from etm_lightning.execute.configs import copy_to
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from tests import warm
from tests.track.secrets_in_text import WORD, draw

ROOT = Path(__file__).parents[2]
MINE = (
    "model._target_=tests.execute.small.Net",
    "data._target_=tests.execute.small.Data",
    "trainer=cpu",
    "monitor=val/loss",
    "mode=min",
    "max_epochs=2",
)
Type = Callable[..., subprocess.CompletedProcess[str]]


def environment(folder: Path) -> dict[str, str]:
    own = {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    return warm.bare() | own


@pytest.fixture
def typed(tmp_path: Path) -> Type:
    """A function that runs `python train.py …` in a folder of the test's own."""

    def run(
        *arguments: str,
        script: Path = ROOT / "train.py",
        cwd: Path = tmp_path,
        fresh: bool = False,
        **variables: str,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable if fresh else warm.python(), os.path.relpath(script, cwd), *arguments],
            cwd=cwd,
            env=environment(tmp_path) | variables,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    return run


def started(folder: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [warm.python(), str(ROOT / "train.py"), *arguments],
        cwd=folder,
        env=environment(folder) | variables,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    """Read what a process prints up to a line that begins with `words`."""
    assert process.stdout is not None
    with process.stdout:
        assert any(line.startswith(words) for line in process.stdout)


def runs(folder: Path) -> list[StoredRun]:
    return Store(folder / "etm_runs").runs()


def test_a_sweep_is_one_group_ranked_on_validation_whose_winner_alone_is_tested(
    typed: Type, tmp_path: Path
) -> None:
    done = typed("-m", *MINE, "lr=0.01,0.1", "seed=1,2")
    assert done.returncode == 0, done.stderr
    found = runs(tmp_path)
    assert [run.status for run in found] == ["finished"] * 4
    assert len({run.group for run in found}) == 1
    tested = [run for run in found if "test/loss" in run.metrics]
    assert len(tested) == 1
    assert len(tested[0].series("test/loss")) == 1
    assert tested[0].params["lr"] == 0.1
    (sweep,) = (tmp_path / "etm_runs" / "default" / ".sweeps").iterdir()
    assert sweep.name == found[0].group
    assert "val/loss" in (sweep / "report.html").read_text()
    listed = subprocess.run(
        [sys.executable, "-m", "etm_lightning", "leaderboard", sweep.name, "--json"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    assert [row["n"] for row in json.loads(listed.stdout)["rows"]] == [2, 2]


def test_one_failing_run_does_not_end_a_sweep_and_the_exit_code_tells(typed: Type, tmp_path: Path) -> None:
    done = typed("-m", *MINE, "+model.fail_at=3,-1")
    assert done.returncode == 1
    assert "planted failure" in done.stderr
    assert sorted(run.status for run in runs(tmp_path)) == ["failed", "finished"]
    assert "leaderboard" in done.stdout


def test_ddp_is_one_run_with_the_test_values_of_a_single_process(typed: Type, tmp_path: Path) -> None:
    rows = "".join(
        f"number {i} is {'odd' if i % 2 else 'even'},{'odd' if i % 2 else 'even'}\n" for i in range(90)
    )
    (tmp_path / "my.csv").write_text("text,label\n" + rows)
    same = ("experiment=csv", "data.train=my.csv", "model.encoder=tiny", "max_epochs=1", "lr=1e-30")
    uneven = ("data.eval_batch_size=4", "data.test_share=0.23")
    alone = typed(*same, *uneven, "trainer=cpu")
    assert alone.returncode == 0, alone.stderr
    both = typed(*same, *uneven, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    assert both.returncode == 0, both.stderr
    second, first = runs(tmp_path)
    assert second.params["trainer"]["devices"] == 2
    values = [
        {n: m.latest.value for n, m in run.metrics.items() if m.stage == "test"} for run in (first, second)
    ]
    assert values[0] == values[1]
    assert len(values[0]) > 3


def test_ddp_in_hydras_own_sweeper_is_refused_with_the_cure(typed: Type) -> None:
    ddp = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    done = typed("-m", *MINE, *ddp, "lr=0.1,0.2", "hydra/sweeper=basic")
    assert done.returncode == 1
    assert "ddp_spawn" in done.stderr


def test_what_was_killed_goes_on_as_the_same_run(typed: Type, tmp_path: Path) -> None:
    arguments = [*MINE, "max_epochs=4", "+model.pause=0.1", "trainer.log_every_n_steps=1"]
    process = started(tmp_path, *arguments)
    wait_for(process, "epoch 2")
    time.sleep(0.25)
    warm.kill(process)
    (killed,) = runs(tmp_path)
    assert killed.status == "crashed"
    done = typed(*arguments, "resume=auto")
    assert done.returncode == 0, done.stderr
    assert f"going on with {killed.id}" in done.stdout
    (run,) = runs(tmp_path)
    assert (run.id, run.status, run.attempts) == (killed.id, "finished", 2)
    steps = [point.step for point in run.series("train/loss")]
    assert steps == list(range(16))
    assert {path.name for path in (run.folder.path / "hydra").iterdir()} == {"1", "2"}


def test_resume_with_nothing_to_resume_says_so(typed: Type) -> None:
    done = typed(*MINE, "max_epochs=1", "resume=auto")
    assert done.returncode == 0, done.stderr
    assert "no unfinished run" in done.stdout


@pytest.mark.parametrize(
    ("sent", "code", "status"), [(signal.SIGTERM, 143, "preempted"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_signal_ends_a_run_with_its_status_and_exit_code(
    tmp_path: Path, sent: signal.Signals, code: int, status: str
) -> None:
    process = started(tmp_path, *MINE, "max_epochs=50", "+model.pause=0.05")
    wait_for(process, "epoch 1")
    process.send_signal(sent)
    assert process.wait(60) == code
    (run,) = runs(tmp_path)
    assert (run.status, run.signal) == (status, sent)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("sed=3", "did you mean `seed`"),
        ("seed=three", "`seed`"),
        ("trainer.precission=16", "did you mean `precision`"),
        ("data=bcc", "did you mean `bbc`"),
    ],
)
def test_a_typo_is_one_line_with_the_right_word(
    typed: Type, tmp_path: Path, argument: str, words: str
) -> None:
    done = typed(argument)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) <= 3
    assert not (tmp_path / "etm_runs").exists()


def test_a_monitor_that_nobody_logs_is_told_without_a_traceback(typed: Type, tmp_path: Path) -> None:
    done = typed(*MINE, "monitor=val/nope", "max_epochs=1")
    assert done.returncode == 1
    assert "val/nope" in done.stderr
    assert "val/loss" in done.stderr
    assert "Traceback" not in done.stderr
    assert runs(tmp_path)[0].status == "failed"


def test_a_store_that_is_a_file_is_named(typed: Type, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = typed(*MINE, ETM_STORE="file")
    assert done.returncode == 1
    assert "error: `paths.store` (ETM_STORE) must be a folder" in done.stderr


def test_a_quiet_sweep_says_nothing_and_nor_do_its_spawned_ranks(typed: Type, tmp_path: Path) -> None:
    done = typed("-m", *MINE, "max_epochs=1", "trainer=ddp_sim", "lr=0.1", ETM_QUIET="1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((tmp_path / "etm_runs" / "default" / ".sweeps").glob("*/report.html"))


def test_a_model_that_cannot_be_had_is_named_in_a_screen(typed: Type) -> None:
    done = typed("experiment=bbc", "model.encoder=./no-such-model")
    assert done.returncode == 1
    assert "no-such-model" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 5


def test_help_fits_one_screen(typed: Type) -> None:
    done = typed("--help", fresh=True)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert sum(1 + max(len(line) - 1, 0) // 100 for line in lines) <= 25  # as a terminal of 100 columns wraps
    assert not [line for line in lines if len(line) > 100 and ": " not in line]  # only a list of names may


def test_a_project_of_ones_own_runs_quietly_with_what_init_laid_down(typed: Type, tmp_path: Path) -> None:
    copy_to(tmp_path)
    (tmp_path / "conf" / "experiment" / "ours.yaml").write_text(
        "# @package _global_\n"
        "defaults:\n  - override /model: custom\n  - override /data: custom\n"
        "monitor: val/loss\nmode: min\nlr: 0.1\nmax_epochs: 1\nproject: ours\n"
        "model:\n  _target_: tests.execute.small.Net\n  hidden: 8\n"
        "data:\n  _target_: tests.execute.small.Data\n"
    )
    script = tmp_path / "train.py"
    done = typed("experiment=ours", "trainer=cpu", script=script, fresh=True, ETM_QUIET="1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert runs(tmp_path)[0].params["model"]["hidden"] == 8


def test_no_secret_of_a_sweep_reaches_the_store(typed: Type, tmp_path: Path) -> None:
    by_name, by_value, held = (draw(WORD, size, "sweep") for size in (12, 36, 20))
    done = typed(
        "-m",
        *MINE,
        "seed=1,2",
        f"+vars.hf_token={by_name}",
        f"+vars.note=ghp_{by_value}",
        f"+vars.password={held}",
        "+vars.same=${oc.env:MY_SERVICE_TOKEN}",
        f"notes=postgres://ada:{by_name}@db/runs",
        MY_SERVICE_TOKEN=held,
    )
    assert done.returncode == 0, done.stderr
    files = [path for path in (tmp_path / "etm_runs").rglob("*") if path.is_file()]
    everything = b"".join([str(files).encode(), *(path.read_bytes() for path in files)])
    for secret in (by_name, by_value, held):
        assert secret.encode() not in everything, [p for p in files if secret.encode() in p.read_bytes()]
    for run in runs(tmp_path):
        assert run.params["vars"] == dict.fromkeys(("hf_token", "note", "password", "same"), "<hidden>")
        assert f"seed={run.params['seed']}" in run.info("start")["overrides"]
        assert {path.name for path in (run.folder.hydra / "1").iterdir()} == {
            "config.yaml",
            "hydra.yaml",
            "overrides.yaml",
        }
        config = OmegaConf.to_container(OmegaConf.load(run.folder.hydra / "1" / "config.yaml"))
        assert isinstance(config, dict)
        hidden = dict.fromkeys(("hf_token", "note", "password"), "<hidden>")
        assert config["vars"] == {**hidden, "same": "${oc.env:MY_SERVICE_TOKEN}"}
        assert config["max_epochs"] == 2
