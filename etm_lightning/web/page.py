"""The built front end, as files."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from etm_lightning.web.built import HOW, built, static_folder
from etm_lightning.web.plain import as_data

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
}


TEXTS = (".html", ".js", ".css", ".svg", ".json", ".webmanifest", ".txt")
"""What is smaller when it is compressed."""

Session = Callable[[], Awaitable[Mapping[str, Any]]]


def page_routes(session: Session, folder: Path | None = None) -> list[BaseRoute]:
    """A route for each file of the page: what is not there now cannot be asked for.

    Args:
        session: tells what the page asks first: it is sent within the page.
        folder: where the files lie; by default where the package has them.
    """
    root = folder or static_folder()
    if not built(root):
        return [Route("/", _unbuilt, methods=["GET"])]
    routes: list[BaseRoute] = [Route("/", _first(root / "index.html", session), methods=["GET"])]
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix in TYPES:
            where = "/" + path.relative_to(root).as_posix()
            routes.append(Route(where, _file(path), methods=["GET"]))
    return routes


@dataclass(frozen=True)
class _Content:
    """A file as it is sent."""

    plain: bytes
    packed: bytes
    tag: str

    @classmethod
    def of(cls, path: Path) -> _Content:
        plain = path.read_bytes()
        packed = gzip.compress(plain, mtime=0) if path.suffix in TEXTS else b""
        return cls(plain, packed, hashlib.sha256(plain).hexdigest()[:24])


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that sends a file; those of the build's `assets/` have names that change with them."""
    forever = path.parent.name == "assets"
    kept: dict[tuple[int, int], _Content] = {}

    async def send(request: Request) -> Response:
        now = path.stat()
        stamp = now.st_mtime_ns, now.st_size
        if stamp not in kept:  # it is compressed once, and not at each request
            kept.clear()
            kept[stamp] = _Content.of(path)
        content = kept[stamp]
        small = content.packed and "gzip" in request.headers.get("accept-encoding", "")
        tag = f'"{content.tag}{"-gzip" if small else ""}"'
        headers = {
            "etag": tag,
            "vary": "Accept-Encoding",
            "cache-control": "private, max-age=31536000, immutable" if forever else "private, no-cache",
        }
        if small:
            headers["content-encoding"] = "gzip"
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        sent = content.packed if small else content.plain
        return Response(sent, headers=headers, media_type=TYPES[path.suffix])

    return send


def _first(path: Path, session: Session) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that sends the page with the session in it, which then need not be asked for."""

    async def send(request: Request) -> Response:
        told = f'<script type="application/json" id="etm-session">{as_data(await session())}</script>'
        head, mark, rest = path.read_text(encoding="utf-8").partition("</head>")
        return HTMLResponse(f"{head}{told}{mark}{rest}" if mark else head)

    return send


async def _unbuilt(request: Request) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(
            f"<!doctype html><title>ETM</title><p>The page is not built.<pre>{HOW}</pre>", 503
        )
    return PlainTextResponse(f"The page is not built. In a clone: {HOW}\n", 503)
