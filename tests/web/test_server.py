"""`etm ui` as a process: where it listens, whom it lets in, what it tells while runs go on."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import httpx
import msgspec
import pytest

from etm_lightning.store.store import Store
from etm_lightning.web.events import EVERY, difference, look
from etm_lightning.web.server import Settings, loopback, token_file
from etm_lightning.web.stores import Stores
from tests.store.building import Training, finished

HERE = {"http://127.0.0.1", "http://localhost", "http://[::1]"}
URL = "https://etm.example.org"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"host": "0.0.0.0"}, "which others reach"),
        ({"host": "::"}, "ssh -L"),
        ({"host": "10.0.0.5"}, "--behind-proxy"),
        ({"host": "etm.example.org"}, "which others reach"),
        ({"host": ""}, "which others reach"),
        ({"host": "0.0.0.0", "behind_proxy": True}, "--public-url"),
        ({"host": "0.0.0.0", "certfile": __file__, "keyfile": __file__}, "--public-url"),
        ({"certfile": __file__}, "go together"),
        ({"certfile": __file__, "keyfile": "nowhere.pem"}, "there is no 'nowhere.pem'"),
        ({"public_urls": ["etm.example.org"]}, "must be like https://"),
        ({"public_urls": ["https://user@etm.example.org"]}, "must be like https://"),
        ({"public_urls": ["https://etm.example.org/runs"]}, "must be like https://"),
    ],
)
def test_it_does_not_open_itself_to_others_unprotected(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        Settings(**wrong).check()  # type: ignore[arg-type]  # what a command line might hold


@pytest.mark.parametrize(
    ("settings", "origins"),
    [
        (Settings(), HERE),
        (Settings(host="::1"), HERE),
        (Settings(host="0.0.0.0", behind_proxy=True, public_urls=[URL]), {URL}),
        (Settings(host="10.0.0.5", certfile=__file__, keyfile=__file__), {"https://10.0.0.5:80"}),
        (Settings(host="0.0.0.0", certfile=__file__, keyfile=__file__, public_urls=[URL + ":443/"]), {URL}),
    ],
)
def test_it_knows_its_own_addresses(settings: Settings, origins: set[str]) -> None:
    settings.check()
    assert settings.origins(80) == {
        origin.removesuffix(":80") if "http:" in origin else origin for origin in origins
    }


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_what_only_this_machine_reaches(host: str) -> None:
    assert loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.1", "localhost.evil.example", "127.0.0.1.nip.io", ""]
)
def test_what_others_reach(host: str) -> None:
    assert not loopback(host)


def test_the_file_with_the_token_is_for_this_user_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with token_file(1, "http://127.0.0.1:1/?token=x") as path:
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert path.read_text() == "http://127.0.0.1:1/?token=x\n"
    assert not path.exists()


@dataclass(frozen=True)
class Started:
    """An `etm ui` that runs: the address that it printed, and the store that it shows."""

    address: str
    store: Path

    @property
    def root(self) -> str:
        return self.address.partition("/?")[0]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    place = tmp_path_factory.mktemp("ui")
    store = place / "etm_runs"
    finished(store, "20231114-221320-first-0001", 0.5, params={"lr": 1})
    command = [sys.executable, "-m", "etm_lightning", "ui", "--store", str(store), "--port", "0", "--no-open"]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(place)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        try:
            yield Started(process.stdout.readline().strip(), store)
        finally:
            process.terminate()


@pytest.fixture
def browser(started: Started) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=started.root, follow_redirects=True, timeout=30) as client:
        client.get(started.address)
        yield client


def test_the_printed_address_opens_it_once_and_for_all(browser: httpx.Client, started: Started) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", started.address)
    assert browser.get("/api/runs").json()["total"] == 1
    assert httpx.get(started.root + "/api/runs").status_code == 401
    rebound = browser.get("/api/runs", headers={"host": "evil.example"})
    assert rebound.status_code == 403
    assert "--public-url" in rebound.json()["error"]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_told_to_end_it_lets_go_who_listens_and_leaves_nothing(
    number: int, status: int, tmp_path: Path
) -> None:
    finished(tmp_path / "etm_runs", "20231114-221320-first-0001", 0.5)
    with _begun(tmp_path) as (process, client):
        with client.stream("GET", "/api/events") as told:
            lines = told.iter_lines()
            assert next(lines) == "retry: 2000"
            assert list((tmp_path / "etm").glob("*.url"))
            process.send_signal(number)
            assert [line for line in lines if line] == [": connected"]
        assert process.wait(60) == status
    assert not list((tmp_path / "etm").glob("*.url"))


def test_told_to_end_it_waits_for_nothing_that_it_reads(tmp_path: Path) -> None:
    run = finished(tmp_path / "etm_runs", "20231114-221320-first-0001", 0.5)
    (path,) = run.journal.iterdir()
    path.unlink()
    os.mkfifo(path)  # who opens it waits for ever
    with _begun(tmp_path) as (process, client), ThreadPoolExecutor(1) as thread:
        asked = thread.submit(client.get, "/api/runs")
        time.sleep(0.5)
        assert not asked.done()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert asked.exception() or asked.result().status_code == 500


@contextlib.contextmanager
def _begun(folder: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """A server of the store in a folder, whose page somebody has opened; it tells the store and no more."""
    store = folder / "etm_runs"
    command = [sys.executable, "-m", "etm_lightning", "ui", "--store", str(store), "--port", "0", "--no-open"]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    with (
        (folder / "said").open("w+") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, env=environment, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            root = address.partition("/?")[0]
            with httpx.Client(base_url=root, follow_redirects=True, timeout=30) as client:
                client.get(address)
                yield process, client
        finally:
            process.kill()
        said.seek(0)
        assert said.read() == f"store: {store}\n"


def test_it_listens_to_this_machine_only(started: Started) -> None:
    port = httpx.URL(started.address).port
    assert port is not None
    with socket.socket() as other:  # an address of every machine that is not 127.0.0.1
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_a_request_that_is_no_http_does_not_end_it(browser: httpx.Client, started: Started) -> None:
    url = httpx.URL(started.address)
    with socket.create_connection((url.host, url.port or 0)) as line:
        line.sendall(
            b"GET /api/runs HTTP/1.1\r\nHost: a\r\nHost: b\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n"
        )
        assert line.recv(100).startswith(b"HTTP/1.1 4")
    assert browser.get("/api/runs").status_code == 200


def test_what_happens_is_told_within_moments(browser: httpx.Client, started: Started) -> None:
    with browser.stream("GET", "/api/events") as told:
        lines = told.iter_lines()
        assert told.headers["content-type"].startswith("text/event-stream")
        assert next(lines).startswith("retry:")
        run = Training(started.store, "20231114-221320-live-0002").start().log(1, {"loss": 1.0})
        added = _event(lines)["added"]
        assert len(added) == 1
        run.log(2, {"loss": 2.0})
        assert _event(lines)["changed"] == added
        browser.patch(
            f"/api/runs/{added[0]}", json={"notes": "seen"}, headers={"x-etm": "1"}
        ).raise_for_status()
        assert _event(lines)["changed"] == added


def _event(lines: Iterator[str]) -> dict[str, list[str]]:
    for line in lines:
        if line.startswith("data: "):
            found: dict[str, list[str]] = msgspec.json.decode(line.removeprefix("data: "))
            return found
    raise AssertionError("the connection ended")


def test_a_look_tells_what_came_changed_and_went(tmp_path: Path) -> None:
    folder = finished(tmp_path / "etm_runs", "20231114-221320-a-0001", 0.5)
    looks = [look(Stores([Store(tmp_path / "etm_runs")]))]
    (key,) = looks[0]
    (folder.journal / "1-shipper-h-1-abcd.0.jsonl").write_bytes(b"")
    looks.append(look(Stores([Store(tmp_path / "etm_runs")])))
    assert difference(*looks) == {"changed": [key], "added": [], "removed": []}
    folder.path.rename(folder.path.with_name(".gone"))
    looks.append(look(Stores([Store(tmp_path / "etm_runs")])))
    assert difference(*looks[1:]) == {"changed": [], "added": [], "removed": [key]}
    assert difference(looks[1], looks[1]) == {}


def test_who_listens_hears_each_time_what_came_until_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(100, EVERY)
    monkeypatch.setattr("etm_lightning.web.stores.time", SimpleNamespace(monotonic=lambda: next(clock)))
    stores, training = Stores([Store(tmp_path)]), Training(tmp_path, "t")
    looks = [look(stores)]
    for step in range(3):
        training.log(step, {"loss": 1.0}) if step else training.start()
        looks.append(look(stores))
    assert all(difference(*two) for two in itertools.pairwise(looks))
