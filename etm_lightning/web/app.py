"""The HTTP API and the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from etm_lightning.web.changes import ConflictError
from etm_lightning.web.export import UnbuiltError
from etm_lightning.web.guard import Access, Guard, TooLargeError, refuse
from etm_lightning.web.page import page_route
from etm_lightning.web.routes import Api
from etm_lightning.web.stores import MissingError, Stores

STATUS: dict[type[Exception], int] = {
    MissingError: 404,
    ConflictError: 409,
    UnbuiltError: 503,
    TooLargeError: 413,
    ValueError: 400,
    PermissionError: 403,
    OSError: 503,
}


def build(
    stores: Stores,
    access: Access,
    *,
    readonly: bool = False,
    static: Path | None = None,
    ending: Callable[[], bool] = lambda: False,
) -> ASGIApp:
    """The whole application, guarded.

    Args:
        stores: the stores that are shown.
        access: what a request must show.
        readonly: refuse every change.
        static: the folder with the built page; by default the one that comes with the package.
        ending: whether the server is about to end: who listens to it is let go.
    """
    api = Api(stores, readonly=readonly, static=static, ending=ending)
    app = Starlette(
        routes=[*api.routes(), page_route(api.about, static)],
        middleware=[Middleware(Compressed)],
        exception_handlers={
            HTTPException: _refused,
            **dict.fromkeys(STATUS, _wrong),
        },
    )
    return Guard(app, access)


class Compressed:
    """Answers of text are sent compressed; numbers, pictures and parts of films are not, where it costs more.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._compressing = app, GZipMiddleware(app, minimum_size=1024, compresslevel=3)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        raw = path in ("/api/series", "/api/events") or "/media/" in path or "/artifacts/" in path
        raw = raw or path == "/"  # it is kept compressed
        await (self._app if raw else self._compressing)(scope, receive, send)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refuse(error.status_code, error.detail)


async def _wrong(request: Request, error: Exception) -> Response:
    """The first kind that fits says the status; the message is for people."""
    status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
    answer: dict[str, str | int] = {"error": str(error)}
    at = getattr(error, "at", None)
    if isinstance(at, int):
        answer["at"] = at  # where a search is wrong
    return JSONResponse(answer, status)
