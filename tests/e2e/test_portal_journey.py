"""Alice signs in, changes a choice and has her data erased; on a phone, and on a desk without JavaScript."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core import mail
from playwright.sync_api import Page, expect

from dsar.models import SubjectRequest
from dsar.services import fulfil_due
from identity_privacy.access import presence
from identity_privacy.delivery.services import deliver_due
from profiles.models import Profile
from tests.cast import ALICE_EMAIL, Cast
from tests.e2e.conftest import Watched, Window, as_worker

Open = Callable[[Window], Watched]


@pytest.mark.parametrize("window", [Window(360, "light"), Window(1280, "dark", has_javascript=False)], ids=str)
def test_from_the_sign_in_to_the_confirmed_erasure(
    cast: Cast, open_page: Open, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = open_page(window)
    page = watched.page

    sign_in_alice(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Hello Alice")

    # One tap changes a choice, and it stays so.
    page.get_by_role("link", name="My choices", exact=True).click()
    switch = page.get_by_role("switch", name="Newsletter by e-mail")
    expect(switch).to_have_attribute("aria-checked", "false")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    as_worker(deliver_due)
    page.reload()
    expect(switch).to_have_attribute("aria-checked", "true")
    expect(page.get_by_text("Saved. 1 of 1 systems has confirmed")).to_be_visible()

    # Home, check, code, confirmation: four screens, and nothing before the code.
    monkeypatch.setattr(presence, "FRESH", timedelta(0))
    page.goto("/")
    page.get_by_role("link", name="Erase my data").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check before we erase")
    page.get_by_role("button", name="Send me the code, then erase").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Enter the code")
    assert not SubjectRequest.objects.exists()
    page.get_by_label("The six digits").fill(mailed_code())
    page.get_by_role("button", name="Erase my data").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("We have your request to erase your data")

    # Afterwards there is the page of the request, without a name and without a way elsewhere.
    page.get_by_role("link", name="Follow my request").click()
    expect(page.get_by_text("We are about to erase our own copy.")).to_be_visible()
    as_worker(_work)
    if not window.has_javascript:
        page.get_by_role("link", name="Load again").click()
    expect(page.locator("#standing").get_by_text("Our own copy is erased.")).to_be_visible(timeout=15_000)
    expect(page.locator("#progress").get_by_text("Checked by us", exact=True)).to_be_visible()
    expect(page.get_by_text("Kassenwerk has our message and is working on it.")).to_be_visible()
    page.reload()
    assert Profile.objects.get(id=cast.alice).erased_at
    expect(page.get_by_role("navigation")).to_have_count(0)
    assert "alice" not in page.content().lower()
    assert not watched.scrolls_sideways()


@pytest.mark.parametrize(
    "window", [Window(320, "light"), Window(320, "dark", locale="de-DE"), Window(1280, "light")], ids=str
)
def test_no_page_scrolls_sideways_and_each_has_one_heading(cast: Cast, open_page: Open, window: Window) -> None:
    watched = open_page(window)
    sign_in_alice(watched.page)
    assert watched.page.locator("html").get_attribute("lang") == window.locale[:2]

    for path in ("/", "/data/", "/choices/", "/requests/", "/requests/new/", "/requests/new/erasure/"):
        watched.page.goto(path)
        assert not watched.scrolls_sideways(), path
        expect(watched.page.get_by_role("heading", level=1)).to_have_count(1)


def test_refusing_all_looks_exactly_like_accepting_all(cast: Cast, open_page: Open) -> None:
    page = open_page(Window(360, "dark")).page
    sign_in_alice(page)
    page.goto("/choices/")

    look = "button => [button.offsetWidth, button.offsetHeight, ...['color', 'backgroundColor', 'fontWeight', \
        'fontSize', 'borderColor', 'borderWidth'].map(name => getComputedStyle(button)[name])]"
    refuse, accept = (page.get_by_role("button", name=name).evaluate(look) for name in ("Refuse all", "Accept all"))
    assert refuse == accept


def sign_in_alice(page: Page) -> None:
    page.goto("/")
    page.locator("input[type=email]").fill(ALICE_EMAIL)
    page.locator("main button:not(#passkey)").click()
    page.locator("input[autocomplete=one-time-code]").fill(mailed_code())
    page.locator("main button:not(#passkey)").click()
    page.wait_for_url("**/")


def mailed_code() -> str:
    """The code out of the mail that was really sent."""
    as_worker(deliver_due)
    found = re.search(r"\b\d{6}\b", str(mail.outbox[-1].body))
    assert found
    return found.group()


def _work() -> None:
    fulfil_due()
    deliver_due()
