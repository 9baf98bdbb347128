"""A request comes in, is accepted with its plan, or is withdrawn."""

import secrets
from uuid import UUID

from django.db import transaction
from uuid_utils.compat import uuid7

from dsar import law as laws
from dsar.models import SubjectRequest, Task
from dsar.querysets import OPEN
from dsar.rules import step, without_circles
from dsar.services.entries import enter_request
from dsar.terms import Channel, RequestKind, RequestState
from identity_privacy import clock
from identity_privacy.access.models import Controller
from identity_privacy.actors import Actor
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.delivery.models import System
from identity_privacy.delivery.services import wake
from profiles.errors import UnknownPerson
from profiles.models import Profile

FULFIL = "dsar.fulfil"
# No 0/O, 1/I/L: a reference is read aloud and typed in.
REFERENCE_SIGNS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


@transaction.atomic
def submit_request(
    *,
    actor: Actor,
    controller: Controller,
    subject_id: UUID,
    kind: RequestKind,
    channel: Channel,
    contact_email: str = "",
) -> SubjectRequest:
    """Take in a request of a person who has shown who they are; the law's clock starts.

    A second one of the same kind joins the one that is open. `contact_email` is sealed under the request's own key.
    Raises: UnknownPerson.
    """
    # The lock makes a second submission at the same moment wait, and then join.
    profile = Profile.objects.select_for_update().living().of(controller.id).filter(id=subject_id).first()
    if profile is None:
        raise UnknownPerson(str(subject_id))
    standing = SubjectRequest.objects.filter(subject_id=subject_id, kind=kind, state__in=OPEN).first()
    if standing is not None:
        enter_request(actor, "request.joined", standing)
        return standing
    now, request_id = clock.now(), uuid7()
    deadline = laws.deadline(controller, law="gdpr", received_on=clock.today(controller.zone))
    request = SubjectRequest.objects.create(
        id=request_id,
        reference=_reference(controller),
        controller=controller,
        subject_id=subject_id,
        data_key_id=create_data_key(
            kind=KeyKind.REQUEST, controller_id=controller.id, owner_id=request_id, subject_id=subject_id
        ),
        kind=kind,
        channel=channel,
        contact=contact_email or None,
        received_at=now,
        due_on=deadline.due_on,
        due_reason=dict(deadline.reasons()),
    )
    # Which address the answer is to go to is what a dispute would be about.
    enter_request(
        actor,
        "request.submitted",
        request,
        commitments={"contact": contact_email} if contact_email else None,
        kind=str(kind),
        due_on=deadline.due_on.isoformat(),
    )
    return request


@transaction.atomic
def accept_request(*, actor: Actor, request: SubjectRequest) -> SubjectRequest:
    """Accept a request and fix its plan: a task for us and for every linked system that may hold the person's data.

    Raises: NotNow.
    """
    request = SubjectRequest.objects.select_for_update().get(id=request.id)
    request.state = step(RequestKind(request.kind), RequestState(request.state), RequestState.FULFILLING)
    request.accepted_at = clock.now()
    request.save(update_fields=["state", "accepted_at"])
    systems = System.objects.filter(controller=request.controller, is_active=True).order_by("code")
    after = without_circles({system.code: system.after for system in systems})
    own = Task(
        request=request,
        data_key_id=request.data_key_id,
        system_code="this-service",
        system_name=request.controller.name,
        position=0,
    )
    others = [
        Task(
            request=request,
            data_key_id=request.data_key_id,
            system_id=system.id,
            system_code=system.code,
            system_name=system.name,
            position=position,
            after=after[system.code],
        )
        for position, system in enumerate(systems, 1)
    ]
    Task.objects.bulk_create([own, *others])
    enter_request(actor, "request.accepted", request, plan=[own.system_code, *(task.system_code for task in others)])
    wake(FULFIL)
    return request


@transaction.atomic
def withdraw_request(*, actor: Actor, request: SubjectRequest) -> SubjectRequest:
    """The person takes the request back. Raises: NotNow, once an erasure has begun or the answer was given."""
    request = SubjectRequest.objects.select_for_update().get(id=request.id)
    request.state = step(RequestKind(request.kind), RequestState(request.state), RequestState.WITHDRAWN)
    request.closed_at = clock.now()
    request.save(update_fields=["state", "closed_at"])
    enter_request(actor, "request.withdrawn", request)
    return request


def _reference(controller: Controller) -> str:
    return f"{controller.code[:2].upper()}-{''.join(secrets.choice(REFERENCE_SIGNS) for _ in range(6))}"
