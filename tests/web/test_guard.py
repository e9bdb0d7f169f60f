"""Nobody gets in who may not: every route and method, every way that dashboards were broken into before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from etm_lightning.web.guard import Access, Guard
from etm_lightning.web.stores import Stores
from tests.web.ground import (
    BEARER,
    ORIGIN,
    TOKEN,
    WRITE,
    application,
    built_page,
    client,
    key,
    knock,
    statuses,
    stranger,
)

KNOWN = ("GET", "HEAD", "POST", "PATCH", "DELETE")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
FOREIGN = {
    "a name that was made to point here": {"host": "evil.example:8265"},
    "a name without the port": {"host": "127.0.0.1"},
    "another port": {"host": "127.0.0.1:80"},
    "a name that begins like ours": {"host": "127.0.0.1:8265.evil.example"},
    "every address": {"host": "0.0.0.0:8265"},
    "no name": {"host": ""},
    "another origin": {"origin": "http://evil.example"},
    "another port's page": {"origin": "http://127.0.0.1:3000"},
    "a page of no origin": {"origin": "null"},
    "another scheme": {"origin": "https://127.0.0.1:8265"},
    "another site": {"sec-fetch-site": "cross-site"},
    "another port of this host": {"sec-fetch-site": "same-site"},
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that is built."""
    return built_page(tmp_path_factory.mktemp("static"))


@pytest.fixture(scope="module")
def app(sweep_store: Path, page: Path) -> ASGIApp:
    return application(sweep_store, static=page)


def routes(app: ASGIApp) -> list[str]:
    """The path of every route there is, with something in its places."""
    assert isinstance(app, Guard)
    inner = app._app
    assert isinstance(inner, Starlette)
    assert all(isinstance(route, Route) for route in inner.routes), "a route that this test does not know"
    return [
        route.path.replace("{", "").replace("}", "") for route in inner.routes if isinstance(route, Route)
    ]


def every(app: ASGIApp) -> Iterator[tuple[str, str]]:
    paths = [*routes(app), "/nothing", "/api/nothing", "/etc/passwd"]
    return ((method, path) for path in paths for method in METHODS)


def test_the_walk_meets_all_kinds_of_routes(app: ASGIApp) -> None:
    found = routes(app)
    assert {"/", "/api/events", "/api/series", "/api/export"} <= set(found)
    assert len(found) >= 20


def test_no_route_answers_without_the_token(app: ASGIApp) -> None:
    wrongs: list[dict[str, str]] = [
        {},
        {"authorization": "Bearer wrong-wrong-wrong-wrong"},
        {"cookie": "etm-0=1; etm=2"},
    ]
    knocks = [(method, path, {**wrong, "x-etm": "1"}) for method, path in every(app) for wrong in wrongs]
    for (method, path, wrong), status in zip(knocks, statuses(app, knocks), strict=True):
        assert status == (401 if method in KNOWN else 405), (method, path, wrong)


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_no_route_answers_another_page_even_with_the_token(app: ASGIApp, foreign: dict[str, str]) -> None:
    knocks = [(method, path, {**WRITE, **foreign}) for method, path in every(app)]
    for knocked, status in zip(knocks, statuses(app, knocks), strict=True):
        assert status == 403, knocked


def test_the_token_in_the_address_does_not_help_another_page(app: ASGIApp) -> None:
    for foreign in FOREIGN.values():
        answer = stranger(app).get("/", params={"token": TOKEN}, headers=foreign)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


def test_two_hosts_or_two_origins_are_refused(app: ASGIApp) -> None:
    ours = ("host", "127.0.0.1:8265")
    for more in ([ours, ours], [ours, ("host", "evil.example")]):
        answer = stranger(app).get("/api/session", headers=[*more, *BEARER.items()])
        assert answer.status_code == 403
    twice = [("origin", ORIGIN), ("origin", "http://evil.example"), *BEARER.items()]
    assert stranger(app).get("/api/session", headers=twice).status_code == 403


def test_every_change_needs_what_a_form_of_another_page_cannot_send(app: ASGIApp) -> None:
    kinds = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "")
    for path in routes(app):
        for method in ("POST", "PATCH", "DELETE"):
            plain = {**BEARER, "content-type": "application/json"}
            forms = [{**WRITE, "content-type": kind} for kind in kinds]
            found = statuses(app, [(method, path, headers) for headers in (plain, *forms)])
            assert found == [403, *[415] * len(forms)], (method, path)


def test_every_answer_has_the_headers_of_safety(app: ASGIApp) -> None:
    knocks = [
        (method, path, headers)
        for method, path in every(app)
        for headers in (WRITE, {})
        if path != "/api/events" or not headers  # it does not end
    ]
    for knocked, headers in zip(knocks, knock(app, knocks), strict=True):
        assert headers["x-content-type-options"] == "nosniff", knocked
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert not [name for name in headers if name.startswith("access-control-")]


