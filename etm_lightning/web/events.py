"""What changed in the stores, told as it happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool

from etm_lightning.web.plain import encode
from etm_lightning.web.stores import Stores

EVERY = 0.5
"""Seconds between two looks at the files: what is logged is to be on the screen within a second."""
ALIVE = 15.0
"""Seconds after which a comment shows that the connection lives."""

Seen = dict[str, object]


def look(stores: Stores, store: str = "", keys: frozenset[str] = frozenset(), *, known: bool = False) -> Seen:
    """By run what changes when it does; from its files, or as the last look had them."""
    found = stores.pulse(store, look=not known)
    return {key: found[key] for key in keys if key in found} if keys else found


def difference(before: Seen, now: Seen) -> dict[str, list[str]]:
    """What changed, came and went; empty if nothing did."""
    found = {
        "changed": sorted(key for key in now if key in before and now[key] != before[key]),
        "added": sorted(now.keys() - before.keys()),
        "removed": sorted(before.keys() - now.keys()),
    }
    return found if any(found.values()) else {}


async def events(
    stores: Stores,
    store: str = "",
    keys: frozenset[str] = frozenset(),
    ending: Callable[[], bool] = lambda: False,
) -> AsyncIterator[bytes]:
    """Server-sent events `runs`; a comment when nothing happened for a while.

    Ends with the connection, and soon when `ending` says that the server does.
    """
    # the page asks for rows at the same time, which are those of the last look too
    before = await run_in_threadpool(lambda: look(stores, store, keys, known=True))
    yield b"retry: 2000\n: connected\n\n"
    said = time.monotonic()
    while True:
        began = time.monotonic()
        await _rest(EVERY, ending)
        if ending():
            return
        now = await run_in_threadpool(look, stores, store, keys)
        told: dict[str, Any] = difference(before, now)
        before = now
        if told:
            yield b"event: runs\ndata: " + encode(told) + b"\n\n"
            said = time.monotonic()
        elif time.monotonic() - said >= ALIVE:
            yield b": alive\n\n"
            said = time.monotonic()
        # a store that is slow to look at is looked at less often
        await _rest(min(10.0, 4 * (time.monotonic() - began - EVERY)), ending)


async def _rest(seconds: float, ending: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not ending() and (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(left, EVERY))
