"""A real MLflow server on loopback that can be killed and started again at once.

A process has imported MLflow's application and forks for each life of the server.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
    "OMP_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
}
SERVER = """
import os, sys
import uvicorn
from mlflow.server.fastapi_app import app
import mlflow.store.tracking.sqlalchemy_store

for line in sys.stdin:
    pid = os.fork()
    if not pid:
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
        os._exit(0)
    print(pid, flush=True)
    os.waitpid(pid, 0)
"""


class Server:
    """The server, running or not; `uri` is its address."""

    def __init__(self, host: subprocess.Popen[str], port: int) -> None:
        self._host, self.uri = host, f"http://127.0.0.1:{port}"
        self._pid = 0

    def start(self) -> None:
        """Start it and wait until it answers; does nothing if it runs."""
        if self._pid:
            return
        assert self._host.stdin
        assert self._host.stdout
        self._host.stdin.write("start\n")
        self._host.stdin.flush()
        self._pid = int(self._host.stdout.readline())
        while not self._healthy():
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as SIGKILL does."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self._pid = 0

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def server(folder: Path, database: str) -> Iterator[Server]:
    """A server with its artifacts in `folder`, which is stopped at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
    }
    host = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, **places},
    )
    found = Server(host, port)
    try:
        yield found
    finally:
        found.kill()
        host.communicate()


def rest(server: Server, path: str) -> dict[str, object]:
    """What the server's REST interface says, asked without MLflow's client."""
    with urllib.request.urlopen(f"{server.uri}/api/2.0/mlflow/{path}", timeout=30) as answer:
        found: dict[str, object] = json.load(answer)
        return found
