"""Links of people to systems."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.db import transaction

from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.delivery.models import Link, System

_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLink:
    """That a system knows a person by this account; sealed under the person's own key."""

    subject_id: UUID
    data_key_id: UUID
    account_id: str


@transaction.atomic
def link_subject(*, actor: Actor, system: System, subject_id: UUID, data_key_id: UUID, account_id: str) -> Link:
    """Note by which account a system knows a person; a person who is linked already stays as they are.

    The entry commits to the account: whose account was erased over there is what a dispute would be about.
    """
    rows = _added(system, [NewLink(subject_id=subject_id, data_key_id=data_key_id, account_id=account_id)])
    _enter(actor, system, rows, commitments={"account": account_id} if rows else None)
    return Link.objects.get(system=system, subject_id=subject_id)


@transaction.atomic
def link_subjects(*, actor: Actor, system: System, links: Sequence[NewLink]) -> int:
    """Link many people to one system, and say how many were new; the same list twice changes nothing."""
    rows = _added(system, links)
    _enter(actor, system, rows)
    return len(rows)


def _added(system: System, links: Sequence[NewLink]) -> Sequence[Link]:
    """The links that were not there, stored."""
    wanted = {link.subject_id: link for link in links}
    known = _known(system, list(wanted))
    rows = [
        Link(
            system=system,
            subject_id=new.subject_id,
            pairwise_id=uuid4(),
            account_id=new.account_id,
            data_key_id=new.data_key_id,
        )
        for new in wanted.values()
        if new.subject_id not in known
    ]
    return Link.objects.bulk_create(rows, batch_size=_BATCH)


def _enter(actor: Actor, system: System, rows: Sequence[Link], *, commitments: Mapping[str, str] | None = None) -> None:
    record(
        actor=actor,
        action="links.added",
        target=("system", system.id),
        controller_id=system.controller_id,
        subject_id=rows[0].subject_id if len(rows) == 1 else None,
        details={"count": len(rows)},
        commitments=commitments,
    )


def _known(system: System, subject_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these people are linked already; asks for these alone, so that an import's last chunk costs no more."""
    known: set[UUID] = set()
    for start in range(0, len(subject_ids), _BATCH):
        batch = subject_ids[start : start + _BATCH]
        known.update(Link.objects.filter(system=system, subject_id__in=batch).values_list("subject_id", flat=True))
    return known
