"""The verbs of consent: each writes the ledger, its projection, the audit entry and the messages in one transaction."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from uuid_utils.compat import uuid7

from consent.decisions import people_to_write_about
from consent.errors import NotAskedFor, PersonErased
from consent.models import ConsentEvent, ConsentState, Notice, Purpose
from consent.rules import comes_after
from consent.terms import Channel, ConsentAction, LegalBasis
from identity_privacy import clock
from identity_privacy.access.models import Controller
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.delivery.models import Link, System
from identity_privacy.delivery.services import enqueue
from profiles.models import Profile


@transaction.atomic
def define_purpose(
    *,
    actor: Actor,
    controller: Controller,
    code: str,
    name: str,
    description: str,
    legal_basis: LegalBasis,
    systems: Sequence[str] = (),
    position: int = 0,
) -> Purpose:
    """Declare a use of personal data, its legal basis and the linked systems that act on it."""
    purpose = Purpose.objects.create(
        controller=controller,
        code=code,
        name=name,
        description=description,
        legal_basis=legal_basis,
        systems=list(systems),
        position=position,
    )
    record(actor=actor, action="purpose.defined", target=("purpose", purpose.id), controller_id=controller.id)
    return purpose


@transaction.atomic
def publish_notice(*, actor: Actor, purpose: Purpose, locale: str, text: str) -> Notice:
    """Publish the text that people agree to, as the next version in its language; it never changes afterwards."""
    newest = purpose.notices.current(locale).first()
    notice = Notice.objects.create(
        purpose=purpose,
        version=newest.version + 1 if newest else 1,
        locale=locale,
        text=text,
        content_hash=hashlib.sha256(text.encode()).hexdigest(),
        published_at=clock.now(),
    )
    record(
        actor=actor,
        action="notice.published",
        target=("notice", notice.id),
        controller_id=purpose.controller_id,
        details={"content_hash": notice.content_hash, "version": notice.version},
    )
    return notice


@transaction.atomic
def record_choice(
    *,
    actor: Actor,
    subject_id: UUID,
    purpose: Purpose,
    action: ConsentAction,
    notice: Notice | None,
    channel: Channel,
    method: str,
) -> ConsentEvent:
    """Record what a person did about one purpose, and tell the systems that act on it.

    It binds the next decision. Raises: NotAskedFor; PersonErased.
    """
    if purpose.legal_basis != LegalBasis.CONSENT and action is not ConsentAction.OBJECTED:
        raise NotAskedFor(purpose.code)
    profile = _person_to_write_about(subject_id, purpose)
    now = clock.now()
    event = ConsentEvent.objects.create(
        subject_id=subject_id,
        purpose=purpose,
        action=action,
        notice=notice,
        channel=channel,
        method=method,
        occurred_at=now,
        recorded_at=now,
    )
    _project(event)
    told = _tell_systems(profile, purpose, event)
    record(
        actor=actor,
        action=f"consent.{action.value}",
        target=("purpose", purpose.id),
        controller_id=purpose.controller_id,
        subject_id=subject_id,
        details={
            "event": str(event.id),
            "channel": channel.value,
            "method": method,
            "notice": notice.content_hash if notice else "",
            "told": told,
        },
    )
    return event


@transaction.atomic
def answer_all(*, actor: Actor, controller: Controller, subject_id: UUID, locale: str, is_yes: bool) -> int:
    """Accept or refuse every purpose that asks for a yes, as one act; says how many changed.

    A yes that stood becomes withdrawn, one never given refused.
    """
    states = {state.purpose_id: state.action for state in ConsentState.objects.filter(subject_id=subject_id)}
    changed = 0
    for purpose in Purpose.objects.of(controller.id).asked():
        standing = states.get(purpose.id)
        if is_yes == (standing == ConsentAction.GIVEN) and standing is not None:
            continue
        refusal = ConsentAction.WITHDRAWN if standing == ConsentAction.GIVEN else ConsentAction.REFUSED
        record_choice(
            actor=actor,
            subject_id=subject_id,
            purpose=purpose,
            action=ConsentAction.GIVEN if is_yes else refusal,
            notice=purpose.notices.shown_in(locale).first(),
            channel=Channel.PORTAL,
            method="accept-all" if is_yes else "refuse-all",
        )
        changed += 1
    record(
        actor=actor,
        action="consent.answered_all",
        target=("subject", subject_id),
        controller_id=controller.id,
        subject_id=subject_id,
        details={"yes": is_yes, "changed": changed},
    )
    return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownChoice:
    """What a system knew of a person's choice before it came here."""

    subject_id: UUID
    action: ConsentAction
    occurred_at: datetime


