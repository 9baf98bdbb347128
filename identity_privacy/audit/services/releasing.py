"""Giving entries of the log out of the house."""

from collections.abc import Collection, Iterator
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from identity_privacy.actors import Actor
from identity_privacy.audit.checkpoints import latest_checkpoint, log_name
from identity_privacy.audit.extracts import proven_lines
from identity_privacy.audit.models import Entry
from identity_privacy.audit.services.entering import record


@transaction.atomic
def export_entries(
    *, actor: Actor, entries: QuerySet[Entry], controllers: Collection[UUID], by: list[str], subject_id: UUID | None
) -> Iterator[bytes]:
    """The entries of these controllers among `entries`, as lines with proofs; that they were taken is entered first.

    `by` names the filters and not what was typed into them, which might be personal; `subject_id` is the person whom
    alone it concerns.
    """
    checkpoint = latest_checkpoint()
    for controller_id in controllers:
        record(
            actor=actor,
            action="log.exported",
            target=("log", log_name(checkpoint.epoch if checkpoint else 1)),
            controller_id=controller_id,
            subject_id=subject_id,
            details={"by": by, "size": checkpoint.size if checkpoint else 0},
        )
    return proven_lines(entries.filter(controller_id__in=controllers))
