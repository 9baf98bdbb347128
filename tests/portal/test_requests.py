"""Asking for something and following it: fresh code, no claim beyond what is proven, reachable by its person alone."""

import io
import zipfile
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dsar.models import SubjectRequest, Task
from dsar.portal.systems import bar_of, row_of
from dsar.services import answer_due, carry_out
from dsar.services.fulfilment import erase_rows
from dsar.standing import Standing, standing_of
from dsar.terms import Check, EvidenceKind, Outcome, RequestKind, RequestState, TaskState
from identity_privacy.audit.models import Entry
from identity_privacy.clock import machine_now, now
from tests.cast import Cast
from tests.factories import make_request
from tests.portal.door import code_sent, codes_sent, stranger


def test_with_a_fresh_sign_in_a_request_is_sent_from_the_check_page(cast: Cast, alice: Client) -> None:
    page = alice.get("/requests/new/erasure/").content.decode()
    assert "Nothing has been erased yet" in page
    assert "Here and at Kassenwerk, Postbote" in page

    response = alice.post("/requests/new/erasure/")

    request = SubjectRequest.objects.get(subject_id=cast.alice)
    assert response["Location"] == f"/requests/{request.reference}/sent/"
    assert request.state == RequestState.FULFILLING
    assert [task.system_name for task in request.tasks.order_by("position")] == ["Lindwerk", "Postbote", "Kassenwerk"]


def test_with_an_older_sign_in_a_request_needs_a_code(cast: Cast, alice: Client) -> None:
    before = codes_sent()
    with time_machine.travel(machine_now() + timedelta(minutes=6)):
        response = alice.post("/requests/new/erasure/")
        assert response["Location"] == "/requests/new/erasure/code/"
        assert codes_sent() == before + 1
        assert not SubjectRequest.objects.exists()

        alice.post("/requests/new/erasure/code/", {"code": "12345"})
        assert not SubjectRequest.objects.exists()

        alice.post("/requests/new/erasure/code/", {"code": code_sent()})
        assert SubjectRequest.objects.get().subject_id == cast.alice


def test_asking_again_leads_to_the_open_request(cast: Cast, alice: Client) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ACCESS)

    assert alice.get("/requests/new/access/")["Location"] == f"/requests/{request.reference}/"
    assert alice.get("/requests/new/nonsense/").status_code == 404


@pytest.mark.parametrize("page", ["", "sent/", "certificate.json"])
def test_a_request_exists_for_its_person_alone(
    cast: Cast, alice: Client, bob: Client, charlie: Client, page: str
) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ACCESS)

    for other in (bob, charlie, stranger()):
        assert other.get(f"/requests/{request.reference}/{page}").status_code == 404
    assert charlie.post(f"/requests/{request.reference}/withdraw/").status_code == 404
    assert charlie.post(f"/requests/{request.reference}/package.zip").status_code == 404


def test_after_the_erasure_the_session_that_asked_still_follows_it_without_a_name(cast: Cast, alice: Client) -> None:
    alice.post("/requests/new/erasure/")
    reference = SubjectRequest.objects.get().reference
    erase_rows(cast.alice)

    page = alice.get("/", follow=True).content.decode()
    assert f"Your request {reference}" in page
    assert "alice" not in page.lower()
    assert 'class="nav"' not in page

    alice.post("/sign-out/")
    assert alice.get(f"/requests/{reference}/").status_code == 404


def test_a_copy_can_be_withdrawn_and_an_erasure_under_way_cannot(cast: Cast, alice: Client) -> None:
    copy = make_request(cast.lindwerk, cast.alice, RequestKind.ACCESS)
    erasure = make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)

    assert "Withdraw this request" in alice.get(f"/requests/{copy.reference}/").content.decode()
    assert "Withdraw this request" not in alice.get(f"/requests/{erasure.reference}/").content.decode()

    alice.post(f"/requests/{copy.reference}/withdraw/")
    assert "You withdrew this request on" in alice.get(f"/requests/{copy.reference}/").content.decode()


def test_the_copy_is_had_with_a_fresh_code_and_each_time_it_is_taken_is_on_record(cast: Cast, alice: Client) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ACCESS)
    carry_out(request_id=request.id)
    request.tasks.exclude(system_id=None).update(
        state=TaskState.REPORTED, outcome=Outcome.NOTHING_FOUND, reported_at=now()
    )
    answer_due()
    path = f"/requests/{request.reference}/package.zip"

    with time_machine.travel(machine_now() + timedelta(minutes=6)):
        confirm = alice.post(path)["Location"]
        assert confirm.startswith("/confirm/?next=")
        back = alice.post(confirm, {"code": code_sent()})
        assert back["Location"] == f"/requests/{request.reference}/"
        response = alice.post(path)

    assert zipfile.is_zipfile(io.BytesIO(response.content))
    read = Entry.objects.filter(action="personal_data.read", subject_id=cast.alice).latest("id")
    assert read.purpose == "portal.package"


