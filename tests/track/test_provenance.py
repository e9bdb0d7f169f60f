"""Where a run comes from: what is recorded in a repository, outside of one, and where little is known."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from etm_lightning import Run
from etm_lightning.store.store import Store
from etm_lightning.track.code import LARGEST, SECONDS, address, code
from etm_lightning.track.machine import devices, machine, memory, processor, scheduler
from etm_lightning.track.provenance import environment, overrides, packages, provenance, seeds
from tests.track.lines import logger_in
from tests.track.secrets_in_text import WORD, draw

ROOT = Path(__file__).parents[2]
FIXED = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
WHO = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *WHO, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ | FIXED)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit on branch `main`, which is the working directory."""
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    git(folder, "init", "-q", "-b", "main")
    (folder / "model.py").write_text("layers = 1\n")
    git(folder, "add", "model.py")
    git(folder, "commit", "-qm", "first")
    return folder


def test_a_clean_repository_is_its_commit_and_branch(repository: Path) -> None:
    (repository / "untracked.py").write_text("x = 1\n")
    found = code()
    commit = git(repository, "rev-parse", "HEAD")
    assert found.facts == {"commit": commit, "branch": "main", "remote": "", "dirty": False, "diff": ""}
    assert found.diff == ""


def test_changes_have_a_hash_that_the_same_changes_have_again(repository: Path) -> None:
    (repository / "model.py").write_text("layers = 2\n")
    first = code()
    assert first.facts["dirty"] is True
    assert len(first.facts["diff"]) == 64
    assert "+layers = 2" in first.diff
    assert first.facts["diff"] == hashlib.sha256(first.diff.encode()).hexdigest()
    git(repository, "add", "model.py")  # staged or not is no difference
    (repository / "inner").mkdir()
    os.chdir(repository / "inner")
    for setting in ("noprefix", "mnemonicPrefix", "relative"):
        git(repository, "config", f"diff.{setting}", "true")
    git(repository, "config", "color.diff", "always")
    git(repository, "config", "diff.external", "false")
    assert code() == first
    (repository / "model.py").write_text("layers = 3\n")
    assert code().facts["diff"] != first.facts["diff"]
    (repository / "model.py").write_text("layers = 1\n")
    assert code().facts["dirty"] is False


def test_a_binary_file_and_bytes_that_are_no_text_differ_by_their_content(repository: Path) -> None:
    for name, old in (("blob", b"\0\1"), ("latin", b"caf\xe9\n")):
        (repository / name).write_bytes(old)
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "second")
    hashes = set()
    for content in (b"\0\2", b"\0\3"):
        (repository / "blob").write_bytes(content)
        hashes.add(code().facts["diff"])
    assert len(hashes) == 2
    (repository / "latin").write_bytes(b"th\xe9\n")
    assert r"+th\xe9" in code().diff


def test_a_detached_head_has_a_commit_and_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")
    assert code().facts["commit"] == git(repository, "rev-parse", "HEAD")
    assert code().facts["branch"] == ""


def test_a_repository_without_a_commit_is_none(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / "new").mkdir()
    monkeypatch.chdir(repository / "new")
    git(repository / "new", "init", "-q")
    monkeypatch.setattr(sys.modules["__main__"], "__file__", None, raising=False)
    assert code().facts == {}


def test_a_remote_is_told_without_user_and_password(repository: Path) -> None:
    secret = draw(WORD, 20, "remote")
    git(repository, "remote", "add", "other", "ssh://git@example.org:22/other.git")
    git(repository, "remote", "add", "origin", f"https://ada:{secret}@example.org/runs.git")
    assert code().facts["remote"] == "https://example.org/runs.git"
    git(repository, "config", "branch.main.remote", "other")
    assert code().facts["remote"] == "ssh://git@example.org:22/other.git"


@pytest.mark.parametrize(
    ("remote", "shown"),
    [
        ("https://ada@example.org/runs.git", "https://example.org/runs.git"),
        ("https://ada:p@ss@example.org/runs.git", "https://example.org/runs.git"),
        ("https://example.org/a@b/runs.git?token=x", "https://example.org/a@b/runs.git"),
        ("ssh://ada:word@example.org/runs", "ssh://example.org/runs"),
        ("git@example.org:ada/runs.git", "git@example.org:ada/runs.git"),
        ("/home/ada/runs.git", "/home/ada/runs.git"),
        ("", ""),
    ],
)
def test_addresses_of_remotes(remote: str, shown: str) -> None:
    assert address(remote) == shown


