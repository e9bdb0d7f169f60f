"""The routes of the API: each takes a request apart, asks a function of the other modules, and answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

import etm_lightning
from etm_lightning.web import (
    changes,
    comparing,
    curves,
    detail,
    events,
    export,
    figures,
    files,
    groups,
    openapi,
    rows,
    served,
    views,
)
from etm_lightning.web.plain import encode
from etm_lightning.web.stores import MissingError, Stores

Endpoint = Callable[[Request], Awaitable[Response]]
MOST_KEYS = 10_000
MOST_TAIL = 4 * 2**20


def answer(value: Any, status: int = 200) -> Response:
    """Plain data as JSON."""
    return Response(encode(value), status, media_type="application/json")


def session(stores: Stores, *, readonly: bool) -> dict[str, Any]:
    """What the page asks first."""
    return {
        "version": etm_lightning.__version__,
        "readonly": readonly,
        "plotly": figures.plotly_js() is not None,
        "stores": [
            {"id": p.id, "name": p.name, "path": str(p.store.path), "projects": p.store.projects()}
            for p in stores.places
        ],
    }


class Api:
    """The API over some stores.

    Args:
        stores: the stores.
        readonly: refuse every change.
        static: the folder with the built page, for exports.
        ending: whether the server is about to end.
    """

    def __init__(
        self,
        stores: Stores,
        *,
        readonly: bool = False,
        static: Path | None = None,
        ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self.stores, self.readonly, self.static, self.ending = stores, readonly, static, ending

    def routes(self) -> list[Route]:
        """The route table; the OpenAPI document is made of it."""
        return [
            Route("/api/session", self.session, methods=["GET"]),
            Route("/api/runs", self.runs, methods=["GET"]),
            Route("/api/columns", self.columns, methods=["GET"]),
            Route("/api/sparks", self.sparks, methods=["GET"]),
            Route("/api/runs/{key}", self.run, methods=["GET"]),
            Route("/api/runs/{key}", self.change, methods=["PATCH"]),
            Route("/api/runs/{key}", self.delete, methods=["DELETE"]),
            Route("/api/runs/{key}/media/{id}", self.media, methods=["GET"]),
            Route("/api/runs/{key}/figures/{id}", self.figure, methods=["GET"]),
            Route("/api/runs/{key}/artifacts/{id}", self.artifact, methods=["GET"]),
            Route("/api/runs/{key}/logs/{id}", self.log, methods=["GET"]),
            Route("/api/runs/{key}/table/{id}", self.table, methods=["GET"]),
            Route("/api/series", self.series, methods=["POST"]),
            Route("/api/events", self.events, methods=["GET"]),
            Route("/api/views", self.views, methods=["GET"]),
            Route("/api/views", self.keep_view, methods=["PATCH"]),
            Route("/api/compare", self.compare, methods=["GET"]),
            Route("/api/groups", self.groups, methods=["GET"]),
            Route("/api/groups/{store}/{project}/{group}", self.group, methods=["GET"]),
            Route("/api/study", self.study, methods=["GET"]),
            Route("/api/export", self.export, methods=["POST"]),
            Route("/api/openapi.json", self.openapi, methods=["GET"]),
        ]

    async def session(self, request: Request) -> Response:
        """Which version this is, whether it may change anything, and which stores it shows."""
        return answer(await self.about())

    async def about(self) -> dict[str, Any]:
        """What the page asks first."""
        return await run_in_threadpool(session, self.stores, readonly=self.readonly)

    async def runs(self, request: Request) -> Response:
        """The table of runs."""
        asked = request.query_params

        def find() -> dict[str, Any]:
            found = rows.page(
                self.stores,
                _filter(asked),
                sort=asked.get("sort") or "-created",
                offset=_whole(asked, "offset", 0),
                limit=_whole(asked, "limit", 500),
                columns=_listed(asked, "columns") if "columns" in asked else None,
            )
            if asked.get("curves") == "1" and (keys := _keys(asked)):
                self.stores.ahead(keys[0])
            return found

        return answer(await run_in_threadpool(find))

    async def columns(self, request: Request) -> Response:
        """The settings and metrics that runs have."""
        asked = request.query_params
        return answer(await run_in_threadpool(lambda: rows.columns(self.stores, _filter(asked))))

    async def sparks(self, request: Request) -> Response:
        """A metric of several runs in a few values each."""
        asked = request.query_params
        points = min(max(_whole(asked, "points", 40), 4), 400)
        return answer(
            await run_in_threadpool(rows.sparks, self.stores, asked.get("metric", ""), _keys(asked), points)
        )

    async def run(self, request: Request) -> Response:
        """All about a run but its points."""
        key = request.path_params["key"]

        def find() -> dict[str, Any]:
            return detail.detail(rows.row(self.stores, key), self.stores.run(key).run)

        return answer(await run_in_threadpool(find))

    async def change(self, request: Request) -> Response:
        """Rename, note, tag, archive or trash a run."""
        self._writable()
        asked = _read(await request.body(), changes.Change)
        return answer(await run_in_threadpool(changes.change, self.stores, request.path_params["key"], asked))

    async def delete(self, request: Request) -> Response:
        """Delete a run that is in the trash, for good."""
        self._writable()
        key = request.path_params["key"]
        await run_in_threadpool(changes.delete, self.stores, key)
        return answer({"deleted": key})

    def _writable(self) -> None:
        if self.readonly:
            raise PermissionError("this server was started with --read-only")

    async def media(self, request: Request) -> Response:
        """The bytes of a picture, table, curve, sound or film; a page only in a sandbox."""

        def find() -> Response:
            run = self.stores.run(request.path_params["key"]).run
            one = files.media(run).get(request.path_params["id"])
            if one is None:
                raise MissingError("the run has no such medium")
            return self._file(request, run, one.file, one.name)

        return await run_in_threadpool(find)

    async def figure(self, request: Request) -> Response:
        """A figure of plotly as a page, in a sandbox."""

        def find() -> bytes:
            run = self.stores.run(request.path_params["key"]).run
            one = files.media(run).get(request.path_params["id"])
            if one is None or one.type != "plotly":
                raise MissingError("the run has no such figure")
            return figures.page(files.open_file(run, one.file))

        return served.framed(await run_in_threadpool(find))

    async def artifact(self, request: Request) -> Response:
        """The bytes of an artifact that lies in the run's folder, to be kept as a file."""

        def find() -> Response:
            run = self.stores.run(request.path_params["key"]).run
            one = files.artifacts(run).get(request.path_params["id"])
            if one is None:
                raise MissingError("the run has no such artifact")
            return self._file(request, run, one.path, one.path, download=True)

        return await run_in_threadpool(find)

    def _file(self, request: Request, run: Any, path: str, name: str, *, download: bool = False) -> Response:
        suffix = "." + path.rpartition(".")[2].lower()
        file = files.open_file(run, path)
        download = download or request.query_params.get("download") == "1"
        name = name if name.lower().endswith(suffix) else name + suffix
        return served.sent(file, suffix, name, request.headers.get("range"), download=download)

    async def log(self, request: Request) -> Response:
        """The end of a file of text from the run's `logs/`."""
        most = min(_whole(request.query_params, "tail", 65536), MOST_TAIL)

        def find() -> str:
            run = self.stores.run(request.path_params["key"]).run
            one = files.logs(run).get(request.path_params["id"])
            if one is None:
                raise MissingError("the run has no such log")
            return served.tail(files.open_file(run, one.path), most)

        return PlainTextResponse(await run_in_threadpool(find))

    async def table(self, request: Request) -> Response:
        """Some rows of a recorded table."""
        offset, limit = _whole(request.query_params, "offset", 0), _whole(request.query_params, "limit", 100)

        def find() -> dict[str, Any]:
            run = self.stores.run(request.path_params["key"]).run
            one = files.media(run).get(request.path_params["id"])
            if one is None or one.type != "table":
                raise MissingError("the run has no such table")
            return served.table(files.open_file(run, one.file), offset, min(limit, MOST_KEYS))

        return answer(await run_in_threadpool(find))

    async def series(self, request: Request) -> Response:
        """The points of series, as typed binary."""
        asked = _read(await request.body(), curves.Question)
        asked.check()
        packed = await run_in_threadpool(curves.answer, self.stores, asked)
        return Response(packed, media_type="application/octet-stream")

    async def events(self, request: Request) -> Response:
        """What changes, as server-sent events."""
        asked = request.query_params
        told = events.events(self.stores, asked.get("store", ""), frozenset(_keys(asked)), self.ending)
        return StreamingResponse(told, media_type="text/event-stream")

    async def views(self, request: Request) -> Response:
        """The named views."""
        return answer(await run_in_threadpool(views.views, self.stores))

    async def keep_view(self, request: Request) -> Response:
        """Keep a view by its name, or forget it."""
        self._writable()
        asked = _read(await request.body(), views.View)
        return answer(await run_in_threadpool(views.keep, self.stores, asked))

    async def compare(self, request: Request) -> Response:
        """Runs side by side."""
        asked = request.query_params
        return answer(
            await run_in_threadpool(comparing.compare, self.stores, _keys(asked), asked.get("baseline", ""))
        )

    async def groups(self, request: Request) -> Response:
        """The groups of runs, and the studies."""
        asked = request.query_params
        return answer(
            await run_in_threadpool(
                groups.groups, self.stores, asked.get("store", ""), asked.get("project", "")
            )
        )

    async def group(self, request: Request) -> Response:
        """A group or study with its trials."""
        where = request.path_params
        return answer(
            await run_in_threadpool(
                groups.group, self.stores, where["store"], where["project"], where["group"]
            )
        )

    async def study(self, request: Request) -> Response:
        """A group or study with its trials, whatever is in its name."""
        asked = request.query_params
        where = [asked.get(name, "") for name in ("store", "project", "group")]
        return answer(await run_in_threadpool(groups.group, self.stores, *where))

    async def export(self, request: Request) -> Response:
        """Runs as one HTML file that needs no server."""
        asked = _read(await request.body(), export.Export)
        asked.check()

        def make() -> str:
            return export.export(
                self.stores, asked.keys, title=asked.title, points=asked.points, static=self.static
            )

        # it is kept by the browser, never shown as a page of this server
        headers = {
            "content-disposition": "attachment; filename=runs.html",
            "content-security-policy": "sandbox",
        }
        return Response(await run_in_threadpool(make), headers=headers, media_type="text/html")

    async def openapi(self, request: Request) -> Response:
        """This document."""
        return answer(openapi.document(self.routes()))


def _read(body: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"the body is not what it should be: {error}") from error


def _filter(asked: Mapping[str, str]) -> rows.Filter:
    return rows.Filter(
        store=asked.get("store", ""),
        project=asked.get("project", ""),
        group=asked.get("group", ""),
        q=asked.get("q", ""),
        archived=asked.get("archived") == "1",
        trashed=asked.get("trashed") == "1",
        keys=tuple(_keys(asked)),
        known=asked.get("known") == "1",
    )


def _keys(asked: Mapping[str, str]) -> list[str]:
    keys = _listed(asked, "keys")
    if len(keys) > MOST_KEYS:
        raise ValueError(f"`keys` may be {MOST_KEYS} but got {len(keys)}")
    return keys


def _listed(asked: Mapping[str, str], name: str) -> list[str]:
    return [one for one in asked.get(name, "").split(",") if one]


def _whole(asked: Mapping[str, str], name: str, default: int) -> int:
    text = asked.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise ValueError(f"`{name}` must be a whole number from 0 on but got {text[:40]!r}")
    return int(text)
