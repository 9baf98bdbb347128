"""Alice adds a passkey and an authenticator app in a real browser, and signs in by them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import CDPSession, Page, expect

from identity_privacy.clock import machine_now
from tests.cast import Cast
from tests.e2e.conftest import Watched, Window
from tests.e2e.test_portal_journey import mailed_code, sign_in_alice

Open = Callable[[Window], Watched]


@contextmanager
def authenticator(page: Page) -> Iterator[CDPSession]:
    """Chromium's own virtual authenticator, which says that finger or face was shown."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield session
    session.detach()


def confirm(page: Page) -> None:
    """After the first sign-in another code is asked for, before what one signs in with is changed."""
    expect(page.get_by_role("heading", level=1)).to_have_text("Is it you?")
    page.get_by_label("The six digits").fill(mailed_code())
    page.get_by_role("button", name="Go on").click()


def sign_out(page: Page) -> None:
    page.locator("summary", has_text="Account").click()
    page.get_by_role("button", name="Sign out", exact=True).click()


def test_a_passkey_is_made_and_signs_in(cast: Cast, open_page: Open) -> None:
    page = open_page(Window(360, "light")).page
    sign_in_alice(page)
    with authenticator(page):
        page.goto("/security/")
        page.get_by_role("link", name="Add a passkey").click()
        confirm(page)
        page.get_by_role("button", name="Make a passkey on this device").click()
        expect(page.get_by_role("heading", name=re.compile("^Passkey of "))).to_be_visible()

        sign_out(page)
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Hello Alice")


def test_an_app_is_set_up_without_javascript_and_asked_for_at_the_next_sign_in(cast: Cast, open_page: Open) -> None:
    page = open_page(Window(1280, "dark", has_javascript=False)).page
    sign_in_alice(page)
    page.goto("/security/")
    page.get_by_role("link", name="Set it up").click()
    confirm(page)
    secret = page.locator(".letters code").inner_text()
    page.get_by_label("The six digits").fill(_shown(secret))
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    codes = page.locator(".codes code").all_inner_texts()
    page.get_by_role("link", name="I have kept them").click()
    sign_out(page)

    sign_in_alice(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("Your authenticator.app"))
    page.get_by_label("Code from the app, or a recovery code").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("This code does not work")
    page.get_by_label("Code from the app, or a recovery code").fill(codes[0])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Hello Alice")


def _shown(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(machine_now().timestamp()) // 30)))
