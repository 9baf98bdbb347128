"""What a rule refuses is told on a page of ours, in the person's language, and is never called our mistake."""

import pytest
from django.test import Client, RequestFactory

from dsar.errors import NotErased, NotNow, UnknownTask
from dsar.models import SubjectRequest
from dsar.terms import RequestKind, RequestState
from identity_privacy.audit.models import Entry
from identity_privacy.crypto.errors import RootKeyUnavailable
from identity_privacy.errors import NotPermitted, ServiceError
from identity_privacy.problems import RefusalPages
from profiles.services import restrict_profile
from tests.cast import Cast
from tests.factories import SERVICE, make_request


def test_an_erasure_that_has_begun_cannot_be_withdrawn_and_the_page_says_so(cast: Cast, alice: Client) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    answer = alice.post(f"/requests/{request.reference}/withdraw/")
    assert answer.status_code == 409
    assert "<h1>This is not possible at this stage of the request</h1>" in answer.text
    assert "fulfilling" not in answer.text, "no word of the inside"
    assert SubjectRequest.objects.get(id=request.id).state == RequestState.FULFILLING
    german = alice.post(f"/requests/{request.reference}/withdraw/", headers={"accept-language": "de"})
    assert "<h1>Das geht beim jetzigen Stand des Antrags nicht</h1>" in german.text


def test_a_choice_of_a_person_who_is_being_erased_is_refused_and_not_recorded(cast: Cast, alice: Client) -> None:
    restrict_profile(actor=SERVICE, subject_id=cast.alice, reason="test")
    answer = alice.post("/choices/newsletter/", {"on": "yes"})
    assert answer.status_code == 409
    assert "<h1>This person was erased</h1>" in answer.text
    assert not Entry.objects.filter(action__startswith="consent.").exists()


@pytest.mark.parametrize(("error", "status"), [(NotNow, 409), (NotPermitted, 403), (UnknownTask, 404)])
def test_each_refusal_has_the_status_of_its_kind(
    cast: Cast, rf: RequestFactory, error: type[ServiceError], status: int
) -> None:
    answer = _pages().process_exception(rf.get("/somewhere/"), error("inside"))
    assert answer is not None
    assert (answer.status_code, error.title in answer.text, "inside" in answer.text) == (status, True, False)


@pytest.mark.parametrize("error", [NotErased("inside"), RootKeyUnavailable(), ValueError()])
def test_what_is_our_own_mistake_stays_one(rf: RequestFactory, error: Exception) -> None:
    assert _pages().process_exception(rf.get("/somewhere/"), error) is None


def test_a_machine_is_answered_by_a_problem_and_not_by_a_page(rf: RequestFactory) -> None:
    answer = _pages().process_exception(rf.get("/api/v1/somewhere/"), NotNow())
    assert answer is not None
    assert (answer.status_code, answer.headers["Content-Type"]) == (409, "application/problem+json")


def _pages() -> RefusalPages:
    def never(_: object) -> None:
        raise AssertionError

    return RefusalPages(never)  # type: ignore[arg-type]  # it is not called
