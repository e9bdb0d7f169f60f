"""An application over a store, and a client that has its token."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec
import numpy as np
from starlette.datastructures import Headers
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

from etm_lightning.store.store import Store
from etm_lightning.web.app import build
from etm_lightning.web.guard import Access
from etm_lightning.web.stores import Stores

ORIGIN = "http://127.0.0.1:8265"
TOKEN = "0123456789abcdef-token"
BEARER = {"authorization": f"Bearer {TOKEN}"}
WRITE = {**BEARER, "x-etm": "1", "content-type": "application/json"}


def application(*stores: Path, readonly: bool = False, static: Path | None = None) -> ASGIApp:
    access = Access(frozenset({ORIGIN}), TOKEN)
    return build(Stores([Store(path) for path in stores]), access, readonly=readonly, static=static)


def built_page(root: Path, script: str = "'use strict'") -> Path:
    """A built front end, as Vite leaves it."""
    (root / "index.html").write_text(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8" />\n<title>ETM</title>\n'
        '<script type="module" crossorigin src="./app.js"></script>\n'
        '<link rel="stylesheet" crossorigin href="./app.css">\n</head>\n'
        '<body><div id="app"></div></body></html>'
    )
    (root / "app.js").write_text(script)
    (root / "app.css").write_text("body { color: red }")
    return root


def stranger(app: ASGIApp) -> TestClient:
    """A client without the token."""
    return TestClient(app, base_url=ORIGIN, raise_server_exceptions=False, follow_redirects=False)


def client(app: ASGIApp) -> TestClient:
    """One with the token, that may write."""
    found = TestClient(app, base_url=ORIGIN, follow_redirects=False)
    found.headers.update(WRITE)
    return found


def key(client: TestClient, id: str = "") -> str:
    """The key of the run whose id holds `id`."""
    rows = client.get("/api/runs", params={"sort": "id"}).json()["runs"]
    return str(next(row["key"] for row in rows if id in row["id"]))


def unpack(body: bytes) -> list[tuple[dict[str, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """What `docs/api.md` says of the answer of `/api/series`, read by the page alone."""
    assert body[:4] == b"ETM1"
    (length,) = struct.unpack("<I", body[4:8])
    header = msgspec.json.decode(body[8 : 8 + length])
    at, found = 8 + length, []
    assert at % 8 == 0
    for about in header["series"]:
        n = about["n"]
        x, y = (np.frombuffer(body, "<f8", n, at + part * 8 * n) for part in (0, 1))
        at += 16 * n
        found.append((about, x, y))
    assert at == len(body)
    return found


def ask(client: TestClient, series: Sequence[dict[str, Any]], **more: Any) -> list[Any]:
    answer = client.post("/api/series", json={"series": list(series), **more})
    assert answer.status_code == 200, answer.text
    return unpack(answer.content)


Knock = tuple[str, str, dict[str, str] | list[tuple[str, str]]]


def knock(app: ASGIApp, knocks: Sequence[Knock], *, host: str = "127.0.0.1:8265") -> list[Headers]:
    """The heads of answers to requests, as a server hands them over; `:status` is among the headers."""

    async def one(method: str, path: str, headers: list[tuple[str, str]]) -> Headers:
        found: list[Message] = []

        async def send(message: Message) -> None:
            found.append(message)

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        named = headers if any(name == "host" for name, _ in headers) else [("host", host), *headers]
        await app(
            {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": method,
                "scheme": "http",
                "path": unquote(path),
                "raw_path": path.encode(),
                "query_string": b"",
                "headers": [(name.encode(), value.encode()) for name, value in named],
                "root_path": "",
                "client": ("127.0.0.1", 1),
                "server": ("127.0.0.1", 8265),
            },
            receive,
            send,
        )
        return Headers(raw=[*found[0]["headers"], (b":status", str(found[0]["status"]).encode())])

    async def every() -> list[Headers]:
        return [
            await one(method, path, list(headers.items()) if isinstance(headers, dict) else headers)
            for method, path, headers in knocks
        ]

    with ThreadPoolExecutor(1) as beside:  # here Playwright's loop may run
        return beside.submit(asyncio.run, every()).result()


def statuses(app: ASGIApp, knocks: Sequence[Knock]) -> list[int]:
    return [int(headers[":status"]) for headers in knock(app, knocks)]
