"""A python for the processes of tests that need not import torch, Lightning, Hydra and Transformers anew.

A server has imported them and forks for each process. `python()` is a command that takes what python takes;
it hands its arguments, folder, environment and open files to the server, passes signals on, and ends as the
process does. What it runs is the process's whole life, with its own id and exit. Of an interpreter's start,
only the imports are missing, and of its end, that all those libraries are taken apart, which takes as long as
a small training: what is about those uses `sys.executable`. So does everything where this cannot be had,
which is everywhere but on Linux. The processes of xdist begin so too, by `worker()`, but with the libraries
alone: they import what is tested themselves, as they do without a server.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACE = "ETM_TESTS_PYTHON"
KILL = getattr(signal, "SIGRTMIN", signal.SIGKILL)
"""Sent to `python()` it kills the process and then itself; after SIGKILL it would be gone before that."""

SERVER = """
import atexit, gc, json, os, runpy, select, signal, socket, struct, sys, threading, types
import lightning.pytorch.loggers, torch.profiler, hydra, transformers, multiprocessing.spawn
import transformers.models.bert.modeling_bert, transformers.models.auto.modeling_auto

address, workers = sys.argv[1], sys.argv[2] == "workers"
ours = not workers or os.fork()
if ours:
    import etm_lightning.execute.train, etm_lightning.track.on_lightning, etm_lightning.track.sinks.worker
    import etm_lightning.text.bbc, etm_lightning.text.conll, etm_lightning.text.modules
    import etm_lightning.text.tables, tests.track.lines, tests.execute.small
    import etm_lightning.execute.app, etm_lightning.optimize.search, etm_lightning.optimize.results

def look_after(worker, connection):
    "Passes signals on, and tells the end."
    end = os.pidfd_open(worker)
    while True:
        ready, _, _ = select.select([connection, end], [], [])
        if end in ready:
            code = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
            try:
                connection.sendall(struct.pack("i", code))
            except OSError:
                pass
            os._exit(0)
        number = connection.recv(1)
        os.kill(worker, number[0] if number and number[0] != signal.SIGRTMIN else signal.SIGKILL)
        if not number:
            os.waitpid(worker, 0)
            os._exit(0)

def receive(connection):
    head, fds, _, _ = socket.recv_fds(connection, 4, 253)
    size, body = struct.unpack("I", head)[0], b""
    while len(body) < size:
        body += connection.recv(size - len(body))
    return json.loads(body), fds

def become(arguments, folder, environment, numbers, fds):
    "Take over what a process begins with."
    high = [(number, os.dup2(fd, 500 + number)) for number, fd in zip(numbers, fds)]
    for fd in fds:
        os.close(fd)
    for number, fd in high:
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    if ours:
        sys.executable, sys.orig_argv = CLIENT, [CLIENT, *arguments]
        multiprocessing.spawn.set_executable(CLIENT)
    known = [path for path in environment.get("PYTHONPATH", "").split(":") if path and path not in sys.path]
    sys.path[1:1] = known
    while arguments[0].startswith("-") and arguments[0] not in ("-m", "-c"):
        del arguments[: 2 if arguments[0] in ("-W", "-X") else 1]
    if arguments[0] == "-m":
        sys.argv, sys.path[0] = arguments[1:], folder
        return
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if arguments[0] == "-c":
        sys.argv, sys.path[0] = ["-c", *arguments[2:]], ""
        return compile(arguments[1], "<string>", "exec"), main.__dict__
    sys.argv, sys.path[0] = arguments, os.path.dirname(os.path.realpath(arguments[0]))
    main.__file__ = os.path.abspath(arguments[0])
    with open(arguments[0], "rb") as file:
        return compile(file.read(), main.__file__, "exec"), main.__dict__

def leave(code):
    "Threads, exit functions, what the program itself holds, and its last words, in an interpreter's order."
    threading._shutdown()
    atexit._run_exitfuncs()
    if sys.modules["__main__"].__dict__ is not globals():
        sys.modules["__main__"].__dict__.clear()
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()
    os._exit(code & 255)

