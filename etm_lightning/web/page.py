"""The built front end, as one page."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from etm_lightning.web.built import HOW, built, static_folder
from etm_lightning.web.document import Document
from etm_lightning.web.guard import POLICY
from etm_lightning.web.plain import encode

ALLOWED = "img-src 'self' data: blob:; media-src 'self' blob:; connect-src 'self'; frame-src 'self'"
"""What the page may do besides running its own script and style."""

Session = Callable[[], Awaitable[Mapping[str, Any]]]


def page_route(session: Session, folder: Path | None = None) -> BaseRoute:
    """The route of the page. Its script and its style are in it, so no other file can be asked for.

    Args:
        session: tells what the page asks first: it is sent within the page.
        folder: where the front end was built; by default where the package has it.
    """
    root = folder or static_folder()
    return Route("/", _sent(root, session) if built(root) else _unbuilt, methods=["GET"])


@dataclass(frozen=True)
class _Page:
    """A page as it is sent."""

    policy: str
    plain: bytes
    packed: bytes


@lru_cache(maxsize=2)
def _made(root: Path, changed: int, told: bytes) -> _Page:
    """The page with a session in it: put together and compressed once."""
    page = Document.read(root)
    plain = page.filled("ETM", {"etm-session": msgspec.json.decode(told)}).encode()
    packed = gzip.compress(plain, compresslevel=6, mtime=0)
    return _Page(f"{POLICY}; {page.sources}; {ALLOWED}", plain, packed)


def page_of(told: Mapping[str, Any], root: Path) -> _Page:
    """The page with a session in it, which then need not be asked for."""
    return _made(root, (root / "index.html").stat().st_mtime_ns, encode(told))


def _sent(root: Path, session: Session) -> Callable[[Request], Awaitable[Response]]:
    async def send(request: Request) -> Response:
        page = await run_in_threadpool(page_of, await session(), root)
        headers = {"content-security-policy": page.policy, "vary": "accept-encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return HTMLResponse(page.plain, headers=headers)
        return HTMLResponse(page.packed, headers={**headers, "content-encoding": "gzip"})

    return send


async def _unbuilt(request: Request) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(
            f"<!doctype html><title>ETM</title><p>The page is not built.<pre>{HOW}</pre>", 503
        )
    return PlainTextResponse(f"The page is not built. In a clone: {HOW}\n", 503)
