"""The built front end, as one page."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    """A page as it is sent, and what it was made of."""

    made_of: tuple[bytes, int]
    policy: str
    plain: bytes
    packed: bytes

    @classmethod
    def made(cls, root: Path, told: Mapping[str, Any], made_of: tuple[bytes, int]) -> _Page:
        page = Document.read(root)
        plain = page.filled("ETM", {"etm-session": told}).encode()
        packed = gzip.compress(plain, compresslevel=6, mtime=0)
        return cls(made_of, f"{POLICY}; {page.sources}; {ALLOWED}", plain, packed)


def _sent(root: Path, session: Session) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that sends the page with the session in it, which then need not be asked for."""
    kept: _Page | None = None

    async def send(request: Request) -> Response:
        nonlocal kept
        told = await session()
        made_of = encode(told), (root / "index.html").stat().st_mtime_ns
        if kept is None or kept.made_of != made_of:  # it is put together and compressed once
            kept = await run_in_threadpool(_Page.made, root, told, made_of)
        headers = {"content-security-policy": kept.policy, "vary": "accept-encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return HTMLResponse(kept.plain, headers=headers)
        return HTMLResponse(kept.packed, headers={**headers, "content-encoding": "gzip"})

    return send


async def _unbuilt(request: Request) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(
            f"<!doctype html><title>ETM</title><p>The page is not built.<pre>{HOW}</pre>", 503
        )
    return PlainTextResponse(f"The page is not built. In a clone: {HOW}\n", 503)
