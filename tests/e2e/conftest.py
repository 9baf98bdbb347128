"""Real pages in real Chromium: a live server with everybody on stage, and browsers that notice what goes wrong."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from django.db import connections
from playwright.sync_api import Browser, Page, Playwright, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests import cast as stage
from tests.cast import Cast
from tests.delivery.world import Reply, listening
from tests.servers import chromium_arguments, chromium_path

T = TypeVar("T")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    # Playwright's loop runs in this thread, beside the database calls of the tests, which are not asynchronous.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        yield _launch(playwright)
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


def _launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=chromium_path(), args=chromium_arguments())


@pytest.fixture
def cast(live_server: LiveServer, settings: Settings) -> Iterator[Cast]:
    """Everybody, with systems that listen and say that they will see to it."""
    settings.ALLOW_LOOPBACK_PARTNERS = True
    with listening(Reply(status=202)) as receiver:
        yield stage.enter(endpoint=receiver.url)


@dataclass
class Watched:
    """A page, and what must not happen on it."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", lambda message: self._note(message.type in {"error", "warning"}, message.text))
        self.page.on("pageerror", lambda error: self._note(True, str(error)))
        self.page.on("request", lambda request: self._note(not self._is_ours(request.url), f"foreign: {request.url}"))

    def scrolls_sideways(self) -> bool:
        root = "document.documentElement"
        return bool(self.page.evaluate(f"{root}.scrollWidth > {root}.clientWidth"))

    def _is_ours(self, url: str) -> bool:
        return url.startswith((self.origin, "data:"))

    def _note(self, is_bad: bool, text: str) -> None:
        if is_bad:
            self.complaints.append(text)


@dataclass(frozen=True)
class Window:
    """One way to look at the pages."""

    width: int
    theme: str
    has_javascript: bool = True
    locale: str = "en-GB"

    def __str__(self) -> str:
        return f"{self.width}-{self.theme}-{self.locale}{'' if self.has_javascript else '-without-javascript'}"


@pytest.fixture
def open_page(chromium: Browser, live_server: LiveServer) -> Iterator[Callable[[Window], Watched]]:
    """Opens a browser of its own for a window; afterwards nothing may have gone wrong in any."""
    opened: list[Watched] = []

    def opener(window: Window) -> Watched:
        context = chromium.new_context(
            base_url=live_server.url,
            viewport={"width": window.width, "height": 800},
            color_scheme="dark" if window.theme == "dark" else "light",
            java_script_enabled=window.has_javascript,
            locale=window.locale,
        )
        context.set_default_timeout(15_000)
        watched = Watched(context.new_page(), live_server.url)
        watched.watch()
        opened.append(watched)
        return watched

    yield opener
    for watched in opened:
        watched.page.context.close()
    assert [complaint for watched in opened for complaint in watched.complaints] == []


def as_worker(task: Callable[[], T]) -> T:
    """Run what a worker would run, in a thread of its own as there, on this test's database."""
    shared = {alias: connections[alias] for alias in connections if _is_in_memory(alias)}

    def run() -> T:
        for alias, connection in shared.items():
            connections[alias] = connection
        try:
            return task()
        finally:
            if not shared:
                connections.close_all()

    for connection in shared.values():
        connection.inc_thread_sharing()
    try:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(run).result()
    finally:
        for connection in shared.values():
            connection.dec_thread_sharing()


def _is_in_memory(alias: str) -> bool:
    connection = connections[alias]
    return connection.vendor == "sqlite" and connection.is_in_memory_db()  # type: ignore[attr-defined]  # SQLite's own
