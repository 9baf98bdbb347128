"""Run inside the service's settings: `people`, `erase_alice`, `enter N`, or `told`, which prints who is known."""

import json
import sys
from uuid import UUID

import django


def people() -> None:
    controller = make_controller()
    for name in ("alice", "bob"):
        make_person(controller, email=f"{name}@example.org", given_name=name)
    sequence()


def erase_alice() -> None:
    make_request(Controller.objects.get(), subject("alice"), RequestKind.ERASURE)
    fulfil_due()
    sequence()


def enter(count: int) -> None:
    for _ in range(count):
        record(actor=SERVICE, action="test.done", target=("thing", "1"), controller_id=None)
    sequence()


def told() -> None:
    with Reading(actor=SERVICE, purpose="test", reason="drill", subject_id=None):
        names = sorted(row.value for row in Attribute.objects.filter(definition__code="given_name"))
    sys.stdout.write(json.dumps({"names": names, "verified": verify_log()}))


def subject(name: str) -> UUID:
    controller_id, email = Controller.objects.get().id, f"{name}@example.org"
    return Identifier.objects.naming(controller_id, IdentifierKind.EMAIL, email).get().profile_id


if __name__ == "__main__":
    django.setup()
    from dsar.services import fulfil_due
    from dsar.terms import RequestKind
    from identity_privacy.access.models import Controller
    from identity_privacy.audit.services import record, sequence
    from identity_privacy.audit.verification import verify_log
    from identity_privacy.crypto.reading import Reading
    from profiles.models import Attribute, Identifier
    from profiles.terms import IdentifierKind
    from tests.factories import SERVICE, make_controller, make_person, make_request

    match sys.argv[1:]:
        case ["people"]:
            people()
        case ["erase_alice"]:
            erase_alice()
        case ["enter", count]:
            enter(int(count))
        case ["told"]:
            told()
