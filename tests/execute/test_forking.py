"""Trials that are forked: to the script, and to who reads its end, like any python."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from etm_lightning.design.config import Search
from etm_lightning.execute import forking, launchers, local
from etm_lightning.execute.forking import ForkServer
from etm_lightning.execute.launching import Errand, Job, Slot
from etm_lightning.execute.lock import Lock
from etm_lightning.execute.on_local import Local
from etm_lightning.process import Process, boot_id, born, host, lives
from tests.warm import bare

pytestmark = pytest.mark.skipif(
    not forking.able(), reason="processes can be forked and watched so on Linux only"
)
ROOT = Path(__file__).parents[2]


class Bench:
    """A place to start trials in, forked and cold."""

    def __init__(self, folder: Path, modules: Sequence[str] = ()) -> None:
        self.folder, self.path = folder, str(ROOT)
        self.forks = Local([Slot()], ForkServer(modules))
        self.cold, self._count = Local([Slot()]), 0

    def errand(self, script: str | Sequence[str], attempt: int = 1, **env: str) -> Errand:
        self._count += 1
        place = self.folder / "trials" / str(self._count)
        place.mkdir(parents=True)
        if isinstance(script, str):
            (self.folder / "script.py").write_text(script)
            script = (str(self.folder / "script.py"), "--lr", "1e-4")
        known = {"PYTHONPATH": self.path} | env
        return Errand((sys.executable, *script), self.folder, known, place, attempt)

    def start(self, launcher: Local, errand: Errand) -> Job:
        lock = Lock.take(errand.place / "lock")
        assert lock is not None
        job = launcher.start(errand, Slot(), lock.descriptor)
        lock.release()
        return job

    def run(
        self, launcher: Local, script: str | Sequence[str], attempt: int = 1, **env: str
    ) -> tuple[str, str]:
        """How it ended, and what it printed."""
        errand = self.errand(script, attempt, **env)
        how = end(self.start(launcher, errand))
        assert not Lock.held(errand.place / "lock")
        return how, errand.log.read_text()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    for name in set(os.environ) - set(bare()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    bench = Bench(tmp_path, ["numpy.random"])
    yield bench
    bench.forks.close()


def end(job: Job) -> str:
    deadline = time.monotonic() + 60
    while (how := job.ended()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return how


SELF = """
import os, sys, signal
print(__name__, __file__, sys.argv, sys.path[0], os.getcwd(), os.environ.get("MINE"), sys.executable)
print(sorted(os.environ), sys.stdin.read(), os.getpid() == os.getsid(0), __builtins__, __doc__, __spec__)
print(sys.orig_argv, signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))
assert sys.modules["__main__"].__dict__ is globals()
class Thing: pass
import pickle; pickle.loads(pickle.dumps(Thing()))
"""
LAST = "import atexit, sys; atexit.register(lambda: print('at exit', repr(sys.last_value), sys.last_type))\n"
ENDS = {
    "plain": SELF,
    "raises": f"{LAST}def deep():\n    raise ValueError('no')\ndeep()\n",
    "does not compile": "def\n",
    "exits": "import sys; sys.exit(3)\n",
    "exits with words": "import sys; sys.exit('what went wrong')\n",
    "exits hard": "import os; os._exit(9)\n",
    "is killed": "import os; os.kill(os.getpid(), 9)\n",
    "aborts": "import os; os.abort()\n",
    "is interrupted": f"{LAST}raise KeyboardInterrupt\n",
    "last words": (
        "import atexit, threading, time\natexit.register(print, 'at exit')\n"
        "threading.Thread(target=lambda: (time.sleep(0.1), print('the thread'))).start()\nprint('main')\n"
    ),
    "spawns": (
        "import multiprocessing\ndef double(x): return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(double, [4]))\n"
    ),
}


@pytest.mark.parametrize("script", ENDS.values(), ids=ENDS)
def test_a_forked_trial_is_what_python_makes_of_the_script(bench: Bench, script: str) -> None:
    cold, forked = (bench.run(launcher, script, MINE="a b") for launcher in (bench.cold, bench.forks))
    assert forked == cold
    if script is SELF:
        assert "script.py', '--lr', '1e-4'] " in cold[1]


def test_a_module_is_run_as_python_runs_it(bench: Bench) -> None:
    (bench.folder / "apps").mkdir()
    (bench.folder / "apps" / "__init__.py").touch()
    words = "import sys\nprint(__name__, sys.argv, __spec__.name, sys.path[0], __package__)\n"
    (bench.folder / "apps" / "train.py").write_text(words)
    os.chdir(bench.folder)
    command = ("-m", "apps.train", "lr=1")
    cold, forked = (bench.run(launcher, command) for launcher in (bench.cold, bench.forks))
    assert forked == cold
    assert "apps.train" in cold[1]


def test_the_users_own_modules_are_read_anew_each_time(bench: Bench) -> None:
    script = "import mine; mine.count.append(1); print(mine.word, len(mine.count))\n"
    for word in ("first", "second, longer"):
        (bench.folder / "mine.py").write_text(f"count, word = [], {word!r}\n")
        assert bench.run(bench.forks, script) == ("code 0", f"{word} 1\n")


def test_what_a_trial_imports_of_libraries_the_next_one_finds_imported(bench: Bench) -> None:
    (bench.folder / "mine.py").touch()
    script = "import sys; print('wave' in sys.modules, 'mine' in sys.modules)\nimport wave, mine\n"
    told = [bench.run(bench.forks, script)[1] for _ in range(3)]
    assert told == ["False False\n", "True False\n", "True False\n"]


def test_chance_is_another_one_in_each(bench: Bench) -> None:
    script = "import sys, random; print('numpy' in sys.modules)\nimport numpy; print(random.random(), {})\n"
    for draw in ("numpy.random.rand()", "numpy.random.randint(2**60)"):
        first, second = (bench.run(bench.forks, script.format(draw))[1].split() for _ in range(2))
        assert first[0] == "True"
        assert not set(first[1:]) & set(second[1:])


def test_media_are_encoded_beside_a_forked_training_as_beside_any(bench: Bench) -> None:
    script = (
        "import threading\nfrom etm_lightning.track.media.worker import WORKER\n"
        "WORKER.take(lambda: print(threading.current_thread().name), lambda: True, 1)\n"
    )
    launcher = Local([Slot()], ForkServer(["etm_lightning.track.media.worker"]))
    assert bench.run(launcher, script) == bench.run(bench.cold, script) == ("code 0", "etm-media\n")
    launcher.close()


def test_what_a_library_sets_in_the_environment_is_kept_unless_the_trial_says_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(bench, monkeypatch, "sets", "import os\nos.environ['SET'] = os.environ['ASKED'] = 'by it'\n")
    script = "import os, sys, sets; print(os.environ.get('SET'), os.environ.get('ASKED'))\n"
    assert bench.run(bench.forks, script)[1] == "by it by it\n"
    assert bench.run(bench.forks, script, ASKED="by me")[1] == "by it by me\n"


def test_ranks_that_a_trial_leaves_behind_are_ended_with_it(bench: Bench) -> None:
    script = "import subprocess; print(subprocess.Popen(['sleep', '1000']).pid, flush=True)\n"
    how, told = bench.run(bench.forks, script)
    assert how == "code 0"
    deadline = time.monotonic() + 20
    while born(int(told)) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_attempt_after_a_crash_is_a_python_of_its_own(bench: Bench) -> None:
    script = "import os; print(os.getppid())\n"
    assert bench.run(bench.forks, script)[1] != f"{os.getpid()}\n"
    assert bench.run(bench.forks, script, attempt=2)[1] == f"{os.getpid()}\n"


def test_what_must_not_be_forked_is_not(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        bench,
        monkeypatch,
        "busy",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n",
    )
    script = "import os; print(os.getppid())\nimport busy\n"
    told = [bench.run(bench.forks, script) for _ in range(2)]
    assert told[0][1] != f"{os.getpid()}\n"
    assert told[1] == ("code 0", f"{os.getpid()}\n")


def test_when_the_server_is_gone_its_trials_go_on_and_others_begin_without(bench: Bench) -> None:
    script = (
        "import os, time\nprint(os.getppid(), flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
    )
    errand = bench.errand(script)
    job = bench.start(bench.forks, errand)
    while not errand.log.read_text().endswith("\n"):
        time.sleep(0.01)
    os.kill(int(errand.log.read_text()), signal.SIGKILL)
    process = job.process()
    for _ in range(20):
        assert job.ended() is None
        time.sleep(0.01)
    assert process is not None
    assert lives(process)
    (bench.folder / "go").touch()
    assert bench.run(bench.forks, script) == ("code 0", f"{os.getpid()}\n")
    assert end(job) == "unseen"


def test_a_server_that_does_not_answer_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "PATIENCE", 0.5)
    install(bench, monkeypatch, "slow", "import time; time.sleep(1000)\n")
    launcher = Local([Slot()], ForkServer(["slow"]))
    script = "import os; print(os.getppid())\n"
    assert end(bench.start(launcher, bench.errand(script))) == "unseen"
    assert bench.run(launcher, script) == ("code 0", f"{os.getpid()}\n")
    launcher.close()


def controller(bench: Bench, errand: Errand, modules: Sequence[str]) -> subprocess.Popen[str]:
    """A process that has a trial forked, prints its number and the server's, and stays."""
    script = (
        "import time\nfrom pathlib import Path\nfrom etm_lightning.execute.forking import ForkServer\n"
        "from etm_lightning.execute.launching import Errand\nfrom etm_lightning.execute.lock import Lock\n"
        f"place = Path({str(errand.place)!r})\n"
        f"lock, server = Lock.take(place / 'lock'), ForkServer({list(modules)!r})\n"
        f"errand = Errand({errand.command!r}, Path({str(bench.folder)!r}), {{}}, place, 1)\n"
        "process = server.start(errand, {}, lock.descriptor).process()\n"
        "print(process.pid, server._process.pid, flush=True)\ntime.sleep(1000)\n"
    )
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


