"""`etm ui`: where it listens, who may open it, and the process that serves it."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from etm_lightning.store.store import Store

if TYPE_CHECKING:
    import uvicorn

    from etm_lightning.web.stores import Stores

PORT = 8265
SWITCH = 0.001
"""Seconds after which a thread that reads runs lets one that answers go on: Python's own 5 ms add up."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Settings:
    """How the server is started.

    Attributes:
        host: the address it listens on.
        port: the port; 0 for any free one.
        token: the word that opens it; a new one if empty.
        readonly: refuse every change.
        behind_proxy: a proxy in front of it does TLS.
        public_urls: addresses under which it is opened, if they are not the one it listens on.
        certfile: a certificate for TLS.
        keyfile: the key of the certificate.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    token: str = ""
    readonly: bool = False
    behind_proxy: bool = False
    public_urls: Sequence[str] = ()
    certfile: str = ""
    keyfile: str = ""

    def check(self) -> None:
        """Raise ValueError if it would be open to others without protection."""
        if bool(self.certfile) != bool(self.keyfile):
            raise ValueError("`--ssl-certfile` and `--ssl-keyfile` go together but only one was given")
        for option, path in (("--ssl-certfile", self.certfile), ("--ssl-keyfile", self.keyfile)):
            if path and not Path(path).is_file():
                raise ValueError(f"`{option}` must be a file but there is no {path!r}")
        for url in self.public_urls:
            _origin(url)
        if loopback(self.host):
            return
        if not (self.certfile or self.behind_proxy):
            raise ValueError(
                f"`--host` is {self.host!r}, which others reach: that needs --ssl-certfile and "
                "--ssl-keyfile, or --behind-proxy if a proxy in front of it does TLS. From another machine, "
                f"`ssh -L {self.port}:localhost:{self.port} <here>` needs neither."
            )
        if not self.public_urls and (self.behind_proxy or _every_address(self.host)):
            raise ValueError(
                f"`--host` is {self.host!r}: name the address that people type with --public-url https://…"
            )

    def origins(self, port: int) -> frozenset[str]:
        """The addresses under which it may be opened."""
        scheme = "https" if self.certfile else "http"
        names: Sequence[str] = LOOPBACK if loopback(self.host) else ()
        if not loopback(self.host) and not self.behind_proxy and not _every_address(self.host):
            names = (self.host,)
        own = {_normal(f"{scheme}://{_bracketed(name)}:{port}") for name in names}
        return frozenset(own | {_origin(url) for url in self.public_urls})


def loopback(host: str) -> bool:
    """Whether an address is reached from this machine only.

    >>> loopback("127.0.0.1"), loopback("0.0.0.0")
    (True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _every_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return host == ""


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _origin(url: str) -> str:
    """An address as browsers send it in `Origin`."""
    parts = urlsplit(url)
    plain = not parts.path.strip("/") and not parts.query and "@" not in parts.netloc
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise ValueError(
            f"`--public-url` must be like https://etm.example.org, without a path, but got {url!r}"
        )
    return _normal(f"{parts.scheme}://{parts.netloc}")


def _normal(origin: str) -> str:
    """Without the usual port and in small letters, as browsers write it."""
    parts = urlsplit(origin.lower())
    usual = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.removesuffix(usual)}"


@contextlib.contextmanager
def token_file(port: int, address: str) -> Iterator[Path]:
    """A file that only this user can read, with the address and its token; gone when the server is."""
    root = Path(os.environ.get("XDG_RUNTIME_DIR") or Path.home() / ".cache") / "etm"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = root / f"ui-{port}-{secrets.token_hex(4)}.url"
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        os.write(file, address.encode() + b"\n")
        os.close(file)
        yield path
    finally:
        path.unlink(missing_ok=True)


def serve(
    stores: Sequence[Store], settings: Settings, *, open_browser: bool = True, as_json: bool = False
) -> None:
    """Serve the page until the process is told to stop, which ends it.

    Args:
        stores: what it shows.
        settings: where it listens, and who may open it.
        open_browser: open the page where somebody sees it.
        as_json: print the address for programs.

    Raises:
        ImportError: without the extra `web`.
        ValueError: if it would be open to others without protection.
        OSError: if the port is taken.
    """
    try:
        import uvicorn

        from etm_lightning.web.app import build
        from etm_lightning.web.built import HOW, built
        from etm_lightning.web.guard import Access
        from etm_lightning.web.stores import Stores
    except ModuleNotFoundError as error:
        raise ImportError(f"`etm ui` needs {error.name}: pip install 'etm-lightning[web]'") from error
    settings.check()
    sys.setswitchinterval(SWITCH)
    listening = _listen(settings.host, settings.port)
    port: int = listening.getsockname()[1]
    token = settings.token or secrets.token_urlsafe(24)
    access = Access(settings.origins(port), token)
    shown = Stores(stores)
    app = build(shown, access, readonly=settings.readonly, ending=lambda: server.should_exit)
    threading.Thread(target=_ready, args=[shown, settings.readonly], daemon=True).start()
    address = f"{_shown(settings, port)}/?token={token}"
    if not built():
        print(f"The page is not built, only the API is served. Build it with:\n  {HOW}", file=sys.stderr)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,  # it would show the token
            proxy_headers=False,
            server_header=False,
            ssl_certfile=settings.certfile or None,
            ssl_keyfile=settings.keyfile or None,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=65536,
            lifespan="off",
        )
    )
    signals = _heeded(server)
    # it tells of answers that it broke off, of which nobody who told it to stop wants to read
    logging.getLogger("uvicorn.error").addFilter(lambda _: not server.should_exit)
    with token_file(port, address) as path:
        told = {"address": address, "file": str(path)}
        print(json.dumps(told) if as_json else f"{address}\n(also in {path})", flush=True)
        if open_browser and built() and _has_screen():
            webbrowser.open(address)
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
    sys.stdout.flush()
    sys.stderr.flush()
    # at once: a thread that reads a big store or run for somebody who is gone would be waited for
    os._exit(128 + signals[0] if signals else 0)


def _heeded(server: uvicorn.Server) -> list[int]:
    """The signals that will have come of those that end a process at once: they end the server in order."""
    came: list[int] = []

    def end(number: int, _: object) -> None:
        came.append(number)
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)
    return came


def _ready(shown: Stores, readonly: bool) -> None:
    """What the first page needs, before somebody asks: a look at the stores, the page, what thins curves."""
    from etm_lightning.web.built import built, static_folder
    from etm_lightning.web.page import page_of
    from etm_lightning.web.routes import session

    shown.pulse()
    if built():
        page_of(session(shown, readonly=readonly), static_folder())
    with contextlib.suppress(ImportError):  # whoever asks for curves is told
        import tsdownsample  # noqa: F401


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens there."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise OSError(
            f"`--port` is {port} but {host} cannot listen there: {error.strerror}. --port 0 takes a free one"
        ) from error
    listening.listen(128)
    return listening


def _shown(settings: Settings, port: int) -> str:
    if settings.public_urls:
        return _origin(settings.public_urls[0])
    scheme = "https" if settings.certfile else "http"
    return _normal(f"{scheme}://{_bracketed(settings.host)}:{port}")


def _has_screen() -> bool:
    """Whether a browser opened here is one that somebody sees."""
    if os.environ.get("SSH_CONNECTION"):
        return False
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
