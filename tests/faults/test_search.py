"""A study whose controller and trials are killed at any moment comes to its total by the same command."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from etm_lightning.optimize.folder import StudyFolder
from etm_lightning.process import lives
from tests import warm
from tests.execute.test_command_line import environment
from tests.optimize.conftest import command, studies


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    # trials outlive their controller, so what it prints goes to a file and not to a pipe
    with (folder / "printed.txt").open("a") as printed:
        return subprocess.Popen(
            command(*arguments),
            cwd=folder,
            env=environment(folder),
            stdout=printed,
            stderr=subprocess.STDOUT,
            text=True,
        )


def events(folder: Path) -> list[bytes]:
    found = studies(folder)
    file = found[0].events_file if found else folder / "none"
    return [line for line in file.read_bytes().split(b"\n") if line] if file.exists() else []


def wait(process: subprocess.Popen[str], folder: Path, more: int) -> None:
    """Until the controller has written down so many more events than there were."""
    there, deadline = len(events(folder)), time.monotonic() + 100
    while len(events(folder)) < there + more:
        assert process.poll() is None, (folder / "printed.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def kill_a_trial(folder: Path, chance: random.Random) -> bool:
    """SIGKILL one of the processes at work; whether there was one."""
    found = studies(folder)
    trials = found[0].history().trials.values() if found else ()
    known = [one.process for trial in trials for one in trial.replicates.values() if not one.over]
    alive = [process for process in known if process is not None and lives(process)]
    with contextlib.suppress(ProcessLookupError, IndexError):
        os.kill(chance.choice(alive).pid, signal.SIGKILL)
        return True
    return False


def survive(folder: Path, seed: int, kills: int, total: int) -> None:
    """A study of `total` trials whose controller is killed `kills` times, and each time a trial too."""
    pytest.importorskip("optuna")
    chance = random.Random(seed)
    arguments = (
        *("x=interval(0,6)", f"hydra.sweeper.n_trials={total}", "pause=0.05"),
        *("hydra.sweeper.n_jobs=2", f"hydra.sweeper.max_retries={kills}"),
    )
    killed = 0
    for _ in range(kills):
        process = start(folder, *arguments)
        wait(process, folder, chance.randrange(6))
        time.sleep(chance.choice((0.01, 0.2)) * chance.random())
        seen = chance.random() < 0.5
        if seen:  # the controller sees the trial die, if it lives that long
            killed += kill_a_trial(folder, chance)
            time.sleep(chance.choice((0.0, 0.1)) * chance.random())
        assert process.poll() is None, "the study was over before all kills"
        warm.kill(process)
        if not seen:
            killed += kill_a_trial(folder, chance)
    process = start(folder, *arguments)
    try:
        assert process.wait(900) == 0, (folder / "printed.txt").read_text()
    finally:
        warm.kill(process)
    (study,) = studies(folder)
    whole(study, total)
    told = [f"{float(str(trial.params['x'])):g}" for trial in study.history().trials.values()]
    done = [line.split()[0] for line in (folder / "done.txt").read_text().splitlines()]
    assert set(done) == set(told)
    assert len(done) <= total + killed, "one that was killed after its last word says it again"


def whole(study: StudyFolder, total: int) -> None:
    """Every trial is there once, finished, for us as for Optuna."""
    history = study.history()
    assert history.over == "complete"
    assert sorted(history.trials) == list(range(total))
    assert {trial.state for trial in history.trials.values()} == {"finished"}
    kinds: Counter[tuple[str, int]] = Counter()
    for line in study.events_file.read_bytes().split(b"\n"):
        with contextlib.suppress(msgspec.DecodeError):  # torn by a kill
            event = msgspec.json.decode(line)
            kinds[event["e"], event.get("number", -1)] += 1
    assert {kinds["told", number] for number in range(total)} == {1}
    assert {kinds["asked", number] for number in range(total)} == {1}
    import optuna
    from optuna.storages.journal import JournalFileBackend

    backend = JournalFileBackend(str(study.optuna_file))
    known = optuna.load_study(study_name="study", storage=optuna.storages.JournalStorage(backend)).trials
    assert [trial.number for trial in known] == list(range(total))
    assert {trial.state for trial in known} == {optuna.trial.TrialState.COMPLETE}
    for trial in known:
        assert history.trials[trial.number].values == tuple(trial.values)


def test_a_study_killed_a_few_times_comes_to_its_total(tmp_path: Path) -> None:
    survive(tmp_path, seed=1, kills=3, total=12)


@pytest.mark.soak
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("seed", range(3))
def test_a_study_killed_at_twenty_random_moments_comes_to_its_total(tmp_path: Path, seed: int) -> None:
    survive(tmp_path, seed, kills=20, total=80)
