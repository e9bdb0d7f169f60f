"""How a run ended, told from how its process really ended."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from tests.track.forge import Forge, forge
from tests.track.lines import ends

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scripts() -> Iterator[Forge]:
    with forge() as started:
        yield started


def stored(place: Path) -> StoredRun:
    [run] = Store(place / "store").runs()
    assert not run.damage
    return run


# each line of a hook is put where `pass` stands
TRAIN = """
    class Model(Line):
        def {hook}:
            {body}
    trainer({loggers}, max_epochs=2).fit(Model())
"""


def train(hook: str, body: str, loggers: str = 'ETMLogger("p")') -> str:
    return TRAIN.format(hook=hook, body=body, loggers=loggers)


STEP = "on_train_batch_start(self, batch, batch_idx)"
RAISE = 'raise ValueError("out of luck\\nand words")'


@pytest.mark.parametrize("auto", ["1", "0"])
def test_a_training_to_its_end_is_finished(scripts: Forge, auto: str, tmp_path: Path) -> None:
    script = train("on_fit_end(self)", "pass")
    assert scripts.run(tmp_path, script, ETM_AUTO=auto) == 0
    run = stored(tmp_path)
    assert (run.status, run.exit_code, run.traceback) == ("finished", 0, "")
    assert ends(run.folder) == ["finished"]
    assert len(run.series("train/loss")) == 8


@pytest.mark.parametrize("auto", ["1", "0"])
@pytest.mark.parametrize(
    "hook",
    [STEP, "setup(self, stage)", "configure_optimizers(self)", "on_load_checkpoint(self, c)"],
    ids=["in a step", "in setup", "in configure_optimizers", "nowhere"],
)
def test_an_exception_is_a_failure_with_its_traceback(
    scripts: Forge, hook: str, auto: str, tmp_path: Path
) -> None:
    script = 'logger = ETMLogger("p")\nlogger.log_hyperparams({"lr": 1})\n'
    script += _dedented(train(hook, RAISE, "logger"))
    failed = hook != "on_load_checkpoint(self, c)"
    assert scripts.run(tmp_path, script, ETM_AUTO=auto) == int(failed)
    run = stored(tmp_path)
    assert run.params["lr"] == (1 if failed and hook != STEP else 0.1)
    if failed:
        assert (run.status, run.reason) == ("failed", "ValueError: out of luck")
        assert "and words" in run.traceback
        assert "Traceback (most recent call last)" in run.traceback
        assert ends(run.folder) == ["failed"]
    else:
        assert run.status == "finished"


def _dedented(text: str) -> str:
    import textwrap

    return textwrap.dedent(text)


def test_an_exception_keeps_what_was_logged_before_it(scripts: Forge, tmp_path: Path) -> None:
    scripts.run(tmp_path, train(STEP, f"if self.global_step == 5: {RAISE}"))
    assert len(stored(tmp_path).series("train/loss")) == 5


@pytest.mark.parametrize("auto", ["1", "0"])
def test_sys_exit_is_a_failure_with_its_code(scripts: Forge, auto: str, tmp_path: Path) -> None:
    assert scripts.run(tmp_path, train(STEP, "sys.exit(3)"), ETM_AUTO=auto) == 3
    run = stored(tmp_path)
    assert (run.status, run.exit_code, run.reason) == ("failed", 3, "sys.exit(3)")


WAIT = 'open("now", "w").close() if self.global_step == 2 else 0; import time; time.sleep(0.05)'
LONG = train(STEP, WAIT).replace("max_epochs=2", "max_epochs=500")


@pytest.mark.parametrize(
    ("number", "auto", "code", "status"),
    [
        (signal.SIGINT, "1", 1, "interrupted"),
        (signal.SIGINT, "0", 1, "interrupted"),
        (signal.SIGTERM, "1", 0, "preempted"),
        (signal.SIGTERM, "0", 0, "preempted"),
        (signal.SIGKILL, "1", -signal.SIGKILL, "crashed"),
        (signal.SIGKILL, "0", -signal.SIGKILL, "crashed"),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else str(value),
)
def test_a_signal_says_what_became_of_the_run(
    scripts: Forge, number: signal.Signals, auto: str, code: int, status: str, tmp_path: Path
) -> None:
    script = scripts.start(tmp_path, LONG, ETM_AUTO=auto)
    script.wait_for("now")
    assert stored(tmp_path).status == "running"
    script.kill(number)
    assert script.end() == code
    run = stored(tmp_path)
    assert run.status == status
    assert run.signal == (None if status == "crashed" else number)
    assert len(run.series("train/loss")) >= 2


@pytest.mark.parametrize("first", [True, False], ids=["before ours", "behind ours"])
def test_a_logger_that_cannot_finalize_does_not_spoil_ours(
    scripts: Forge, first: bool, tmp_path: Path
) -> None:
    script = """
        class Broken(CSVLogger):
            def finalize(self, status):
                raise OSError("the server is gone")
    """
    loggers = '[Broken("."), ETMLogger("p")]' if first else '[ETMLogger("p"), Broken(".")]'
    script = _dedented(script) + _dedented(train(STEP, f"if self.global_step == 5: {RAISE}", loggers))
    assert scripts.run(tmp_path, script) == 1
    run = stored(tmp_path)
    assert (run.status, run.reason) == ("failed", "ValueError: out of luck")
    assert "the server is gone" in (tmp_path / "err").read_text()


def test_leaving_without_a_word_is_a_crash(scripts: Forge, tmp_path: Path) -> None:
    assert scripts.run(tmp_path, train(STEP, "if self.global_step == 3: os._exit(0)")) == 0
    run = stored(tmp_path)
    assert (run.status, len(run.series("train/loss"))) == ("crashed", 3)


RUN = 'run = Run("p")\nrun.log({"loss": 1.0}, step=0)\n'


@pytest.mark.parametrize(
    ("rest", "code", "status", "reason"),
    [
        ("", 0, "finished", ""),
        ('raise KeyError("x")', 1, "failed", "KeyError: 'x'"),
        ("os.kill(os.getpid(), signal.SIGINT)", None, "interrupted", "Ctrl-C"),
        ('run.end("failed", "diverged")\nraise KeyError("x")', 1, "failed", "diverged"),
        ("run.end()\nsys.exit(3)", 3, "finished", ""),
        ("os._exit(4)", 4, "crashed", None),
    ],
    ids=["end of script", "exception", "Ctrl-C", "ended before", "exit after end", "os._exit"],
)
def test_a_run_that_nobody_ends_ends_with_the_interpreter(
    scripts: Forge, rest: str, code: int | None, status: str, reason: str | None, tmp_path: Path
) -> None:
    assert scripts.run(tmp_path, RUN + rest) in (code, -signal.SIGINT if code is None else code)
    run = stored(tmp_path)
    assert run.status == status
    if reason is not None:
        assert run.reason == reason


def test_settings_logged_before_an_exception_in_the_script_are_not_lost(
    scripts: Forge, tmp_path: Path
) -> None:
    script = 'logger = ETMLogger("p")\nlogger.log_hyperparams({"lr": 1})\nraise OSError("no data")'
    assert scripts.run(tmp_path, script) == 1
    run = stored(tmp_path)
    assert (run.status, run.reason, run.params) == ("failed", "OSError: no data", {"lr": 1})


def test_what_is_logged_between_fit_and_the_end_of_the_script_is_ended_with_it(
    scripts: Forge, tmp_path: Path
) -> None:
    script = """
        logger = ETMLogger("p")
        run = trainer(logger)
        run.fit(Line())
        run.save_checkpoint("x.ckpt")
        logger.experiment.log({"final": 1.0}, step=4)
        raise OSError("no report")
    """
    assert scripts.run(tmp_path, script) == 1
    run = stored(tmp_path)
    assert (run.status, run.reason) == ("failed", "OSError: no report")
    assert ends(run.folder) == ["finished", "failed"]


def test_a_limit_on_the_size_of_files_does_not_stop_the_training(scripts: Forge, tmp_path: Path) -> None:
    script = """
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8000, resource.RLIM_INFINITY))
        logger = ETMLogger("p")
        trainer(logger, max_epochs=60).fit(Line())
        assert not logger.failures
        assert not logger.run.lost
    """
    assert scripts.run(tmp_path, script) == 0, (tmp_path / "err").read_text()
    [run] = Store(tmp_path / "store").runs()
    assert (run.status, len(run.series("train/loss"))) == ("finished", 240)
    assert len(list(run.folder.journal.iterdir())) > 3


def test_a_disk_without_room_for_anything_does_not_stop_the_training(scripts: Forge, tmp_path: Path) -> None:
    script = """
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        logger = ETMLogger("p")
        run = trainer(logger)
        run.fit(Line())
        assert logger.failures
        sys.exit(run.global_step)
    """
    assert scripts.run(tmp_path, script) == 4
    assert Store(tmp_path / "store").runs() == []