def test_why_a_place_keeps_something_is_told_to_the_person_and_that_is_on_record(cast: Cast, alice: Client) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    path = f"/requests/{request.reference}/"
    readings = Entry.objects.filter(action="personal_data.read", purpose="portal.request")
    alice.get(path)
    assert not readings.exists(), "nothing sealed was opened"
    task = request.tasks.get(system_code="mailer")
    task.state, task.outcome, task.reported_at = TaskState.REPORTED, Outcome.KEPT, now()
    task.reason = "Frau Brandt owes us 3 euros."
    task.save()
    page = alice.get(path)
    assert "Postbote keeps some of your data: Frau Brandt owes us 3 euros. Nobody uses it" in page.text
    alice.get(f"{path}?seen={page.context['seen']}", headers={"HX-Request": "true"})
    assert readings.count() == 1, "a poll that has no news reads nothing"


def test_the_page_of_a_copy_that_went_with_an_erasure_says_so_and_offers_nothing(cast: Cast, alice: Client) -> None:
    alice.post("/requests/new/access/")
    copy = SubjectRequest.objects.get()
    carry_out(request_id=copy.id)
    for task in copy.tasks.exclude(system_id=None):
        task.state, task.outcome, task.reported_at, task.reason = TaskState.REPORTED, Outcome.KEPT, now(), "Invoices"
        task.save()
    answer_due()
    path = f"/requests/{copy.reference}/"
    assert "Your copy is ready." in alice.get(path).text
    carry_out(request_id=make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE).id)

    page = alice.get(path)  # the browser in which she asked still knows the way
    assert page.status_code == 200
    assert "Your copy is no longer here." in page.text
    assert "Get my copy" not in page.text
    assert "Get the certificate" not in page.text
    assert alice.get(f"{path}certificate.json").status_code == 404
    assert alice.post(f"{path}package.zip").status_code == 404


def test_the_date_explains_itself(cast: Cast, alice: Client) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ACCESS)

    page = alice.get(f"/requests/{request.reference}/").content.decode()
    assert "Why this date?" in page
    assert "Art. 12(3) GDPR" in page


def test_a_poll_is_answered_only_when_something_changed(cast: Cast, alice: Client) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ACCESS)
    path = f"/requests/{request.reference}/"
    seen = alice.get(path).context["seen"]

    assert alice.get(f"{path}?seen={seen}", headers={"HX-Request": "true"}).status_code == 204

    task = request.tasks.get(system_code="mailer")
    task.state, task.asked_at = TaskState.ASKED, now()
    task.save()
    update = alice.get(f"{path}?seen={seen}", headers={"HX-Request": "true"})
    assert "We asked on" in update.content.decode()
    assert "<html" not in update.content.decode()
    # An explanation that stands open beside the list stays open until the request itself moves on.
    assert 'id="aside"' not in update.content.decode()

    SubjectRequest.objects.filter(id=request.id).update(state=RequestState.ANSWERED, answered_at=now())
    update = alice.get(f"{path}?seen={update.context['seen']}", headers={"HX-Request": "true"})
    assert "We answered on" in update.content.decode()


def test_the_list_of_requests_costs_the_same_for_one_and_for_many_places(
    cast: Cast, alice: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    make_request(cast.lindwerk, cast.alice, RequestKind.ACCESS)
    make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)

    with django_assert_max_num_queries(8):
        alice.get("/requests/")


@pytest.mark.parametrize(
    ("outcome", "check", "standing", "full_segments"),
    [
        (Outcome.DONE, "", Standing.SAYS_ERASED, 3),
        (Outcome.DONE, Check.CONFIRMED_AGAIN, Standing.SAYS_SO_AGAIN, 3),
        (Outcome.DONE, Check.CHECKED, Standing.CHECKED, 4),
        (Outcome.NOTHING_FOUND, "", Standing.NOTHING_FOUND, 3),
        (Outcome.KEPT, "", Standing.KEPT, 0),
        (Outcome.FAILED, "", Standing.FAILED, 0),
    ],
)
def test_only_our_own_read_fills_the_fourth_segment(
    cast: Cast, outcome: Outcome, check: str, standing: Standing, full_segments: int
) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    task = _reported(request, outcome, check)

    row = row_of(task, request)
    assert row.standing is standing
    assert sum("full" in segment for segment in row.ladder) == full_segments
    assert row.sentence.endswith(".")


def test_says_erased_is_never_shown_as_done(cast: Cast) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    task = _reported(request, Outcome.DONE, "")

    assert standing_of(task, RequestKind.ERASURE).value.words == "Says erased"
    assert bar_of([task], RequestKind.ERASURE).segments == ["ok half"]


def _reported(request: SubjectRequest, outcome: Outcome, check: str) -> Task:
    task = request.tasks.get(system_code="mailer")
    task.state, task.outcome, task.check_result = TaskState.REPORTED, outcome, check
    task.asked_at = task.reported_at = now()
    task.checked_at = now() if check else None
    task.recheck_evidence_kind = EvidenceKind.OWN_READ if check == Check.CHECKED else ""
    task.save()
    return task