def test_when_the_controller_is_killed_during_an_import_the_trial_does_not_begin(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing, go = bench.folder / "importing", bench.folder / "go"
    slow = (
        f"import os, pathlib, time\npathlib.Path({str(importing)!r}).write_text(f'{{os.getpid()}}\\n')\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
    )
    install(bench, monkeypatch, "slow", slow)
    errand = bench.errand("print('begun', flush=True)\n")
    process = controller(bench, errand, ["slow"])
    while not (importing.exists() and importing.read_text().endswith("\n") and errand.log.exists()):
        time.sleep(0.01)
    time.sleep(0.2)  # the request is on its way
    process.kill()
    process.communicate()
    go.touch()
    while born(int(importing.read_text())) is not None:
        time.sleep(0.01)
    assert errand.log.read_text() == ""


def test_when_the_controller_is_killed_the_server_ends_and_the_trial_goes_on(bench: Bench) -> None:
    errand = bench.errand("import time; print('begun', flush=True); time.sleep(1000)\n")
    process = controller(bench, errand, [])
    assert process.stdout is not None
    trial, server = (int(pid) for pid in process.stdout.readline().split())
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while born(server) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert born(trial) is not None
    assert Lock.held(errand.place / "lock")
    known = Process(host(), boot_id(), trial, born(trial) or 0.0)
    job = local.left_behind(known, errand.place)
    job.stop()
    assert end(job) == "unseen"


def test_a_system_that_cannot_says_so_when_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {"_target_": launchers.PLUGIN + "EtmLocal"}
    monkeypatch.setattr(launchers, "able", lambda: False)
    with pytest.raises(ValueError, match=r"`hydra\.launcher\.fork_server` must be null or false here"):
        launchers.launcher(chosen | {"fork_server": True}, Search(), False)
    found = launchers.launcher(chosen, Search(), False)
    assert isinstance(found, Local)
    assert found.server is None


def install(bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """Put a module where installed ones lie, for the processes that the bench starts."""
    base = bench.folder / "base"
    monkeypatch.setenv("PYTHONUSERBASE", str(base))
    code = "import site; print(site.getusersitepackages())"
    where = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    place = Path(where.stdout.strip())
    place.mkdir(parents=True)
    (place / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{place}")
    bench.path = f"{ROOT}:{place}"
