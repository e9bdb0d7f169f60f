"""Workers of the sink `lightning` that need not import Lightning anew: a server has, and forks for each."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = "ETM_TESTS_WORKERS"
SERVER = """
import gc, os, select, signal, socket, sys
import lightning.pytorch.loggers
from etm_lightning.track.sinks import worker

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
gc.freeze()
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
while True:
    ready, _, _ = select.select([listener, 0], [], [])
    if 0 in ready:  # the tests are over
        os._exit(0)
    connection = listener.accept()[0]
    fds = socket.recv_fds(connection, 1, 3)[1]
    if not os.fork():
        break
    connection.close()
    for fd in fds:
        os.close(fd)
for number, fd in enumerate(fds):
    os.dup2(fd, number)
    os.close(fd)
worker.main()
os._exit(0)
"""
# Hands its own standard streams to a fork of the server, and lives as long as that does.
CLIENT = """#!{python} -SE
import socket
connection = socket.socket(socket.AF_UNIX)
connection.connect({address!r})
socket.send_fds(connection, [b"x"], [0, 1, 2])
connection.recv(1)
"""


def interpreter() -> str:
    """A command that does what `python -P -m etm_lightning.track.sinks.worker` does, at once."""
    if PLACE not in os.environ:
        folder = tempfile.mkdtemp(prefix="etm")
        os.environ[PLACE] = folder
        address = f"{folder}/socket"
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, address],
            stdin=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        )
        atexit.register(shutil.rmtree, folder)
        atexit.register(server.communicate)
        client = Path(folder) / "python"
        client.write_text(CLIENT.format(python=sys.executable, address=address))
        client.chmod(0o700)
        while not Path(address).exists():
            assert server.poll() is None
            time.sleep(0.02)
    return f"{os.environ[PLACE]}/python"
