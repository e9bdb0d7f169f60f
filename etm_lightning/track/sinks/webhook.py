"""Alerts to a web address that takes ``{"text": …}`` as Slack does: Slack, Mattermost, Rocket.Chat, a script.

The address is a secret: it comes from the variable ``ETM_WEBHOOK`` of this process and is written nowhere.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException, HTTPMessage
from typing import IO

import msgspec

from etm_lightning.layout import Identity
from etm_lightning.records import Alert, Json, Record
from etm_lightning.track.shipping.alerts import WEBHOOK, webhook_address
from etm_lightning.track.shipping.cursors import load, progress_file, store
from etm_lightning.track.sinks.sink import RefusedError, Target

KIND = "webhook"
TIMEOUT = 10.0
_MOST_REMEMBERED = 1000
_LATER = (408, 425, 429)


def open(target: Target) -> Webhook:
    """Open the sink.

    Raises:
        RefusedError: without an address in the environment, or if one is given as an option.
    """
    if target.options:
        raise RefusedError(
            f"the sink {KIND} has no options: give its address as `webhook=` of the logger, or in {WEBHOOK}"
        )
    try:
        return Webhook(target, webhook_address())
    except ValueError as error:
        raise RefusedError(str(error)) from None


class Webhook:
    """One POST for each alert of a run.

    What was sent is remembered with each one, so that one that fails later, and a resumed run, do not send it
    again. After a SIGKILL between the two an alert may come twice.
    """

    def __init__(self, target: Target, url: str) -> None:
        self._url, self._identity = url, target.identity
        self._path = progress_file(target.folder, KIND)
        self._sent: list[str] = list(target.state.get("sent") or target.superseded.get("sent") or ())

    def write(self, records: Sequence[Record]) -> None:
        for record in records:
            if isinstance(record, Alert) and record.name != KIND:
                self._send_once(record)

    def flush(self) -> Mapping[str, Json]:
        return {"sent": self._sent}

    def close(self) -> None:
        """There is nothing to let go of."""

    def _send_once(self, alert: Alert) -> None:
        key = f"{alert.time!r} {alert.title}"
        if key in self._sent:
            return
        post(self._url, message(alert, self._identity))
        self._sent = [*self._sent, key][-_MOST_REMEMBERED:]
        store(self._path, msgspec.structs.replace(load(self._path), state={"sent": self._sent}))


def message(alert: Alert, identity: Identity) -> str:
    """What is sent of an alert, as one text.

    >>> one = Identity(id="r-4abc", project="demo", created=0.0)
    >>> message(Alert(time=0.0, title="train/loss is nan", level="error", step=7), one)
    '[error] demo · r-4abc: train/loss is nan (step 7)'
    """
    step = "" if alert.step is None else f" (step {alert.step})"
    text = f": {alert.text}" if alert.text else ""
    words = f"[{alert.level}] {identity.project} · {identity.id}: {alert.title}{step}{text}"
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: what was sent would be lost on the way."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def post(url: str, text: str) -> None:
    """Send a text.

    Raises:
        RefusedError: if the address does not take it.
        ConnectionError: if it is to be tried again later.
    """
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.build_opener(_Straight).open(request, timeout=TIMEOUT) as answer:
            answer.read(1000)
    except urllib.error.HTTPError as error:
        code = error.code
        error.close()
        kind = RefusedError if code < 500 and code not in _LATER else ConnectionError
        raise kind(f"the webhook answers {code}") from None
    except urllib.error.URLError as error:
        raise ConnectionError(f"the webhook cannot be reached: {type(error.reason).__name__}") from None
    except (OSError, HTTPException, ValueError) as error:  # a message might hold the address
        raise ConnectionError(f"the webhook cannot be reached: {type(error).__name__}") from None