@transaction.atomic
def import_choices(*, actor: Actor, purpose: Purpose, notice: Notice, choices: Iterable[KnownChoice]) -> int:
    """Record choices that linked systems already knew, for people with none on this purpose yet; says how many.

    The systems are not told: they are where it comes from. Importing the same choices again changes nothing; nothing
    is recorded about the erased and restricted. Raises: NotAskedFor.
    """
    if purpose.legal_basis != LegalBasis.CONSENT:
        raise NotAskedFor(purpose.code)
    now, choices = clock.now(), list(choices)
    # Locked as for one choice, so that no erasure and no switch in the portal comes between.
    people = people_to_write_about(purpose).select_for_update()
    writable = set(people.in_bulk({choice.subject_id for choice in choices}))
    writable -= set(ConsentState.objects.filter(purpose=purpose).values_list("subject_id", flat=True))
    events = [
        ConsentEvent(
            id=uuid7(),
            subject_id=choice.subject_id,
            purpose=purpose,
            action=choice.action,
            notice=notice,
            channel=Channel.IMPORT,
            method="import",
            occurred_at=choice.occurred_at,
            recorded_at=now,
        )
        for choice in choices
        if choice.subject_id in writable
    ]
    ConsentEvent.objects.bulk_create(events, batch_size=500)
    deciding: dict[UUID, ConsentEvent] = {}
    for event in events:
        standing = deciding.get(event.subject_id)
        if standing is None or comes_after(*_order(event), than=_order(standing)):
            deciding[event.subject_id] = event
    ConsentState.objects.bulk_create(
        [
            ConsentState(
                subject_id=event.subject_id,
                purpose=purpose,
                action=event.action,
                since=event.occurred_at,
                event=event,
            )
            for event in deciding.values()
        ],
        batch_size=500,
    )
    record(
        actor=actor,
        action="consent.imported",
        target=("purpose", purpose.id),
        controller_id=purpose.controller_id,
        details={"count": len(events)},
    )
    return len(events)


def _person_to_write_about(subject_id: UUID, purpose: Purpose) -> Profile:
    # Locked against an erasure at the same moment: whoever comes second sees what the first did.
    profile = people_to_write_about(purpose).select_for_update().filter(id=subject_id).first()
    if profile is None:
        raise PersonErased(str(subject_id))
    return profile


def _order(event: ConsentEvent) -> tuple[ConsentAction, datetime, str]:
    return ConsentAction(event.action), event.occurred_at, str(event.id)


def _project(event: ConsentEvent) -> None:
    state, is_new = ConsentState.objects.select_for_update().get_or_create(
        subject_id=event.subject_id,
        purpose=event.purpose,
        defaults={"action": event.action, "since": event.occurred_at, "event": event},
    )
    standing = (ConsentAction(state.action), state.since, str(state.event_id))
    if not is_new and comes_after(*_order(event), than=standing):
        state.action, state.since, state.event = event.action, event.occurred_at, event
        state.save(update_fields=["action", "since", "event"])


def _tell_systems(profile: Profile, purpose: Purpose, event: ConsentEvent) -> list[str]:
    systems = System.objects.filter(controller_id=purpose.controller_id, code__in=purpose.systems, is_active=True)
    links = {link.system_id: link for link in Link.objects.filter(subject_id=profile.id, system__in=systems)}
    told = []
    for system in systems:
        link = links.get(system.id)
        if link is None:
            continue
        enqueue(
            controller_id=purpose.controller_id,
            system=system,
            topic="consent.changed",
            data_key_id=profile.data_key_id,
            subject_id=profile.id,
            about_id=event.id,
            body={
                "type": "consent.changed",
                "event": str(event.id),
                "subject": str(link.pairwise_id),
                "purpose": purpose.code,
                "action": event.action,
                "allowed": event.action == ConsentAction.GIVEN,
                "occurred_at": event.occurred_at.isoformat(),
            },
        )
        told.append(system.code)
    return told
