"""Who may ask: every request of every route passes here, and what is not allowed is refused.

The page runs where other pages of the browser can send requests to it, so being on this machine proves
nothing. A request needs the exact name of this server as its `Host` (a name that was made to point here has
another), no sign of coming from another page (`Origin`, `Sec-Fetch-Site`), and the token of this start. So no
other page can open ours in a window that it holds either, and no `Cross-Origin-Opener-Policy` is needed, for
which Chromium throws away the frame that it has ready and makes another one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = ("GET", "HEAD")
METHODS = (*SAFE, "POST", "PATCH", "DELETE")
MOST_BODY = 2**20
"""Bytes of a request's body."""
SHORTEST_TOKEN = 16

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
"""On every answer that does not say otherwise."""


@dataclass(frozen=True)
class Access:
    """What a request must show.

    Attributes:
        origins: the addresses under which this server is opened, as ``http://127.0.0.1:8265``.
        token: the word that opens it.
    """

    origins: frozenset[str]
    token: str

    def __post_init__(self) -> None:
        if len(self.token) < SHORTEST_TOKEN:
            raise ValueError(
                f"`token` must have {SHORTEST_TOKEN} characters at least but has {len(self.token)}. "
                "Leave it out, and a good one is made."
            )

    @property
    def hosts(self) -> frozenset[str]:
        """What `Host` may be."""
        return frozenset(host for origin in self.origins for host in _hosts(origin))

    @property
    def cookie(self) -> str:
        """The name of the cookie: servers side by side on one host share cookies, so each has its own."""
        return "etm-" + hashlib.sha256(f"name {self.token}".encode()).hexdigest()[:8]

    @property
    def session(self) -> str:
        """The value of the cookie, from which the token cannot be told."""
        return hashlib.sha256(f"session {self.token}".encode()).hexdigest()

    @property
    def secure(self) -> bool:
        """Whether it is opened by TLS only."""
        return all(origin.startswith("https://") for origin in self.origins)


def _hosts(origin: str) -> Iterable[str]:
    """An address as `Host` has it: browsers leave out the usual port."""
    parts = urlsplit(origin)
    usual = {"http": 80, "https": 443}[parts.scheme]
    name = parts.netloc.removesuffix(f":{usual}")
    return (name, f"{name}:{usual}") if name != parts.netloc or parts.port is None else (parts.netloc,)


class Guard:
    """Refuses what may not be, and puts the headers of safety on every answer.

    Args:
        app: what is guarded.
        access: what a request must show.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no websockets
            raise ValueError(f"no such connection: {scope['type']}")

        async def safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, safe)
        else:
            await self._app(scope, _limited(receive), safe)

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer to what may not be; None if it may."""
        headers = Headers(scope=scope)
        return (
            self._foreign(headers, scope["method"])
            or _odd_path(scope)
            or self._stranger(headers, scope)
            or _not_ours(headers, scope["method"])
        )

    def _foreign(self, headers: Headers, method: str) -> Response | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._access.hosts:
            names = ", ".join(sorted(self._access.origins))
            return refuse(
                403,
                f"this server is opened as {names}, not as {', '.join(hosts)[:200] or 'nothing'}. "
                "If it should be, start it with --public-url.",
            )
        origins = headers.getlist("origin")
        if any(origin not in self._access.origins for origin in origins) or len(origins) > 1:
            return refuse(403, "another page asked: only the page of this server may")
        sites = headers.getlist("sec-fetch-site")
        if any(site not in ("same-origin", "none") for site in sites):
            return refuse(
                403, "another page asked or led here. Type or paste the address into the browser instead."
            )
        if method not in METHODS:
            return refuse(405, f"there is no {method[:20]} here")
        return None

    def _stranger(self, headers: Headers, scope: Scope) -> Response | None:
        access = self._access
        if scope["path"] == "/" and scope["method"] in SAFE:
            query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
            if "token" in query:
                if not _same(query["token"], access.token):
                    return refuse(401, "the token is not the one of this start: `etm ui` prints the address")
                return self._welcome()
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(given.strip(), access.token):
            return None
        if _same(_cookies(headers).get(access.cookie, ""), access.session):
            return None
        return refuse(401, "open the address that `etm ui` printed: it has the token of this start")

    def _welcome(self) -> Response:
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(
            self._access.cookie,
            self._access.session,
            httponly=True,
            samesite="strict",
            secure=self._access.secure,
            path="/",
        )
        return answer


def refuse(status: int, error: str) -> JSONResponse:
    """An answer that says what is wrong."""
    headers = {"www-authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": error}, status, headers)


def _odd_path(scope: Scope) -> Response | None:
    """Paths that only somebody who tries doors sends: nothing that is served needs them."""
    raw = scope.get("raw_path") or scope["path"].encode("utf-8", "replace")
    path = scope["path"]
    twice = b"%25" in raw.lower()
    if twice or any(part in (".", "..") for part in path.split("/")) or any(c in path for c in "\0\\;%"):
        return refuse(404, "there is nothing here")
    return None


def _not_ours(headers: Headers, method: str) -> Response | None:
    """Whatever is not a plain read must be what a form or a picture of another page cannot send."""
    if method in SAFE:
        return None
    if headers.get("x-etm") != "1":
        return refuse(403, "the header `X-ETM: 1` is missing")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return refuse(415, f"`Content-Type` must be application/json but got {kind[:80]!r}")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MOST_BODY:
        return refuse(413, f"a request may have {MOST_BODY} bytes")
    return None


class TooLargeError(ValueError):
    """A body is longer than it may be, whatever it said of itself."""


def _limited(receive: Receive) -> Receive:
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_BODY:
            raise TooLargeError(f"a request may have {MOST_BODY} bytes")
        return message

    return limited


def _same(given: str, known: str) -> bool:
    return secrets.compare_digest(given.encode("utf-8", "replace"), known.encode())


def _cookies(headers: Headers) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for line in headers.getlist("cookie"):
        try:
            found |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        except CookieError:
            continue
    return found
