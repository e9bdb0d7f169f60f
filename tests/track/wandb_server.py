"""As much of a W&B server as its client asks for: runs, their rows, summaries and states, in memory."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "0123456789abcdef" * 2 + "01234567"
ALLOWED = "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()


@dataclass
class Stored:
    """What the server has of one run."""

    name: str
    upserts: list[dict[str, Any]] = field(default_factory=list)
    history: dict[int, dict[str, Any]] = field(default_factory=dict)
    events: dict[int, dict[str, Any]] = field(default_factory=dict)
    console: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [self.history[place] for place in sorted(self.history)]

    @property
    def told(self) -> dict[str, Any]:
        """What the upserts come to: one that does not say something leaves it as it was."""
        return {name: value for upsert in self.upserts for name, value in upsert.items() if value is not None}

    @property
    def config(self) -> dict[str, Any]:
        given = json.loads(self.told.get("config") or "{}")
        return {name: entry["value"] for name, entry in given.items()}


@dataclass
class Server:
    """A server on loopback.

    Attributes:
        url: to be given as `WANDB_BASE_URL`.
        runs: by id.
        files: what was uploaded, by name.
        artifacts: what came with each version of one.
    """

    url: str = ""
    runs: dict[str, Stored] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, operation: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            if "upsertBucket(" in query:
                return {"upsertBucket": self._upsert(variables)}
            if operation == "RunResumeStatus":
                return {
                    "model": {
                        "id": "m",
                        "name": "p",
                        "entity": {"id": "e", "name": "me"},
                        "bucket": self._bucket(variables),
                    }
                }
            if operation == "Viewer":
                return {
                    "viewer": {
                        "id": "v",
                        "entity": "me",
                        "username": "me",
                        "flags": "{}",
                        "teams": {"edges": []},
                    }
                }
            if operation == "CreateRunFiles":
                files = [
                    {"name": name, "uploadUrl": f"{self.url}/storage/{name}"} for name in variables["files"]
                ]
                return {"createRunFiles": {"runID": "x", "uploadHeaders": [], "files": files}}
            if "createArtifact(" in query:  # as if it had it already, so that no file needs to come
                sequence = {"id": "s", "latestArtifact": {"id": "a", "versionIndex": 0}}
                artifact = {"id": "a", "state": "COMMITTED", "artifactSequence": sequence}
                self.artifacts.append(variables)
                return {"createArtifact": {"artifact": artifact}}
            return {}  # W&B's client lives with what a server does not know

    def _upsert(self, variables: dict[str, Any]) -> dict[str, Any]:
        name = variables["name"]
        known = name in self.runs
        run = self.runs.setdefault(name, Stored(name))
        run.upserts.append(variables)
        project = {"id": "m", "name": variables["project"], "entity": {"id": "e", "name": "me"}}
        bucket = {"id": f"id-{name}", "name": name, "displayName": variables.get("displayName") or name}
        bucket |= {
            "description": "",
            "config": variables.get("config"),
            "sweepName": None,
            "project": project,
        }
        bucket |= {"historyLineCount": len(run.history)}
        return {"bucket": bucket, "inserted": not known}

    def _bucket(self, variables: dict[str, Any]) -> dict[str, Any] | None:
        run = self.runs.get(variables["name"])
        if run is None:
            return None
        tail = [json.dumps(run.rows[-1])] if run.history else []
        events = [json.dumps(run.events[max(run.events)])] if run.events else []
        return {
            "id": f"id-{run.name}",
            "name": run.name,
            "displayName": run.name,
            "state": "finished",
            "sweepName": None,
            "tags": [],
            "summaryMetrics": json.dumps(run.summary),
            "historyTail": json.dumps(tail),
            "eventsTail": json.dumps(events),
            "historyLineCount": len(run.history),
            "eventsLineCount": len(run.events),
            "logLineCount": len(run.console),
            "config": run.told.get("config") or "{}",
            "wandbConfig": json.dumps({"t": 1}),
        }

    def stream(self, name: str, body: dict[str, Any]) -> None:
        with self.lock:
            run = self.runs[name]
            for file, chunk in (body.get("files") or {}).items():
                first, lines = int(chunk["offset"]), chunk["content"]
                if file == "wandb-history.jsonl":
                    run.history.update({first + n: json.loads(line) for n, line in enumerate(lines)})
                elif file == "wandb-events.jsonl":
                    run.events.update({first + n: json.loads(line) for n, line in enumerate(lines)})
                elif file == "wandb-summary.json":
                    run.summary = json.loads(lines[-1])
                elif file == "output.log":
                    run.console += lines
            if body.get("complete"):
                run.exit_code = body.get("exitcode")


@contextmanager
def server() -> Iterator[Server]:
    """A server for the time of a test."""
    found = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.headers.get("Authorization") != ALLOWED:
                self._reply(401, {"errors": [{"message": "user is not logged in"}]})
            elif self.path == "/graphql":
                asked = json.loads(body)
                query = asked.get("query", "")
                operation = asked.get("operationName") or query.split("(")[0].split("{")[0].split()[-1]
                self._reply(200, {"data": found.answer(operation, query, asked.get("variables") or {})})
            elif self.path.endswith("/file_stream"):
                found.stream(self.path.split("/")[-2], json.loads(body))
                self._reply(200, {})
            else:
                self._reply(404, {})

        def do_GET(self) -> None:
            self._reply(404, {})

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found.files[self.path.removeprefix("/storage/")] = body
            self._reply(200, {})

        def _reply(self, code: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
