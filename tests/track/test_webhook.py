"""Alerts arrive at a web address, each once, whatever its server does."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from etm_lightning import ETMLogger, Run
from etm_lightning.layout import RunFolder
from etm_lightning.records import Alert, Params
from etm_lightning.track.shipping import companion as companions
from etm_lightning.track.shipping.delivery import Delivery
from tests.contracts import journals
from tests.track.forge import Forge, forge
from tests.track.lines import of_kind, only_run
from tests.track.test_companion import until


class Receiver:
    """A server of webhooks that can be down."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.answers: list[int] = []
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/s3cr3t-word"

    def up(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                code = receiver.answers.pop(0) if receiver.answers else 200
                if code == 200:
                    assert self.path == "/services/s3cr3t-word"
                    assert self.headers["Content-Type"] == "application/json"
                    receiver.texts.append(json.loads(body)["text"])
                self.send_response(code)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def down(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.down()


@pytest.fixture(scope="module")
def scripts() -> Iterator[Forge]:
    with forge() as started:
        yield started


@contextmanager
def delivery(folder: RunFolder, clock: Callable[[], float] = time.monotonic) -> Iterator[Delivery]:
    one = Delivery(folder, "webhook", {"sink": "webhook"}, clock=clock)
    yield one
    one.close()


def alerting(store: Path) -> Run:
    run = journals.new_run(store)
    run.log({"train/loss": 1.0}, step=1)
    run.alert("one", "with <text> & more", level="error", step=3)
    run.alert("two")
    run.alert("three")
    return run


def test_each_alert_is_one_post_in_the_form_of_slack(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETM_WEBHOOK", receiver.url)
    run = alerting(tmp_path)
    with delivery(run.folder) as one:
        one.advance()
        one.advance()
    run.end()
    assert receiver.texts == [
        "[error] sinks · r1: one (step 3): with &lt;text&gt; &amp; more",
        "[warning] sinks · r1: two",
        "[warning] sinks · r1: three",
    ]


def test_a_server_that_is_down_gets_them_later_each_once(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETM_WEBHOOK", receiver.url)
    now, run = [0.0], alerting(tmp_path)
    receiver.down()
    with delivery(run.folder, lambda: now[0]) as one:
        for _ in range(3):
            one.advance()
            now[0] += 100.0
            assert one.error == "ConnectionError: the webhook cannot be reached: ConnectionRefusedError"
        receiver.up()
        receiver.answers = [200, 503, 200, 429, 200]
        for _ in range(4):
            one.advance()
            now[0] += 100.0
        assert not one.error
    run.end()
    assert [text.rpartition(" ")[2] for text in receiver.texts] == ["more", "two", "three"]


def test_one_that_was_killed_in_between_does_not_send_again(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETM_WEBHOOK", receiver.url)
    run = alerting(tmp_path)
    receiver.answers = [200, 500]
    with delivery(run.folder) as one:
        one.advance()
    with delivery(run.folder) as one:
        one.advance()
    run.end()
    assert len(receiver.texts) == 3


def test_a_resumed_run_is_sent_nothing_again(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETM_WEBHOOK", receiver.url)
    run = journals.new_run(tmp_path)
    run.log({"train/loss": 1.0}, step=1)
    run.alert("one")
    run.mark_checkpoint(step=50)
    run.log({"train/loss": 1.0}, step=60)
    run._end = object()  # type: ignore[assignment]  # as after SIGKILL: nobody writes down an end
    with delivery(run.folder) as one:
        one.advance()
        journals.go_on(tmp_path, range(50, 60))
        for _ in range(3):
            one.advance()
    assert [text.rpartition(" ")[2] for text in receiver.texts] == ["one"]


@pytest.mark.parametrize("code", [404, 302])
def test_an_address_that_does_not_take_them_is_told_without_itself(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setenv("ETM_WEBHOOK", receiver.url)
    run = alerting(tmp_path)
    receiver.answers = [code]
    with delivery(run.folder) as one:
        one.advance()
        assert one.error == f"the webhook answers {code}"
        assert one.refused
    run.end()


@pytest.mark.parametrize(
    ("address", "options", "words"),
    [
        (None, {}, "there is no address to send alerts to: set ETM_WEBHOOK"),
        ("nonsense", {}, "`webhook` must be an address that begins with https:// or http://"),
        (None, {"url": "x"}, "the sink webhook has no options: give its address as `webhook=` of the logger"),
    ],
)
def test_what_cannot_be_used_is_named_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str | None, options: dict[str, str], words: str
) -> None:
    monkeypatch.delenv("ETM_WEBHOOK", raising=False)
    if address:
        monkeypatch.setenv("ETM_WEBHOOK", address)
    run = journals.simple(tmp_path) if not address else None
    if run is None:
        with pytest.raises(ValueError, match="begins with https://"):
            ETMLogger("p", tmp_path)
        return
    one = Delivery(run, "webhook", {"sink": "webhook", **options})
    one.advance()
    one.close()
    assert one.error.startswith(words)


def test_a_run_sends_its_alerts_and_its_end_and_keeps_the_address_to_itself(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companions, "START_AFTER", {True: 0.0, False: 0.0})
    with Run("p", save_dir=tmp_path, webhook=receiver.url, id="r1") as run:
        assert run._companion is not None
        run._companion.tick(ended=False)
        run.log({"train/loss": math.nan}, step=1)
        until(lambda: len(receiver.texts) == 1)
    run._companion.ask_to_finish()
    assert run.finish() == []
    assert receiver.texts == ["[error] p · r1: train/loss is nan (step 1)", "[info] p · r1: finished"]
    [sinks] = [record.params for record in of_kind(run.folder, Params) if record.about == "sinks"]
    assert sinks == {"webhook": {"sink": "webhook"}}
    for path in run.folder.path.rglob("*"):
        assert not path.is_file() or b"s3cr3t-word" not in path.read_bytes(), path


def test_a_death_is_an_alert_and_one_post(tmp_path: Path, receiver: Receiver, scripts: Forge) -> None:
    script = scripts.start(
        tmp_path,
        """
        import time
        import etm_lightning.track.shipping.companion as companions
        companions.START_AFTER = {True: 0.0, False: 0.0}
        run = Run("p", id="r1")
        run.log({"train/loss": 1.0}, step=1)
        while not list(run.folder.journal.glob("*shipper*")):
            time.sleep(0.02)
        open("ready", "w").close()
        time.sleep(60)
        """,
        ETM_WEBHOOK=receiver.url,
    )
    script.wait_for("ready")
    script.kill(signal.SIGKILL)
    assert script.end() == -signal.SIGKILL
    until(lambda: bool(receiver.texts))
    folder = only_run(tmp_path / "store")
    until(lambda: not (folder.cursors / "webhook.lease").exists())
    [text] = receiver.texts
    assert text.startswith("[error] p · r1: crashed: process ")
    [alert] = of_kind(folder, Alert)
    assert (alert.title, alert.level, alert.name) == ("crashed", "error", "crashed")


def test_a_server_that_is_away_at_the_end_is_told(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(companions, "START_AFTER", {True: 0.0, False: 0.0})
    receiver.down()
    with Run("p", save_dir=tmp_path, webhook=receiver.url, finish_timeout=1.0) as run:
        run.alert("one")
    assert run._companion is not None
    run._companion.ask_to_finish()
    [line] = run.finish()
    assert line.startswith("the webhook is ")
    assert f"`etm sync {run.id[-4:]} --to webhook`" in line
    assert run._companion._process is not None
    run._companion._process.kill()
    run._companion._process.wait()
