"""A server of the dashboard in this process, and where its pages are."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from playwright.sync_api import Page

from etm_lightning.store.row import key_of
from etm_lightning.store.store import Store
from etm_lightning.web.app import build
from etm_lightning.web.guard import Access
from etm_lightning.web.stores import Stores

TOKEN = "0123456789abcdef-browser"


@dataclass(frozen=True)
class Site:
    base: str
    store: Path

    def keys(self, project: str) -> list[str]:
        """What the API calls the runs of a project, in the order of their ids."""
        runs = Store(self.store).runs(project=project)
        return [key_of(self.store.resolve(), project, run.id) for run in sorted(runs, key=lambda run: run.id)]

    def open(self, page: Page, address: str) -> None:
        """Open a page by its hash address."""
        page.goto(f"{self.base}/?token={TOKEN}{address}")


@contextmanager
def served(store: Path) -> Iterator[Site]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = build(Stores([Store(store)]), Access(frozenset({base}), TOKEN))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield Site(base, store)
        server.should_exit = True
        thread.join(5)
