"""Dana's morning: Today, the queue, a request, and a message that is sent again; with JavaScript and without."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from dsar.models import SubjectRequest, Task
from dsar.services import fulfil_due
from dsar.terms import RequestKind
from identity_privacy.clock import now
from identity_privacy.delivery.models import Message
from identity_privacy.delivery.services import deliver_due
from identity_privacy.delivery.terms import MessageState
from tests.cast import Cast
from tests.console.pages import lists, page_of
from tests.e2e.conftest import Watched, Window, as_worker
from tests.factories import make_request
from tests.staff import PASS_PHRASE, hire

Open = Callable[[Window], Watched]


@pytest.mark.parametrize("window", [Window(1280, "light"), Window(1280, "dark", has_javascript=False)], ids=str)
def test_from_today_to_the_message_that_is_sent_again(cast: Cast, open_page: Open, window: Window) -> None:
    request = stuck_request(cast)
    page = open_page(window).page
    sign_in_dana(page, cast)

    # Today says it in its first sentence, and has the one act beside it.
    expect(page.locator(".opening")).to_contain_text("1 request waits for a person. 1 system needs a person.")
    expect(page.get_by_role("button", name="Send again")).to_be_visible()

    page.get_by_role("link", name="Whole queue (1)").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Queue")
    row = page.get_by_role("row").filter(has_text=request.reference)
    expect(row).to_contain_text("Kassenwerk has not got our message: connection refused.")

    row.get_by_role("link", name="Get a copy").click()
    expect(page.get_by_text("This waits for a person.")).to_be_visible()
    page.locator(".callout").get_by_role("button", name="Send again").click()
    expect(page.get_by_text("It is on its way again.")).to_be_visible()
    expect(page.get_by_text("This waits for a person.")).to_have_count(0)
    assert page.url.endswith(page_of(request))

    as_worker(deliver_due)
    page.reload()
    kassenwerk = page.get_by_role("row").filter(has_text="Kassenwerk")
    expect(kassenwerk).to_contain_text("Accepted")
    page.get_by_role("link", name="Today").click()
    expect(page.locator(".opening")).to_contain_text("Nothing needs you.")


@pytest.mark.parametrize("window", [Window(320, "light"), Window(1280, "dark")], ids=str)
def test_no_page_scrolls_sideways_and_each_has_one_heading(cast: Cast, open_page: Open, window: Window) -> None:
    request = stuck_request(cast)
    watched = open_page(window)
    sign_in_dana(watched.page, cast)

    for path in ("/console/", *lists(), page_of(request), page_of(cast.shop), page_of(Message.objects.dead().get())):
        watched.page.goto(path)
        assert not watched.scrolls_sideways(), path
        expect(watched.page.get_by_role("heading", level=1)).to_have_count(1)


def test_the_keyboard_alone_reaches_the_act(cast: Cast, open_page: Open) -> None:
    request = stuck_request(cast)
    page = open_page(Window(1280, "light")).page
    sign_in_dana(page, cast)
    page.goto(page_of(request))

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    button = page.locator(".callout").get_by_role("button", name="Send again")
    for _ in range(6):
        page.keyboard.press("Tab")
        if button.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_text("It is on its way again.")).to_be_visible()


def sign_in_dana(page: Page, cast: Cast) -> None:
    hire("Dana", cast.lindwerk)
    page.goto("/console/")
    page.get_by_label("Your name in this console").fill("Dana")
    page.get_by_label("Password").fill(PASS_PHRASE)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console/")


def stuck_request(cast: Cast) -> SubjectRequest:
    """Alice's request for a copy, of which Kassenwerk could not be told for three days."""
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ACCESS)
    fulfil_due()
    task = Task.objects.get(request=request, system_id=cast.shop.pk)
    Message.objects.filter(about_id=task.pk).update(
        state=MessageState.DEAD, dead_at=now(), last_error="connection refused", attempt_count=20, failure_count=20
    )
    return SubjectRequest.objects.get(pk=request.pk)
