from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from etm_lightning.process import Process, boot_id, born, host, lives, this_process


@pytest.fixture
def child() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.communicate()


def test_this_process_lives() -> None:
    me = this_process()
    assert me == this_process()
    assert me.pid == os.getpid()
    assert lives(me) is True


def test_a_process_lives_until_it_dies(child: subprocess.Popen[bytes]) -> None:
    start = born(child.pid)
    assert start is not None
    process = Process(host(), boot_id(), child.pid, start)
    assert lives(process) is True
    child.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert lives(process) is False  # a zombie does not count
    end(child)
    assert lives(process) is False
    assert born(child.pid) is None


def test_another_process_with_the_same_pid_is_not_the_same() -> None:
    me = this_process()
    assert lives(replace(me, born=me.born - 60)) is False
    assert lives(replace(me, boot="an earlier boot")) is False


def test_a_process_of_another_host_cannot_be_seen() -> None:
    assert lives(replace(this_process(), host="elsewhere")) is None


@pytest.mark.skipif(sys.platform != "linux", reason="a process sets its name in another way elsewhere")
@pytest.mark.parametrize("name", [b") R 1 (", b"\xff\xfe", "été損失損".encode()[:15]])
def test_a_process_may_have_any_name(name: bytes) -> None:
    code = "open('/proc/self/comm', 'wb', 0).write(bytes.fromhex(input())); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        before = born(child.pid)
        child.stdin.write(name.hex().encode() + b"\n")
        child.stdin.flush()
        child.stdout.readline()
        assert born(child.pid) == before
        child.kill()