def test_the_token_is_exchanged_for_a_cookie_that_scripts_and_other_sites_do_not_have(app: ASGIApp) -> None:
    browser = stranger(app)
    answer = browser.get("/", params={"token": TOKEN})
    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert {"httponly", "samesite=strict", "path=/"} <= set(cookie.lower().split("; "))
    assert TOKEN not in cookie
    assert browser.get("/api/session").status_code == 200
    assert browser.get("/").status_code == 200
    assert stranger(app).get("/", params={"token": "wrong"}).status_code == 401
    assert stranger(app).get("/api/session", params={"token": TOKEN}).status_code == 401


def test_the_cookie_is_for_tls_only_where_the_page_is(sweep_store: Path) -> None:
    from etm_lightning.store.store import Store
    from etm_lightning.web.app import build

    app = build(Stores([Store(sweep_store)]), Access(frozenset({"https://etm.example.org"}), TOKEN))
    browser = TestClient(app, base_url="https://etm.example.org", follow_redirects=False)
    assert "; Secure" in browser.get("/", params={"token": TOKEN}).headers["set-cookie"]
    assert browser.get("/api/session", headers={"host": "etm.example.org:443"}).status_code == 200
    assert browser.get("/api/session", headers={"host": "etm.example.org:8265"}).status_code == 403


def test_a_cookie_of_another_start_does_not_open_it(app: ASGIApp, sweep_store: Path) -> None:
    from etm_lightning.store.store import Store
    from etm_lightning.web.app import build

    other = build(Stores([Store(sweep_store)]), Access(frozenset({ORIGIN}), "another-token-another"))
    browser = stranger(other)
    browser.get("/", params={"token": "another-token-another"})
    (cookie,) = browser.cookies.jar
    assert browser.get("/api/session").status_code == 200
    answer = stranger(app).get("/api/session", headers={"cookie": f"{cookie.name}={cookie.value}"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "/%252e%252e/etc/passwd",
        "/app.js%00.html", "/app.js;x", "/..\\..\\etc\\passwd", "/%5c..%5cetc", "//etc/passwd", "/./app.js",
        "/assets/../app.js", "/assets/%2e%2e/index.html", "/api/runs/..%2f..", "/api/runs/%00",
        "/api/runs/%2e%2e/media/%2e%2e", "/static/app.js", "/index.html.map", "/app.py",
    ],
)  # fmt: skip
def test_no_path_leads_out(app: ASGIApp, path: str) -> None:
    assert statuses(app, [("GET", path, BEARER)]) == [404]


def test_a_long_body_is_refused_whatever_it_says_of_itself(app: ASGIApp) -> None:
    body = b'{"series": [' + b" " * 2**21 + b"]}"
    assert stranger(app).post("/api/series", content=body, headers=WRITE).status_code == 413

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 2**16):
            yield body[start : start + 2**16]

    assert stranger(app).post("/api/series", content=pieces(), headers=WRITE).status_code == 413


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"series": 1}', b"[" * 100_000, b'{"series":[],"x":"rowid"}', b"\xff"],
)
def test_what_is_no_question_is_a_mistake_of_who_asks(app: ASGIApp, body: bytes) -> None:
    answer = stranger(app).post("/api/series", content=body, headers=WRITE)
    assert answer.status_code == 400
    assert answer.json()["error"]


@pytest.mark.parametrize("query", ["limit=-1", "limit=1e9", "limit=٣", "offset=a", "limit=99999999999999"])
def test_numbers_out_of_range_are_refused(app: ASGIApp, query: str) -> None:
    assert client(app).get(f"/api/runs?{query}").status_code == 400


def test_a_server_that_only_shows_changes_nothing(sweep_store: Path) -> None:
    before = sorted(path.stat().st_mtime_ns for path in sweep_store.rglob("*"))
    browser = client(application(sweep_store, readonly=True))
    where = f"/api/runs/{key(browser)}"
    assert browser.patch(where, json={"notes": "x", "trashed": True}).status_code == 403
    assert browser.delete(where).status_code == 403
    assert browser.get("/api/session").json()["readonly"] is True
    assert browser.get(where).status_code == 200
    assert sorted(path.stat().st_mtime_ns for path in sweep_store.rglob("*")) == before


def test_a_short_token_is_refused() -> None:
    with pytest.raises(ValueError, match="`token` must have 16 characters"):
        Access(frozenset({ORIGIN}), "short")


def test_a_websocket_is_refused(app: ASGIApp) -> None:
    with pytest.raises(ValueError, match="no such connection"), client(app).websocket_connect("/api/events"):
        pass
