"""Linking systems and people: secrets are sealed, codes are unique, and many links are fast."""

import time
from uuid import uuid4

import pytest

from identity_privacy.access.models import Controller
from identity_privacy.audit.models import Entry
from identity_privacy.crypto.errors import OpenedWithoutReading
from identity_privacy.crypto.keys import create_data_keys
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.delivery.errors import EndpointRefused, SystemCodeTaken, UnreadableSecret
from identity_privacy.delivery.models import Link, System
from identity_privacy.delivery.services import NewLink, link_subject, link_subjects
from identity_privacy.delivery.stores import LinkStore
from tests.delivery.world import DANA, make_controller, make_key, make_system, secrets_of

pytestmark = pytest.mark.django_db

URL = "https://shop.example/hooks"


def test_a_systems_two_secrets_differ_and_open_only_inside_a_reading(controller: Controller) -> None:
    system = make_system(controller, URL)
    outbound, inbound = secrets_of(system)

    assert outbound.startswith("whsec_")
    assert inbound.startswith("whsec_")
    assert outbound != inbound
    with pytest.raises(OpenedWithoutReading):
        _ = System.objects.get().outbound_secret
    assert Entry.objects.filter(action="system.registered", target_id=str(system.id)).count() == 1


def test_a_code_is_used_once_a_controller(controller: Controller) -> None:
    make_system(controller, URL)
    with pytest.raises(SystemCodeTaken):
        make_system(controller, URL)

    make_system(make_controller("other"), URL)
    assert System.objects.count() == 2


@pytest.mark.parametrize("url", ["", "http://shop.example/", "https://10.0.0.1/", "ftp://shop.example/"])
def test_an_endpoint_that_could_never_be_called_is_refused_at_once(controller: Controller, url: str) -> None:
    with pytest.raises(EndpointRefused):
        make_system(controller, url)


def test_a_public_key_that_is_none_is_refused_at_once(controller: Controller) -> None:
    with pytest.raises(UnreadableSecret):
        make_system(controller, URL, public_key="whpk_AAAA")


def test_each_system_knows_a_person_by_another_pseudonym(controller: Controller) -> None:
    alice = uuid4()
    key = make_key(controller, alice)
    for code in ("shop", "mailer"):
        system = make_system(controller, URL, code)
        link_subject(actor=DANA, system=system, subject_id=alice, data_key_id=key, account_id=f"{code}-17")

    assert len(set(Link.objects.of_subject(alice).values_list("pairwise_id", flat=True))) == 2
    with Reading(actor=DANA, purpose="test", subject_id=alice, reason="test"):
        (section,) = LinkStore().collect(alice)
        assert section.rows == [
            {"system": "Mailer", "account": "mailer-17"},
            {"system": "Shop", "account": "shop-17"},
        ]


def test_linking_twice_changes_nothing(controller: Controller) -> None:
    system, alice = make_system(controller, URL), uuid4()
    key = make_key(controller, alice)

    first, again = (
        link_subject(actor=DANA, system=system, subject_id=alice, data_key_id=key, account_id="17") for _ in range(2)
    )

    assert (first.id, first.pairwise_id) == (again.id, again.pairwise_id)


def test_erasing_cuts_all_links_and_none_of_others(controller: Controller) -> None:
    system, alice, bob = make_system(controller, URL), uuid4(), uuid4()
    for person in (alice, bob):
        key = make_key(controller, person)
        link_subject(actor=DANA, system=system, subject_id=person, data_key_id=key, account_id="17")
    store = LinkStore()

    assert store.remaining(alice) == {"links": 1}
    assert store.erase(alice) == {"links": 1}
    assert store.remaining(alice) == {"links": 0}
    assert store.erase(alice) == {"links": 0}
    assert store.remaining(bob) == {"links": 1}


def test_three_thousand_people_are_linked_in_a_second_or_so(controller: Controller) -> None:
    system = make_system(controller, URL)
    people = [uuid4() for _ in range(3_000)]
    keys = create_data_keys(
        kind=KeyKind.PROFILE, controller_id=controller.id, owners=[(person, person) for person in people]
    )
    links = [
        NewLink(subject_id=person, data_key_id=key, account_id=f"account-{number}")
        for number, (person, key) in enumerate(zip(people, keys, strict=True))
    ]
    started = time.process_time()

    assert link_subjects(actor=DANA, system=system, links=links) == 3_000
    assert time.process_time() - started < 2
    assert link_subjects(actor=DANA, system=system, links=links) == 0
