"""A real browser: Debian's Chromium, driven by Playwright, and pages in it that are signed in."""

from __future__ import annotations

import shutil
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect, sync_playwright

from dispatcher.wiring import Wiring
from tests.web.serving import served

CHROMIUM = shutil.which("chromium") or "chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
PATIENCE = 60_000
"""Milliseconds until what a test does, here or at the server, has to be seen, on a busy machine."""
expect.set_options(timeout=PATIENCE)
QUALITY = 55
"""Of pictures: small files whose text is still clear."""


@contextmanager
def a_browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Visitor:
    """Opens pages that are signed in. `wrong` has what a page logs as an error, and what it asks of other servers."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser, self.base, self.wrong = browser, address.partition("/sign-in")[0], list[str]()
        with browser.new_context() as first:
            entrance = first.new_page()
            entrance.set_default_timeout(PATIENCE)
            entrance.goto(address)
            entrance.wait_for_url(f"{self.base}/")
            self.state = first.storage_state()

    def __call__(self, **options) -> Page:
        """A page in a context of its own."""
        page = self.browser.new_context(base_url=self.base, storage_state=self.state, **options).new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self.wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self._note(request.url))
        return page

    def _note(self, address: str) -> None:
        if not address.startswith((f"{self.base}/", "data:")):
            self.wrong.append(address)

    def close(self) -> None:
        """Close all pages."""
        for context in self.browser.contexts:
            context.close()


@contextmanager
def visiting(browser: Browser, wiring: Wiring) -> Iterator[Visitor]:
    """A visitor of the page of a store. What a page logs, and what it asks of others, is a failure."""
    with served(wiring) as address:
        visitor = Visitor(browser, address)
        try:
            yield visitor
        finally:
            visitor.close()
    assert visitor.wrong == []


def picture(page: Page) -> bytes:
    """What is seen of a page, as WebP. A page that is behind another one, or not drawn yet, cannot be captured."""
    page.bring_to_front()
    page.screenshot()
    session = page.context.new_cdp_session(page)
    return b64decode(session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})["data"])
