"""A system's health is told with its cause, the troubled first."""

from django.test import Client

from dsar.models import SubjectRequest
from identity_privacy.clock import now
from identity_privacy.delivery.health import health_of
from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.services import switch_off_system
from identity_privacy.delivery.terms import MessageState
from tests.cast import Cast
from tests.console.pages import page_of
from tests.factories import SERVICE


def test_a_system_that_was_never_asked_is_not_called_well(stage: Cast, parcels: System) -> None:
    assert _said(stage, parcels) == ("Not asked yet", "We have not sent it anything yet.")


def test_a_system_that_has_not_answered_yet_is_not_called_well(
    stage: Cast, parcels: System, erasure: SubjectRequest
) -> None:
    assert _said(stage, parcels) == ("No answer yet", "1 message is on its way.")


def test_a_system_that_took_everything_is_well(stage: Cast, parcels: System, erasure: SubjectRequest) -> None:
    Message.objects.filter(system=parcels).update(state=MessageState.DELIVERED, delivered_at=now())
    assert _said(stage, parcels) == ("Well", "It takes what we send.")


def test_a_system_that_does_not_answer_says_what_happened_and_what_comes(
    stage: Cast, parcels: System, erasure: SubjectRequest
) -> None:
    Message.objects.filter(system=parcels).update(failure_count=2, last_error="503")
    assert _said(stage, parcels) == ("Does not answer", "1 message did not arrive and is tried again: 503.")


def test_a_system_with_a_dead_letter_needs_a_person(stage: Cast, parcels: System, dead_letter: Message) -> None:
    assert _said(stage, parcels) == ("Needs a person", "We gave up on 1 message: connection refused.")


def test_a_system_that_was_switched_off_needs_a_person(stage: Cast, parcels: System) -> None:
    switch_off_system(actor=SERVICE, system=parcels, reason="410")
    assert _said(stage, parcels)[0] == "Switched off"


def test_the_troubled_stand_first(stage: Cast, dead_letter: Message) -> None:
    names = [health.system.name for health in health_of({stage.lindwerk.pk})]
    assert names[0] == "Paketlauf"


def test_the_page_of_a_system_shows_its_last_messages_and_no_secret(
    browser: Client, parcels: System, dead_letter: Message
) -> None:
    page = browser.get(page_of(parcels)).text
    assert "We gave up on 1 message: connection refused." in page
    assert "Send again" in page
    assert "whsec_" not in page


def _said(stage: Cast, system: System) -> tuple[str, str]:
    healths = health_of({stage.lindwerk.pk})
    health = next(found for found in healths if found.system.pk == system.pk)
    return str(health.tag().words), health.sentence()
