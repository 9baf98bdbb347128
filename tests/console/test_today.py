"""Today tells the truth in its first sentence, and puts first what is due first."""

import re
from datetime import timedelta

from django.test import Client

from dsar.models import SubjectRequest
from dsar.terms import Outcome, RequestKind, RequestState, TaskState
from identity_privacy.clock import today
from identity_privacy.delivery.models import Message
from identity_privacy.delivery.services import switch_off_system
from tests.cast import Cast
from tests.factories import SERVICE, make_person, make_request


def test_with_nothing_to_do_it_says_so(browser: Client, stage: Cast) -> None:
    assert _opening(browser) == "Nothing needs you. No request is open."


def test_an_open_request_that_runs_by_itself_needs_nobody(browser: Client, erasure: SubjectRequest) -> None:
    day = f"{erasure.due_on:%-d %B %Y}"
    assert _opening(browser) == (f"Nothing needs you. The 1 open request runs by itself; its answer is due on {day}.")


def test_each_number_of_the_opening_is_true_and_counts_a_request_once(
    browser: Client, stage: Cast, dead_letter: Message
) -> None:
    for number, days in enumerate((-3, -1, 0, 20)):
        subject_id = make_person(stage.lindwerk, email=f"p{number}@example.org", given_name=f"p{number}")
        _due_in(make_request(stage.lindwerk, subject_id, RequestKind.ACCESS), days)
    switch_off_system(actor=SERVICE, system=stage.mailer, reason="test")
    opening = _opening(browser)
    assert "2 requests are late." in opening
    assert "1 request may be late by " in opening
    assert "1 request waits for a person." in opening
    assert "2 systems need a person." in opening
    assert opening.endswith("The other open request runs by itself.")


def test_an_answered_request_of_which_a_part_failed_still_waits_for_a_person(
    browser: Client, erasure: SubjectRequest
) -> None:
    task = erasure.tasks.get(system_code="parcels")
    task.state, task.outcome, task.reason = TaskState.REPORTED, Outcome.FAILED, "Alice's account is locked"
    task.save()
    SubjectRequest.objects.filter(pk=erasure.pk).update(state=RequestState.ANSWERED)
    assert _opening(browser) == "1 request waits for a person. No request is open."
    page = browser.get("/console/").text
    assert "Paketlauf says that it failed." in page
    assert "account is locked" not in page, "why is for the person alone"


def test_what_is_due_first_stands_first(browser: Client, stage: Cast, dead_letter: Message) -> None:
    bob = make_request(stage.lindwerk, stage.bob, RequestKind.ACCESS)
    _due_in(bob, -2)
    shown = re.findall(r"LI-[0-9A-Z]{6}", browser.get("/console/").text)
    assert shown == [bob.reference, SubjectRequest.objects.exclude(pk=bob.pk).get().reference]


def test_a_late_request_says_how_late_in_the_colour_of_late(browser: Client, erasure: SubjectRequest) -> None:
    _due_in(erasure, -1)
    assert '<span class="due bad">1 day late</span>' in browser.get("/console/").text


def test_stuck_messages_stand_together_by_cause_with_one_act(browser: Client, dead_letter: Message) -> None:
    page = browser.get("/console/").text
    assert "1 to Paketlauf" in page
    assert "connection refused" in page
    assert "Send 1 again" in page


def _opening(browser: Client) -> str:
    found = re.search(r'<p class="opening">(.*?)</p>', browser.get("/console/").text, re.DOTALL)
    assert found
    return " ".join(re.sub(r"<[^>]+>", "", found[1]).split())


def _due_in(request: SubjectRequest, days: int) -> None:
    due_on = today(request.controller.zone) + timedelta(days=days)
    SubjectRequest.objects.filter(pk=request.pk).update(due_on=due_on)
