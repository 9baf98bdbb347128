"""Makes what a test needs through the real services, so that keys, audit entries and constraints are real."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from consent.models import Purpose
from consent.services import define_purpose, publish_notice
from consent.terms import LegalBasis
from dsar.models import SubjectRequest
from dsar.services import accept_request, submit_request
from dsar.terms import Channel, RequestKind
from identity_privacy.access.models import Controller
from identity_privacy.actors import Actor
from identity_privacy.delivery.models import System
from identity_privacy.delivery.services import register_system
from identity_privacy.delivery.terms import SystemKind
from profiles.models import Identifier
from profiles.rules import AttributeMapping, ImportMapping, Row
from profiles.services import import_profiles
from profiles.terms import Category, IdentifierKind

SERVICE = Actor.service("test")

ATTRIBUTES = (
    ("given_name", "Given name", Category.IDENTITY),
    ("surname", "Surname", Category.IDENTITY),
    ("date_of_birth", "Date of birth", Category.IDENTITY),
    ("address", "Address", Category.CONTACT),
    ("social_security_number", "Social security number", Category.OFFICIAL),
)


def make_controller(code: str = "lindwerk", name: str = "Lindwerk", host: str = "localhost") -> Controller:
    return Controller.objects.create(
        code=code, name=name, host=host, country="DE", privacy_email=f"privacy@{code}.example"
    )


def make_system(
    controller: Controller,
    code: str,
    *,
    name: str = "",
    what_it_does: str = "",
    categories: Sequence[str] = (Category.IDENTITY, Category.CONTACT),
    after: Sequence[str] = (),
    endpoint: str = "",
) -> System:
    return register_system(
        actor=SERVICE,
        controller=controller,
        code=code,
        name=name or code.title(),
        kind=SystemKind.WEBHOOK,
        what_it_does=what_it_does,
        country="DE",
        endpoint=endpoint or f"https://{code}.example/hooks",
        categories=categories,
        after=after,
    )


def make_person(
    controller: Controller,
    *,
    email: str,
    given_name: str,
    surname: str = "Brandt",
    more: Mapping[str, str] | None = None,
    systems: Sequence[System] = (),
    purposes: Sequence[str] = (),
) -> UUID:
    """A person as an import brings them, linked to `systems`; returns the subject id."""
    values = {"record": email, "email": email, "given_name": given_name, "surname": surname, **(more or {})}
    values |= {system.code: f"{system.code}-{given_name}" for system in systems}
    mapping = ImportMapping(
        source="Our shop",
        record_id="record",
        identifiers={IdentifierKind.EMAIL: "email"},
        attributes=tuple(
            AttributeMapping(code=code, column=code, label=label, category=category, purposes=tuple(purposes))
            for code, label, category in ATTRIBUTES
        ),
        links={system.code: system.code for system in systems},
    )
    row = Row(line=2, values={code: "" for code, _, _ in ATTRIBUTES} | values)
    report = import_profiles(actor=SERVICE, controller=controller, rows=[row], mapping=mapping)
    assert report.rejected == []
    return Identifier.objects.naming(controller.id, IdentifierKind.EMAIL, email).get().profile_id


def make_purpose(
    controller: Controller,
    code: str,
    *,
    name: str = "",
    description: str = "We send you offers and news, at most twice a month.",
    basis: LegalBasis = LegalBasis.CONSENT,
    systems: Sequence[str] = (),
    text: str = "I agree that you send me offers and news by e-mail, at most twice a month.",
    position: int = 0,
) -> Purpose:
    purpose = define_purpose(
        actor=SERVICE,
        controller=controller,
        code=code,
        name=name or code.title(),
        description=description,
        legal_basis=basis,
        systems=systems,
        position=position,
    )
    if basis is LegalBasis.CONSENT:
        publish_notice(actor=SERVICE, purpose=purpose, locale="en", text=text)
    return purpose


def make_request(
    controller: Controller, subject_id: UUID, kind: RequestKind, *, accepted: bool = True
) -> SubjectRequest:
    request = submit_request(
        actor=Actor.subject(subject_id),
        controller=controller,
        subject_id=subject_id,
        kind=kind,
        channel=Channel.PORTAL,
        contact_email="alice@example.org",
    )
    return accept_request(actor=SERVICE, request=request) if accepted else request
