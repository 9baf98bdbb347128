"""Pictures of the pages for the documentation, taken by `make screenshots`; not a test by itself."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from dsar.services import fulfil_due
from dsar.terms import RequestKind
from identity_privacy.actors import Actor
from identity_privacy.audit.services import check_log, sequence
from identity_privacy.delivery.services import deliver_due
from tests.cast import Cast
from tests.console.pages import page_of
from tests.e2e.conftest import Watched, Window, as_worker
from tests.e2e.test_console import sign_in_dana, stuck_request
from tests.e2e.test_portal_journey import sign_in_alice
from tests.factories import make_request

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
WINDOWS = [Window(1280, "light"), Window(360, "dark")]
Open = Callable[[Window], Watched]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_take_pictures_of_the_portal(cast: Cast, open_page: Open, window: Window) -> None:
    page = open_page(window).page
    page.goto("/")
    take(page, "sign-in", window)
    sign_in_alice(page)
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ACCESS)
    as_worker(fulfil_due)
    as_worker(deliver_due)
    for name, path in (
        ("home", "/"),
        ("data", "/data/"),
        ("choices", "/choices/"),
        ("request", f"/requests/{request.reference}/"),
        ("erase", "/requests/new/erasure/"),
        ("security", "/security/"),
        ("confirm", "/security/app/"),
    ):
        page.goto(path)
        take(page, name, window)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_take_pictures_of_the_console(cast: Cast, open_page: Open, window: Window) -> None:
    request = stuck_request(cast)
    make_request(cast.lindwerk, cast.bob, RequestKind.ERASURE)
    page = open_page(window).page
    sign_in_dana(page, cast)
    take(page, "console", window)
    page.goto(page_of(request))
    take(page, "console-request", window)
    sequence()
    check_log(actor=Actor.service("audit"))
    sequence()
    page.goto("/console/audit/entry/")
    take(page, "console-audit", window)


def take(page: Page, name: str, window: Window) -> None:
    # As tall as the page, so that the bar at the bottom of a phone is at the bottom of the picture.
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": window.width, "height": max(height, 800)})
    page.screenshot(path=FOLDER / f"{name}-{window.width}-{window.theme}.png", full_page=True)
