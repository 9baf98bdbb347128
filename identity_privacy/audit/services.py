"""The log's verbs: enter what was done, give entries their place, prove and verify."""

import base64
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit import offline, tiles
from identity_privacy.audit.canonical import entry_bytes, entry_object
from identity_privacy.audit.errors import LogAltered, NotYetSequenced
from identity_privacy.audit.inserting import insert_entry
from identity_privacy.audit.merkle import consistency_proof, inclusion_proof, leaf_hash, root
from identity_privacy.audit.models import Checkpoint, Entry, Sequenced
from identity_privacy.audit.note import signed_checkpoint
from identity_privacy.audit.origin import current_origin
from identity_privacy.audit.sequencing import place_new_entries, take_turns
from identity_privacy.crypto.events import KeyEvent
from identity_privacy.crypto.models import Incident
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.signing import PublicKey, public_keys
from identity_privacy.crypto.terms import SigningUse

BATCH = 50_000


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

    Right with several running at once, which take turns. Call it outside a transaction.
    """
    total = 0
    while taken := _sequence_batch():
        total += taken
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """That an entry stands in the log at `index`, under a signed checkpoint."""

    entry: dict[str, object]
    index: int
    hashes: list[str]
    checkpoint: str


def prove_inclusion(entry_id: UUID, checkpoint: Checkpoint | None = None) -> InclusionProof:
    """The proof that an entry is in the log, under `checkpoint` (the newest, if none is given).

    Raises: NotYetSequenced.
    """
    checkpoint = checkpoint or latest_checkpoint()
    place = Sequenced.objects.select_related("entry").filter(entry_id=entry_id).first()
    if place is None or checkpoint is None or place.index >= checkpoint.size:
        raise NotYetSequenced(str(entry_id))
    hashes = inclusion_proof(place.index, checkpoint.size, tiles.TileReader())
    return InclusionProof(
        entry=entry_object(place.entry),
        index=place.index,
        hashes=[base64.b64encode(part).decode() for part in hashes],
        checkpoint=checkpoint.note,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof:
    """That the log of `old` entries is the beginning of that of `new`."""

    old: int
    new: int
    hashes: list[str]


def prove_consistency(old: int, new: int) -> ConsistencyProof:
    """The proof that the log only grew from `old` entries to `new`, of which a checkpoint states no fewer."""
    hashes = consistency_proof(old, new, tiles.TileReader())
    return ConsistencyProof(old=old, new=new, hashes=[base64.b64encode(part).decode() for part in hashes])


def latest_checkpoint() -> Checkpoint | None:
    """The newest signed statement of the log, if there is one."""
    return Checkpoint.objects.order_by("-size").first()


def signed_by(checkpoint: Checkpoint) -> PublicKey:
    """The key of this log that signed a checkpoint, be it the current one or not. Raises: LogAltered."""
    for key in public_keys():
        if key.use is SigningUse.CHECKPOINT:
            with contextlib.suppress(LogAltered):
                _stated(checkpoint, [key])
                return key
    raise LogAltered("the checkpoint is not signed by a key of this log")


def verify_log() -> int:
    """Check every sequenced entry, the tree and the newest checkpoint against each other; says how many entries.

    Raises: LogAltered, naming the first bad entry.
    """
    checkpoint = latest_checkpoint()
    size = checkpoint.size if checkpoint else 0
    node = tiles.TileReader()
    expected = 0
    for place in Sequenced.objects.order_by("index").select_related("entry").iterator(chunk_size=2_000):
        if place.index != expected:
            raise LogAltered(f"entry {expected} is missing")
        stored = leaf_hash(entry_bytes(place.entry))
        if stored != bytes(place.entry.leaf_hash) or stored != node(0, place.index):
            raise LogAltered(f"entry {place.index} was changed")
        expected += 1
    if expected != size:
        raise LogAltered(f"entry {min(expected, size)} is {'missing' if expected < size else 'not in a checkpoint'}")
    if checkpoint and root(size, node) != bytes(checkpoint.root):
        raise LogAltered("the tree does not lead to the signed root")
    if checkpoint and _stated(checkpoint, public_keys()) != (size, bytes(checkpoint.root)):
        raise LogAltered("the newest checkpoint does not state what is stored")
    return size


def export_lines(size: int) -> Iterator[bytes]:
    """The log up to a checkpoint of `size`, as JSON lines in its order; `offline.py` verifies them with it."""
    for place in Sequenced.objects.filter(index__lt=size).order_by("index").select_related("entry").iterator():
        yield entry_bytes(place.entry) + b"\n"


def _stated(checkpoint: Checkpoint, by: Iterable[PublicKey]) -> tuple[int, bytes]:
    """Size and root in a checkpoint's note, once its signature by one of these keys is verified."""
    keys = [base64.b64encode(key.public_key).decode() for key in by if key.use is SigningUse.CHECKPOINT]
    try:
        return offline.read_checkpoint(checkpoint.note, offline.Pinned(keys), origin=settings.AUDIT_LOG_ORIGIN)
    except offline.Unverified as error:
        raise LogAltered(str(error)) from error


def _hashed(entry: Entry) -> Entry:
    """The entry with its leaf hash: made before it is stored, so that whatever changes it there is found out.

    It also refuses here what could never be hashed.
    """
    entry.leaf_hash = leaf_hash(entry_bytes(entry))
    return entry


# Durable: in a caller's transaction that rolls back, a checkpoint that others have seen would be gone.
@transaction.atomic(durable=True)
def _sequence_batch() -> int:
    take_turns()
    last = Sequenced.objects.aggregate(last=Max("index"))["last"]
    size = 0 if last is None else last + 1
    hashes = place_new_entries(size, BATCH)
    if not hashes:
        return 0
    tiles.append(size, hashes)
    size += len(hashes)
    top = root(size, tiles.TileReader())
    Checkpoint.objects.create(
        size=size, root=top, at=clock.now(), note=signed_checkpoint(settings.AUDIT_LOG_ORIGIN, size, top)
    )
    return len(hashes)
