from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from etm_lightning.web.build import NoNodeError, build

ASKED = ("status of 503", "status of 400", "status of 401", "ERR_INTERNET_DISCONNECTED")
"""What a browser says of failures that a test made."""


@pytest.fixture(scope="session")
def chromium(bare_chromium: Browser) -> Browser:
    """The browser, and the page built from the sources as they are."""
    try:
        build()
    except NoNodeError as error:
        pytest.skip(f"the page cannot be built: {error}")
    return bare_chromium


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A fresh window. What went wrong in it, a refused script or style too, fails the test."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(15_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def said(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(words in message.text for words in ASKED):
            wrong.append(message.text)

    page.on("console", said)
    yield page
    context.close()
    assert not wrong
