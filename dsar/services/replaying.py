"""Erasing again, after a restore, whoever the older backup brought back."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from dsar.services.fulfilment import erase_rows
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.crypto.destruction import destroy_subject_keys, living_subject_keys
from identity_privacy.crypto.models import Tombstone
from identity_privacy.subject_data import stores
from profiles.models import Profile

Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How many erased people were looked for, and how many of them were back."""

    looked_for: int
    erased_again: int


def replay_erasures(*, actor: Actor, progress: Progress = lambda _: None) -> Replay:
    """Erase again every person whose keys were destroyed and of whom something is here; safe to repeat.

    For after a restore: a backup of the data from before an erasure brings the rows back, one of the keys the keys.
    The tombstones in the keys database say who was erased. Call it outside a transaction. Raises: NotForgotten.
    """
    erased = list(Tombstone.objects.order_by("id").values_list("subject_id", flat=True))
    again = 0
    for subject_id in erased:
        if _is_back(subject_id):
            erase_again(actor=actor, subject_id=subject_id)
            again += 1
        progress(1)
    return Replay(looked_for=len(erased), erased_again=again)


def erase_again(*, actor: Actor, subject_id: UUID) -> None:
    """Erase one person's rows and keys without a new request: theirs was carried out before. Raises: NotForgotten."""
    _erase_rows(actor, subject_id)
    destroy_subject_keys(subject_id)


@transaction.atomic(durable=True)
def _erase_rows(actor: Actor, subject_id: UUID) -> None:
    counts = erase_rows(subject_id)
    controller_id = Profile.objects.filter(id=subject_id).values_list("controller_id", flat=True).first()
    record(
        actor=actor,
        action="subject.erased_again",
        target=("profile", subject_id),
        controller_id=controller_id,
        subject_id=subject_id,
        details={"rows": sum(counts.values())},
    )


def _is_back(subject_id: UUID) -> bool:
    rows = any(count for store in stores() for count in store.remaining(subject_id).values())
    unmarked = Profile.objects.filter(id=subject_id, erased_at=None).exists()
    return rows or unmarked or living_subject_keys(subject_id) > 0
