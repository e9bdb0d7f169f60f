"""The status of a run tells what really ended its process, each proven by a process that ends so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store

ROOT = Path(__file__).parents[2]
EVERYONE = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
store = sys.argv[1]
from etm_lightning import Run
"""
TRAINING = (
    EVERYONE
    + """
from typing import Any
from tests.track.lines import Line, logger_in, trainer
def fit(model, version, *others):
    run = trainer([*others, logger_in(store, version=version)], max_epochs=2)
    run.fit(model)
    return run
def doing(action):
    class Doing(Line):
        def on_train_batch_start(self, batch, batch_idx):
            if self.global_step == 2:
                action()
    return Doing()
"""
)


def process(store: Path, code: str, *, start: str = TRAINING, **environment: str) -> tuple[int, str]:
    """Exit code of a script, and what it said on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", start + textwrap.dedent(code), str(store)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stderr


def steps(run: StoredRun) -> list[int]:
    return [point.step for point in run.series("train/loss")]


def test_a_training_ends_as_finished_and_one_that_raises_as_failed_with_its_traceback(
    tmp_path: Path,
) -> None:
    code, said = process(
        tmp_path,
        """
        def unlucky():
            raise ValueError("a bad batch\\nand more")
        class NoOptimizer(Line):
            def configure_optimizers(self):
                raise KeyError("no optimizer")
        fit(Line(), "good")
        for model, version in ((doing(unlucky), "step"), (NoOptimizer(), "optimizer")):
            try:
                fit(model, version)
            except (ValueError, KeyError) as error:
                print(type(error).__name__, file=sys.stderr)
        """,
    )
    assert code == 0
    assert [line for line in said.splitlines() if line.endswith("Error")] == ["ValueError", "KeyError"]
    store = Store(tmp_path)
    good, step, optimizer = store.run("good"), store.run("step"), store.run("optimizer")
    assert (good.status, good.reason, good.traceback, good.exit_code) == ("finished", "", "", 0)
    assert steps(good) == list(range(8))
    assert (step.status, step.reason) == ("failed", "ValueError: a bad batch")
    assert "in unlucky" in step.traceback
    assert step.traceback.endswith("ValueError: a bad batch\nand more\n")
    assert steps(step) == [0, 1]
    assert (optimizer.status, optimizer.reason) == ("failed", "KeyError: 'no optimizer'")
    assert "configure_optimizers" in optimizer.traceback


@pytest.mark.parametrize("auto", ["1", "0"])
def test_sys_exit_in_a_training_keeps_its_code(auto: str, tmp_path: Path) -> None:
    code, said = process(tmp_path, 'fit(doing(lambda: sys.exit(3)), "v")', ETM_AUTO=auto)
    assert code == 3, said
    run = Store(tmp_path).run("v")
    assert (run.status, run.reason, run.exit_code) == ("failed", "sys.exit(3)", 3)
    assert steps(run) == [0, 1]


@pytest.mark.parametrize("auto", ["1", "0"])
def test_ctrl_c_interrupts_a_training(auto: str, tmp_path: Path) -> None:
    code, said = process(
        tmp_path, 'fit(doing(lambda: os.kill(os.getpid(), signal.SIGINT)), "v")', ETM_AUTO=auto
    )
    assert code != 0, said
    run = Store(tmp_path).run("v")
    assert (run.status, run.reason, run.signal) == ("interrupted", "Ctrl-C", signal.SIGINT)
    assert steps(run) == [0, 1]


def test_a_killed_process_leaves_a_crashed_run_with_all_it_logged(tmp_path: Path) -> None:
    code, said = process(tmp_path, 'fit(doing(lambda: os.kill(os.getpid(), signal.SIGKILL)), "v")')
    assert code == -signal.SIGKILL, said
    run = Store(tmp_path).run("v")
    assert run.status == "crashed"
    assert "is gone" in run.reason
    assert steps(run) == [0, 1]


def test_another_loggers_broken_finalize_does_not_spoil_our_status(tmp_path: Path) -> None:
    code, said = process(
        tmp_path,
        """
        from lightning.pytorch.loggers import CSVLogger
        class Broken(CSVLogger):
            def finalize(self, status):
                raise OSError("the other logger is down")
        def unlucky():
            raise ValueError("a bad batch")
        for model, version in ((Line(), "good"), (doing(unlucky), "bad")):
            try:
                fit(model, version, Broken(store + "-csv"))
            except (OSError, ValueError) as error:
                print(type(error).__name__, file=sys.stderr)
        """,
    )
    assert code == 0, said
    assert [line for line in said.splitlines() if line.endswith("Error")] == ["OSError", "OSError"]
    bad = Store(tmp_path).run("bad")
    assert (bad.status, bad.reason) == ("failed", "ValueError: a bad batch")
    good = Store(tmp_path).run("good")
    assert steps(good) == list(range(8))
    # Lightning tells us of the other's failure as of one of the training
    assert (good.status, good.reason) == ("failed", "OSError: the other logger is down")


def test_without_the_callback_finalize_tells_what_happened(tmp_path: Path) -> None:
    code, said = process(
        tmp_path,
        """
        def unlucky():
            raise ValueError("a bad batch")
        run = fit(Line(), "good")
        assert not any("ETM" in type(callback).__name__ for callback in run.callbacks)
        try:
            fit(doing(unlucky), "bad")
        except ValueError:
            pass
        """,
        ETM_AUTO="0",
    )
    assert code == 0, said
    store = Store(tmp_path)
    assert store.run("good").status == "finished"
    bad = store.run("bad")
    assert (bad.status, bad.reason) == ("failed", "ValueError: a bad batch")
    assert "in unlucky" in bad.traceback


def test_a_run_that_nobody_ended_ends_as_its_interpreter_does(tmp_path: Path) -> None:
    opened = 'run = Run("p", save_dir=store, id={!r}); run.log({{"train/loss": 1.0}}, step=0)\n'
    endings = {
        "quiet": ("", 0),
        "raised": ("1 / 0", 1),
        "killed": ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        "forked": ("pid = os.fork()\nif pid: os.waitpid(pid, 0)", 0),
        "inside": ("with run: raise KeyboardInterrupt", -signal.SIGINT),
    }
    for id, (last, wanted) in endings.items():
        code, said = process(tmp_path, opened.format(id) + last, start=EVERYONE)
        assert code == wanted, said
    runs = {id: Store(tmp_path).run(id) for id in endings}
    assert {id: run.status for id, run in runs.items()} == {
        "quiet": "finished",
        "raised": "failed",
        "killed": "crashed",
        "forked": "finished",
        "inside": "interrupted",
    }
    assert runs["raised"].reason == "ZeroDivisionError: division by zero"
    assert runs["raised"].traceback.startswith("Traceback (most recent call last)")
    assert all(steps(run) == [0] for run in runs.values())