@pytest.mark.parametrize("opted", [False, True])
def test_the_diff_is_recorded_only_if_asked_for(repository: Path, opted: bool, tmp_path: Path) -> None:
    secret = draw(WORD, 36, "diff")
    (repository / "model.py").write_text(f"layers = 2\ntoken = 'ghp_{secret}'\n")
    for run in (
        Run(save_dir=tmp_path / "a", save_code=opted),
        logger_in(tmp_path / "b", save_code=opted).run,
    ):
        run.log({"loss": 1.0}, step=0)
        run.end()
    for store in (Store(tmp_path / "a"), Store(tmp_path / "b")):
        stored = store.run("latest")
        texts = {text.name: text.text for text in stored.texts}
        assert list(texts) == ["code.diff"] * opted
        assert not opted or "+layers = 2" in texts["code.diff"]
        assert secret not in json.dumps(texts)
        assert stored.info("start")["git"]["diff"] == code().facts["diff"]
        journal = b"".join(path.read_bytes() for path in stored.folder.journal.iterdir())
        assert (b"layers = 2" in journal) is opted


def test_a_large_diff_is_cut_and_says_so_and_its_hash_covers_all(repository: Path) -> None:
    line = "x = 'a line of many'\n"
    (repository / "model.py").write_text(line * (2 * LARGEST // len(line)))
    before = code()
    assert LARGEST - 100 < len(before.diff) < LARGEST + 100
    assert re.search(r"\n… <cut after [\d,]+ characters of [\d,]+ bytes>\n$", before.diff)
    with (repository / "model.py").open("a") as file:
        file.write("y = 2\n")
    assert code().facts["diff"] != before.facts["diff"]


def test_thousands_of_changed_files_are_told_in_time(repository: Path) -> None:
    (repository / "many").mkdir()
    for number in range(3000):
        (repository / "many" / f"{number}.py").write_text("before = 1\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "many")
    for number in range(3000):
        (repository / "many" / f"{number}.py").write_text("after = 1\n")
    began = time.monotonic()
    assert code().facts["dirty"] is True
    assert time.monotonic() - began < 3 * SECONDS + 1


def fake_git(folder: Path, script: str) -> None:
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)


@pytest.mark.parametrize(
    "script", ["sleep 60", "trap '' TERM; sleep 60 & sleep 60", "exec sleep 60 1>&-", "sleep 60 & exit 0"]
)
def test_git_that_hangs_is_ended_with_all_that_it_started(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_git(tmp_path / "bin", f"echo $$ >> {tmp_path / 'pids'}\n{script}")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr("etm_lightning.track.code.SECONDS", 0.3)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", None, raising=False)
    began = time.monotonic()
    assert code().facts == {}
    assert time.monotonic() - began < 2
    groups = [int(line) for line in (tmp_path / "pids").read_text().split()]
    while living(groups):  # what was killed needs a moment to be gone
        assert time.monotonic() - began < 10


def living(groups: list[int]) -> list[psutil.Process]:
    """Processes of these groups that still run."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) in groups and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def test_git_asks_nobody_and_takes_no_lock(repository: Path) -> None:
    (repository / "model.py").write_text("layers = 1\n")  # only its time differs: git would refresh its index
    index = (repository / ".git" / "index").stat()
    (repository / ".git" / "index.lock").touch()
    assert code().facts["dirty"] is False
    after = (repository / ".git" / "index").stat()
    assert (index.st_ino, index.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


# -- where little is known -------------------------------------------------------------------------------

SCRIPT = """
import os, shutil, sys
from etm_lightning import Run
{}
with Run("p", save_dir=sys.argv[1]) as run:
    run.log({{"loss": 1.0}}, step=0)
"""


@pytest.mark.parametrize(
    ("prepare", "drop", "arguments"),
    [
        ("os.mkdir('gone'); os.chdir('gone'); os.rmdir(os.getcwd())", (), []),
        ("", ("HOME", "PATH", "USER", "LOGNAME"), []),
        ("os.environ.update({f'VARIABLE_{n}': 'x' * 50 for n in range(5000)})", (), []),
        ("", (), [b"name=\xff\xfe", b"\xf0\x9f\x92\xa9", b"", b"a\nb"]),
        ("sys.argv[2:] = ['x' * 200_000] * 3", (), []),
        ("del sys.argv[0]; sys.argv.insert(0, '')", (), []),
        ("sys.modules['torch'] = None; sys.modules['hydra.core.hydra_config'] = object()", (), []),
    ],
    ids=[
        "no folder",
        "no HOME and no PATH",
        "huge environment",
        "bytes",
        "long",
        "no script",
        "strange modules",
    ],
)
def test_a_run_begins_whatever_cannot_be_told(
    prepare: str, drop: tuple[str, ...], arguments: list[bytes], tmp_path: Path
) -> None:
    (tmp_path / "script.py").write_text(SCRIPT.format(prepare))
    kept = {name: value for name, value in os.environ.items() if name not in drop}
    done = subprocess.run(
        [sys.executable, "script.py", tmp_path / "store", *arguments],
        cwd=tmp_path,
        env=kept | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    run = Store(tmp_path / "store").run("latest")
    assert (run.status, run.damage) == ("finished", [])
    assert run.info("start")["python"] == ".".join(map(str, sys.version_info[:3]))


def test_an_answer_that_fails_says_so_and_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd:
        version = None

        def initial_seed(self) -> int:
            raise OSError("no generator")

    monkeypatch.setitem(sys.modules, "torch", Odd())
    found = provenance()
    assert found["seeds"] == "<cannot be told: OSError: no generator>"
    assert found["host"]


# -- packages, machine, scheduler ------------------------------------------------------------------------


def test_all_packages_have_the_version_that_their_metadata_tells() -> None:
    known: dict[str, str] = {}
    for one in importlib.metadata.distributions():
        known.setdefault(re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(), one.version)
    assert packages() == known


def test_the_seeds_are_lightnings_and_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setenv("PL_GLOBAL_SEED", "7")
    torch.manual_seed(11)
    assert seeds() == {"lightning": 7, "torch": 11}
    monkeypatch.setenv("PL_GLOBAL_SEED", "seven")
    assert seeds() == {"torch": 11}


def test_the_machine_has_a_processor_and_memory() -> None:
    found = machine()
    assert found["cpu"]
    assert 1 <= found["cpus_usable"] <= found["cpus"]
    assert 0 < found["memory"] <= psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("groups", "limits", "expected"),
    [
        ("0::/job/step\n", {"job/memory.max": "4096", "job/step/memory.max": "max"}, 4096),
        ("0::/\n", {"memory.max": "2048"}, 2048),
        ("4:cpu,cpuacct:/x\n3:memory:/slurm/1\n", {"memory/slurm/1/memory.limit_in_bytes": "1024"}, 1024),
        ("3:memory:/docker/abc\n", {"memory/memory.limit_in_bytes": "512"}, 512),
        ("0::/job\n", {"job/memory.max": "max"}, None),
        ("3:memory:/\n", {"memory/memory.limit_in_bytes": str(1 << 62)}, None),
        (None, {}, None),
    ],
)
def test_memory_is_what_the_control_group_leaves(
    groups: str | None, limits: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    if groups is not None:
        (tmp_path / "proc" / "self").mkdir(parents=True)
        (tmp_path / "proc" / "self" / "cgroup").write_text(groups)
    for name, text in limits.items():
        file = tmp_path / "sys" / "fs" / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    assert memory(tmp_path) == (expected or psutil.virtual_memory().total)


def test_a_processor_is_told_by_its_model(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: A Processor 9000\n\nprocessor\t: 1\n")
    assert processor(tmp_path / "cpuinfo") == "A Processor 9000"
    assert processor(tmp_path / "missing")


def test_without_a_driver_there_is_no_device_and_no_wait() -> None:
    import pynvml

    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError:
        count = 0
    began = time.monotonic()
    assert len(devices()["gpus"]) == count
    assert count or time.monotonic() - began < 1


def test_a_scheduler_is_told_by_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("SLURM_", "RAY_", "TORCHELASTIC_"))]:
        monkeypatch.delenv(name)
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert scheduler() == {"slurm": None, "ray": None, "launcher": None}
    for name, value in {
        "SLURM_JOB_ID": "12",
        "SLURM_ARRAY_JOB_ID": "10",
        "SLURM_ARRAY_TASK_ID": "2",
        "SLURM_RESTART_COUNT": "1",
        "SLURM_JWT": "not to be told",
        "RAY_JOB_ID": "01000000",
        "RANK": "0",
        "WORLD_SIZE": "8",
    }.items():
        monkeypatch.setenv(name, value)
    assert scheduler() == {
        "slurm": {"job_id": "12", "array_job_id": "10", "array_task_id": "2", "restart_count": "1"},
        "ray": {"job_id": "01000000"},
        "launcher": {"RANK": "0", "WORLD_SIZE": "8"},
    }


def test_of_the_environment_only_what_is_listed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "OMP_NUM_THREADS": "1",
        "NCCL_DEBUG": "INFO",
        "MLFLOW_TRACKING_URI": "http://ada:lovelace@host:5000",
        "TORCH_HUB_TOKEN": "x",
        "HOME": "/home/ada",
        "MY_OWN": "1",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    told = environment()
    assert {name: told.get(name) for name in given} == {
        "OMP_NUM_THREADS": "1",
        "NCCL_DEBUG": "INFO",
        "MLFLOW_TRACKING_URI": "http://ada:<hidden>@host:5000",
        "TORCH_HUB_TOKEN": "<hidden>",
        "HOME": None,
        "MY_OWN": None,
    }


def test_without_hydra_there_are_no_overrides() -> None:
    assert overrides() == []


def test_a_later_attempt_replaces_what_the_one_before_it_said(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    (repository / "model.py").write_text("layers = 2\n")
    first = Run("p", save_dir=tmp_path / "store")
    first.start()
    first.end("preempted")
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    git(repository, "commit", "-qam", "second")
    second = Run("p", save_dir=tmp_path / "store", id=first.id)
    second.attempt = 2
    second.start()
    second.end()
    facts: dict[str, Any] = Store(tmp_path / "store").run("latest").info("start")
    assert facts["slurm"] is None
    assert facts["git"]["dirty"] is False
    assert facts["git"]["diff"] == ""
