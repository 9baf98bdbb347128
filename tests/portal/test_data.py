"""My data: every fact of mine, nobody else's, and each look on record."""

from datetime import timedelta
from typing import NoReturn

import pytest
import time_machine
from django.db import connection
from django.test import Client

from consent.services import record_choice
from consent.terms import Channel, ConsentAction
from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from identity_privacy.audit.tasks import sequence
from identity_privacy.clock import machine_now
from profiles import portal
from profiles.models import AttributeDefinition
from tests.cast import ALICE_EMAIL, BOB_EMAIL, Cast


def test_a_person_sees_every_fact_with_its_source_and_nobody_elses(alice: Client) -> None:
    page = alice.get("/data/").content.decode()

    for fact in ("alice", "Brandt", "1988-05-12", "Freiherr-vom-Stein-Straße 118a", "5304218", ALICE_EMAIL):
        assert fact in page
    assert "From Our shop" in page
    assert BOB_EMAIL not in page


def test_a_reason_that_needs_a_yes_is_named_only_while_the_yes_stands(cast: Cast, alice: Client) -> None:
    before = alice.get("/data/").content.decode()
    record_choice(
        actor=Actor.subject(cast.alice),
        subject_id=cast.alice,
        purpose=cast.newsletter,
        action=ConsentAction.GIVEN,
        notice=cast.newsletter.notices.get(),
        channel=Channel.PORTAL,
        method="switch",
    )
    after = alice.get("/data/").content.decode()

    assert "Delivering your orders" in before
    assert "because you said yes" not in before
    assert "Newsletter by e-mail, because you said yes" in after


def test_a_sensitive_fact_is_hidden_once_the_sign_in_is_older_than_five_minutes(cast: Cast, alice: Client) -> None:
    AttributeDefinition.objects.filter(controller=cast.lindwerk, code="social_security_number").update(
        is_sensitive=True
    )

    assert "5304218" in alice.get("/data/").content.decode()
    with time_machine.travel(machine_now() + timedelta(minutes=6)):
        assert "5304218" not in alice.get("/data/").content.decode()


def test_each_look_is_on_record_by_pseudonym(cast: Cast, alice: Client) -> None:
    alice.get("/data/")

    entry = Entry.objects.filter(action="personal_data.read").latest("id")
    assert entry.subject_id == cast.alice
    assert "alice" not in str(entry.__dict__).lower()


@pytest.mark.django_db(transaction=True)
def test_a_look_is_on_record_though_the_page_breaks_off_and_all_is_rolled_back(
    cast: Cast, alice: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> NoReturn:
        raise ArithmeticError

    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    monkeypatch.setattr(portal, "render", broken)
    alice.raise_request_exception = False

    assert alice.get("/data/").status_code == 500
    sequence()

    entry = Entry.objects.get(action="personal_data.read", purpose="portal.my_data")
    assert (entry.subject_id, entry.details) == (cast.alice, {"rolled_back": True})
