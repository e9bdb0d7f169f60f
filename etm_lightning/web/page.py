"""The built front end, as files."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from etm_lightning.web.built import HOW, built, static_folder

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


def page_routes(folder: Path | None = None) -> list[BaseRoute]:
    """A route for each file of the page: what is not there now cannot be asked for."""
    root = folder or static_folder()
    if not built(root):
        return [Route("/", _unbuilt, methods=["GET"])]
    routes: list[BaseRoute] = [Route("/", _file(root / "index.html"), methods=["GET"])]
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.suffix in TYPES:
            where = "/" + path.relative_to(root).as_posix()
            routes.append(Route(where, _file(path), methods=["GET"]))
    return routes


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that sends a file; those of the build's `assets/` have names that change with them."""
    forever = path.parent.name == "assets"

    async def send(request: Request) -> Response:
        content = path.read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
        headers = {
            "etag": tag,
            "cache-control": "private, max-age=31536000, immutable" if forever else "private, no-cache",
        }
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=TYPES[path.suffix])

    return send


async def _unbuilt(request: Request) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(
            f"<!doctype html><title>ETM</title><p>The page is not built.<pre>{HOW}</pre>", 503
        )
    return PlainTextResponse(f"The page is not built. In a clone: {HOW}\n", 503)
