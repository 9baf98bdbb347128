"""Entering what was done, in the transaction that did it."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.views.decorators.debug import sensitive_variables

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.inserting import insert_entry
from identity_privacy.audit.models import Entry
from identity_privacy.audit.offline import leaf_hash
from identity_privacy.audit.origin import current_origin
from identity_privacy.audit.pending import drop_pending, keep_pending, undone_entries
from identity_privacy.crypto.commitments import commit
from identity_privacy.crypto.events import KeyEvent
from identity_privacy.crypto.models import Incident
from identity_privacy.crypto.reading import Reading

BATCH: Final = 1_000


@sensitive_variables("commitments")
def record(
    *,
    actor: Actor,
    action: str,
    target: tuple[str, UUID | str],
    controller_id: UUID | None,
    subject_id: UUID | None = None,
    reason: str = "",
    purpose: str = "",
    details: Mapping[str, str | int | bool | list[str]] | None = None,
    commitments: Mapping[str, str] | None = None,
) -> UUID:
    """Enter one thing that was done, in the caller's own transaction; returns the entry's id.

    `target` is `(kind, id)`; `details` hold ids, counts and codes, never a personal value. Where a value matters, it is
    given by name in `commitments`: the entry then holds a commitment to it, under a key of the person's. From where it
    was done is the caller's `Origin`. Raises: ValueError, for details that canonical JSON cannot spell in one way, such
    as a float, and for commitments without a person.
    """
    entry = _entry(actor, action, target, controller_id, subject_id)
    entry.reason, entry.purpose, entry.details = reason, purpose, dict(details or {})
    if commitments:
        entry.commitments = _commitments(entry, commitments)
    insert_entry(_hashed(entry))
    return entry.id


def record_reading(reading: Reading) -> None:
    """Enter a reading of personal data or a secret: who, whose (nobody named: many), for which purpose and why.

    Inside a transaction it is noted in the keys database as well, whatever becomes of that transaction: see `pending`.
    """
    target = ("subject", reading.subject_id or "all")
    entry = _entry(reading.actor, f"{reading.what}.read", target, reading.controller_id, reading.subject_id)
    entry.reason, entry.purpose = reading.reason, reading.purpose
    insert_entry(_hashed(entry))
    if not connection.get_autocommit():  # in a transaction, be it one that is ended by hand
        keep_pending(entry)


def record_key_event(event: KeyEvent) -> None:
    """Enter what was done with keys: a rotation, a destruction or a sweep, begun or finished."""
    record(
        actor=Actor.service("keys"),
        action=event.action,
        target=("keys", event.subject_id or event.controller_id or "all"),
        controller_id=event.controller_id,
        subject_id=event.subject_id,
        reason=event.reason,
        details=event.details,
    )


def take_over_incidents() -> int:
    """Enter every stored value that did not open, from the keys database, where a failure notes it; says how many.

    Safe to repeat and to run twice at once: the entry has the incident's id.
    """
    count = 0
    for incident in Incident.objects.order_by("id")[:BATCH]:
        entry = Entry(
            id=incident.id,
            at=incident.at,
            actor_kind=incident.actor_kind,
            actor_id=incident.actor_id,
            action="value.unreadable",
            target_kind="row",
            target_id=str(incident.row_id),
            controller_id=incident.controller_id,
            subject_id=incident.subject_id,
            purpose=incident.purpose,
            details={"code": incident.code, "place": incident.place, "data_key": str(incident.key_id)},
        )
        _insert_once(_hashed(entry))
        incident.delete()  # only once the entry is committed: whoever dies between the two does it again
        count += 1
    return count


def take_over_readings() -> int:
    """Enter every reading whose transaction was rolled back, from the keys database; says how many.

    Safe to repeat and to run twice at once: the entry has the id that it had.
    """
    count = 0
    for entry in undone_entries():
        entry.details = {"rolled_back": True}
        _insert_once(_hashed(entry))
        drop_pending([entry.id])  # only once the entry is committed
        count += 1
    return count


def _entry(
    actor: Actor, action: str, target: tuple[str, UUID | str], controller_id: UUID | None, subject_id: UUID | None
) -> Entry:
    origin = current_origin()
    return Entry(
        at=clock.now(),
        actor_kind=actor.kind.value,
        actor_id=actor.id,
        action=action,
        target_kind=target[0],
        target_id=str(target[1]),
        controller_id=controller_id,
        subject_id=subject_id,
        request_id=origin.request_id,
        network=origin.network,
    )


@sensitive_variables("values")
def _commitments(entry: Entry, values: Mapping[str, str]) -> dict[str, str]:
    if entry.controller_id is None or entry.subject_id is None:
        raise ValueError("a commitment is under a person's key: name the person and their controller")
    made = commit(controller_id=entry.controller_id, subject_id=entry.subject_id, values=values)
    return {name: b64encode(one).decode() for name, one in made.items()}


def _insert_once(entry: Entry) -> None:
    with transaction.atomic():
        insert_entry(entry, once=True)


def _hashed(entry: Entry) -> Entry:
    """The entry with its leaf hash: made before it is stored, so that whatever changes it there is found out.

    It also refuses here what could never be hashed.
    """
    entry.leaf_hash = leaf_hash(entry_bytes(entry))
    return entry
