"""The log's verbs: enter what was done, give entries their place, check the log, hand it over."""

import sys
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from django.db import transaction

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit import tiles
from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.checkpoints import latest_checkpoint, log_name
from identity_privacy.audit.continuity import (
    HANDED_OVER,
    SERVICE,
    keep,
    next_epoch,
    not_continued,
    refuse_unless_continued,
)
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.inserting import insert_entry
from identity_privacy.audit.merkle import leaf_hash, root
from identity_privacy.audit.models import Checkpoint, Entry, Sequenced
from identity_privacy.audit.note import signed_checkpoint
from identity_privacy.audit.origin import current_origin
from identity_privacy.audit.sequencing import place_new_entries, take_turns
from identity_privacy.audit.verification import ALTERED, VERIFIED, verify_log
from identity_privacy.crypto.events import KeyEvent
from identity_privacy.crypto.models import Incident
from identity_privacy.crypto.reading import Reading
from identity_privacy.errors import Refused

BATCH: Final = 50_000


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
) -> UUID:
    """Enter one thing that was done, in the caller's own transaction; returns the entry's id.

    `target` is `(kind, id)`; `details` hold ids, counts and codes, never a personal value. From where it was done is
    the caller's `Origin`. Raises: ValueError, for details that canonical JSON cannot spell in one way, such as a float.
    """
    origin = current_origin()
    entry = Entry(
        at=clock.now(),
        actor_kind=actor.kind.value,
        actor_id=actor.id,
        action=action,
        target_kind=target[0],
        target_id=str(target[1]),
        controller_id=controller_id,
        subject_id=subject_id,
        reason=reason,
        purpose=purpose,
        request_id=origin.request_id,
        network=origin.network,
        details=dict(details or {}),
    )
    insert_entry(_hashed(entry))
    return entry.id


def record_reading(reading: Reading) -> None:
    """Enter a reading of personal data or a secret: who, whose (nobody named: many), for which purpose and why."""
    record(
        actor=reading.actor,
        action=f"{reading.what}.read",
        target=("subject", reading.subject_id or "all"),
        controller_id=reading.controller_id,
        subject_id=reading.subject_id,
        reason=reading.reason,
        purpose=reading.purpose,
    )


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
        Entry.objects.bulk_create([_hashed(entry)], ignore_conflicts=True)
        incident.delete()  # only once the entry is committed: whoever dies between the two does it again
        count += 1
    return count


def sequence() -> int:
    """Give every entry without one its index, extend the tree and sign a checkpoint; says how many entries it took.

    Right with several running at once, which take turns. Call it outside a transaction. Raises: LogBehind.
    """
    refuse_unless_continued()
    total = 0
    while taken := _sequence_batch():
        total += taken
    if checkpoint := latest_checkpoint():
        keep(SERVICE, checkpoint)
    return total


# Durable: in a caller's transaction that rolls back, a checkpoint that others have seen would be gone.
@transaction.atomic(durable=True)
def _sequence_batch() -> int:
    take_turns()
    last = Sequenced.objects.order_by("-epoch", "-index").values_list("epoch", "index").first()
    epoch, size = (last[0], last[1] + 1) if last else (1, 0)
    hashes = place_new_entries(epoch, size, BATCH)
    if hashes:
        _extend(epoch, size, hashes)
    return len(hashes)


def _extend(epoch: int, size: int, hashes: Sequence[bytes]) -> Checkpoint:
    tiles.append(epoch, size, hashes)
    size += len(hashes)
    top = root(size, tiles.TileReader(epoch))
    note = signed_checkpoint(log_name(epoch), size, top)
    return Checkpoint.objects.create(epoch=epoch, size=size, root=top, at=clock.now(), note=note)


def hand_over(*, actor: Actor) -> Checkpoint:
    """Open the log's next epoch, where the log is behind a checkpoint that somebody holds, and say what is missing.

    Its first entry holds those checkpoints. Call it outside a transaction. Raises: Refused, where the log goes on.
    """
    checkpoint = _open_epoch(actor)
    keep(SERVICE, checkpoint)
    return checkpoint


@transaction.atomic(durable=True)
def _open_epoch(actor: Actor) -> Checkpoint:
    take_turns()
    if not not_continued():
        raise Refused("the log holds every checkpoint that is known: there is nothing to hand over from")
    opened = next_epoch()
    # What had no place before the backup was taken has one here, all of it, behind the entry that opens the epoch.
    hashes = place_new_entries(opened.epoch, 1, sys.maxsize)
    entry_id = record(
        actor=actor,
        action=HANDED_OVER,
        target=("log", log_name(opened.epoch)),
        controller_id=None,
        details={"checkpoints": opened.checkpoints, "kept": opened.kept, "missing": opened.missing},
    )
    entry = Entry.objects.get(id=entry_id)
    Sequenced.objects.create(epoch=opened.epoch, index=0, entry=entry)
    return _extend(opened.epoch, 0, [bytes(entry.leaf_hash), *hashes])


def check_log(*, actor: Actor) -> int:
    """Verify the log and enter the outcome into it; says how many entries were checked. Raises: LogAltered."""
    log = ("log", log_name(1))
    try:
        with transaction.atomic():
            size = verify_log()
            record(actor=actor, action=VERIFIED, target=log, controller_id=None, details={"entries": size})
    except LogAltered as alteration:
        record(actor=actor, action=ALTERED, target=log, controller_id=None, details={"finding": str(alteration)})
        raise
    return size


def _hashed(entry: Entry) -> Entry:
    """The entry with its leaf hash: made before it is stored, so that whatever changes it there is found out.

    It also refuses here what could never be hashed.
    """
    entry.leaf_hash = leaf_hash(entry_bytes(entry))
    return entry