CLIENT = os.path.dirname(address) + "/python"
if not ours:  # for processes of xdist, which import what is tested themselves
    address += ".workers"
    if sys.argv[3] == "collect" and not os.fork():  # else each of them compiles all that it imports
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        try:
            import pytest
            pytest.main(["-qq", "--collect-only"])
        finally:
            os._exit(0)
    elif sys.argv[3] == "collect":
        os.wait()
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
gc.freeze()  # the children need not look at what was imported
listener = socket.socket(socket.AF_UNIX)
listener.bind(address)
listener.listen(16)
while True:
    ready, _, _ = select.select([listener, 0], [], [])
    if 0 in ready:  # the tests are over
        os._exit(0)
    connection = listener.accept()[0]
    if os.fork():
        connection.close()
        continue
    listener.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, fds = receive(connection)
    worker = os.fork()
    if worker:
        for fd in (0, 1, 2, *fds):
            os.close(fd)
        look_after(worker, connection)
    connection.close()
    break
begin, code = become(*request, fds), None
try:
    if begin:
        exec(*begin)
    else:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit as end:
    code = end.code
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
except KeyboardInterrupt:  # of which an interpreter dies as by the signal
    raise
except BaseException as error:
    error.__traceback__ = error.__traceback__.tb_next
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    sys.excepthook(type(error), error, error.__traceback__)
    code = 1
leave(code or 0)
"""
CLIENT = """#!{python} -SE
import json, os, signal, socket, struct, sys
arguments = sys.argv[1:]
own = ("etm_lightning.track.shipping.shipper", "etm_lightning.execute.guard", "submitit.")
if not arguments or arguments[0] in ("-", "--version") or any(one.startswith(own) for one in arguments):
    os.execv({python!r}, [{python!r}, *arguments])
numbers = []
for name in os.listdir("/proc/self/fd"):
    try:
        os.fstat(int(name))
        numbers.append(int(name))
    except OSError:  # that of the list itself
        pass
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r} + (".workers" if arguments[:2] == ["-X", "cold"] else ""))
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGRTMIN):
    signal.signal(number, lambda number, frame: connection.sendall(bytes([number])))
body = json.dumps([arguments, os.getcwd(), dict(os.environ), numbers]).encode()
socket.send_fds(connection, [struct.pack("I", len(body))], numbers)
connection.sendall(body)
answer = connection.recv(4)
code = struct.unpack("i", answer)[0] if answer else 1
if code < 0:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [-code])
    if -code not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
os._exit(code)
"""


def begin(workers: bool = False) -> None:
    """Start the server, if this can be had and none is there; it imports while the caller goes on.

    All processes that the caller starts ask the same server. With `workers` it forks those of xdist too.
    """
    if sys.platform != "linux" or PLACE in os.environ:
        return
    folder = tempfile.mkdtemp(prefix="etm")
    address = f"{folder}/socket"
    compiled = sys.dont_write_bytecode or any(ROOT.glob("tests/__pycache__/test_cli.*-pytest-*.pyc"))
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, address, "workers" if workers else "", "" if compiled else "collect"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,  # a stream that knows it cannot seek, as those of its processes cannot
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=bare() | {"OMP_NUM_THREADS": "1"},
    )
    atexit.register(shutil.rmtree, folder)
    atexit.register(_end, server)
    client = Path(folder) / "python"
    client.write_text(CLIENT.format(python=sys.executable, address=address))
    client.chmod(0o700)
    os.environ[PLACE] = folder


def _end(server: subprocess.Popen[bytes]) -> None:
    said = server.communicate()[1]
    if server.returncode:
        print(said.decode(), file=sys.stderr)


def python() -> str:
    """A command that does what `sys.executable` does, at once."""
    begin()
    return _command("socket") or sys.executable


def worker() -> str:
    """A command for a process of xdist: only the libraries are imported, and `sys.executable` is cold."""
    begin(workers=True)
    command = _command("socket.workers")
    return f"{command} -X cold" if command else sys.executable


def _command(address: str) -> str | None:
    """The client, once somebody listens there; None where this cannot be had."""
    if PLACE not in os.environ:
        return None
    folder, deadline = os.environ[PLACE], time.monotonic() + 300
    while not Path(folder, address).exists():
        assert time.monotonic() < deadline, "the server has not come up; why is told at the end"
        time.sleep(0.02)
    return f"{folder}/python"


def bare() -> dict[str, str]:
    """The environment without what tells of a training, of ranks, or of the W&B service of this process."""
    ranks = ("MASTER_", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "PL_GLOBAL_SEED")
    drop = ("ETM_", "HYDRA_", "WANDB_SERVICE", *ranks)
    return {name: value for name, value in os.environ.items() if not name.startswith(drop)}


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL a process that `python()` began; when this returns it is gone."""
    process.send_signal(KILL)
    process.wait()
