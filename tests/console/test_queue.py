"""The queue and the page of a request."""

from datetime import date

import pytest
from django.test import Client

from dsar.admin.due import due_of, soon_until
from dsar.models import SubjectRequest
from dsar.services import withdraw_request
from dsar.terms import RequestKind
from identity_privacy.actors import Actor
from identity_privacy.delivery.models import Message
from tests.cast import Cast
from tests.console.pages import page_of
from tests.factories import make_request

QUEUE = "/console/dsar/subjectrequest/"


@pytest.mark.parametrize(
    ("today", "words", "kind"),
    [
        (date(2026, 12, 28), "Due today", "keep"),
        (date(2026, 12, 29), "1 day late", "bad"),
        (date(2026, 12, 31), "3 days late", "bad"),
        (date(2026, 12, 27), "1 day left", "keep"),
        # Three working days ahead: from Wednesday over the weekend to Monday.
        (date(2026, 12, 23), "5 days left", "keep"),
        (date(2026, 12, 22), "6 days left", ""),
    ],
)
def test_the_days_left_are_counted_and_coloured(today: date, words: str, kind: str) -> None:
    due = due_of(SubjectRequest(due_on=date(2026, 12, 28), state="fulfilling"), today)
    assert (due.words, due.kind, due.under) == (words, kind, "28 December 2026")


def test_three_working_days_pass_over_a_weekend() -> None:
    assert soon_until(date(2026, 11, 26)) == date(2026, 12, 1)


def test_the_queue_shows_open_requests_and_ended_ones_only_when_asked(
    browser: Client, stage: Cast, erasure: SubjectRequest
) -> None:
    withdrawn = make_request(stage.lindwerk, stage.bob, RequestKind.ACCESS)
    withdraw_request(actor=Actor.subject(stage.bob), request=withdrawn)
    assert _shown(browser, QUEUE, erasure, withdrawn) == [True, False]
    assert _shown(browser, f"{QUEUE}?state=ended", erasure, withdrawn) == [False, True]
    assert _shown(browser, f"{QUEUE}?state=answered", erasure, withdrawn) == [False, False]
    assert _shown(browser, f"{QUEUE}?state=all", erasure, withdrawn) == [True, True]
    assert _shown(browser, f"{QUEUE}?kind=access", erasure, withdrawn) == [False, False]


def test_a_request_is_found_by_its_reference_in_any_state(
    browser: Client, stage: Cast, erasure: SubjectRequest
) -> None:
    withdrawn = make_request(stage.lindwerk, stage.bob, RequestKind.ACCESS)
    withdraw_request(actor=Actor.subject(stage.bob), request=withdrawn)
    assert _shown(browser, f"{QUEUE}?q=%20{withdrawn.reference.lower()}", erasure, withdrawn) == [False, True]


def test_requests_of_a_person_are_found_by_the_pseudonym(browser: Client, stage: Cast, erasure: SubjectRequest) -> None:
    bobs = make_request(stage.lindwerk, stage.bob, RequestKind.ACCESS)
    assert _shown(browser, f"{QUEUE}?q={stage.alice}", erasure, bobs) == [True, False]


def test_a_search_without_a_match_says_so(browser: Client, erasure: SubjectRequest) -> None:
    assert "Nothing matches." in browser.get(f"{QUEUE}?q=LI-000000").text


def test_the_page_shows_where_each_system_stands_and_never_calls_a_claim_checked(
    browser: Client, erasure: SubjectRequest
) -> None:
    page = browser.get(page_of(erasure)).text
    # Our own copy is the only one that we read ourselves.
    assert page.count("Checked by us</span>") == 1
    assert page.count("Asked</span>") == 3
    assert "It runs by itself." in page


def test_the_page_says_what_holds_the_request_up_and_offers_to_send_again(
    browser: Client, erasure: SubjectRequest, dead_letter: Message
) -> None:
    page = browser.get(page_of(erasure)).text
    assert "This waits for a person." in page
    assert "Paketlauf has not got our message: connection refused." in page
    assert f'action="/console/delivery/message/{dead_letter.pk}/send-again/"' in page


def test_the_date_explains_itself_with_its_article(browser: Client, erasure: SubjectRequest) -> None:
    page = browser.get(page_of(erasure)).text
    assert "Why this date?" in page
    assert "1 month to answer: Art. 12(3) GDPR." in page


def test_the_timeline_tells_what_was_done_by_whom(browser: Client, erasure: SubjectRequest) -> None:
    page = browser.get(page_of(erasure)).text
    assert "Request submitted" in page
    assert "Request accepted" in page
    assert ", the person</p>" in page


def _shown(browser: Client, path: str, *requests: SubjectRequest) -> list[bool]:
    page = browser.get(path).text
    return [request.reference in page for request in requests]
