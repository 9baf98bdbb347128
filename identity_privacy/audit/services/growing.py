"""Giving entries their place in the tree, and opening its next epoch."""

import sys
from collections.abc import Sequence
from typing import Final

from django.db import transaction

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit import tiles
from identity_privacy.audit.checkpoints import latest_checkpoint, log_name, refuse_unless_named, stated
from identity_privacy.audit.continuity import (
    HANDED_OVER,
    SERVICE,
    keep,
    next_epoch,
    not_continued,
    refuse_unless_continued,
)
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.merkle import root
from identity_privacy.audit.models import Checkpoint, Entry, Sequenced
from identity_privacy.audit.note import signed_checkpoint
from identity_privacy.audit.sequencing import place_new_entries, take_turns
from identity_privacy.audit.services.entering import record
from identity_privacy.crypto.signing import public_keys
from identity_privacy.errors import Refused

BATCH: Final = 50_000


def sequence() -> int:
    """Give every entry without one its index, extend the tree and sign a checkpoint; says how many entries it took.

    Right with several running at once, which take turns. Call it outside a transaction.
    Raises: LogBehind; LogRenamed; LogAltered, where what it would go on from is not what was signed.
    """
    refuse_unless_named()
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
    return place_batch()


def place_batch() -> int:
    """Give the next entries their places and sign, in the transaction of a caller whose turn it is; says how many."""
    last = Sequenced.objects.order_by("-epoch", "-index").values_list("epoch", "index").first()
    epoch, size = (last[0], last[1] + 1) if last else (1, 0)
    hashes = place_new_entries(epoch, size, BATCH)
    if hashes:
        _refuse_unless_signed(epoch, size)  # which takes the places back with the transaction
        _extend(epoch, size, hashes)
    return len(hashes)


def _refuse_unless_signed(epoch: int, size: int) -> None:
    """Sign nothing on top of what we have not signed: it could never be put right again. Raises: LogAltered."""
    newest = latest_checkpoint()
    if newest is None and size == 0:
        return
    top = tiles.TileReader(epoch).ahead(lambda node: root(size, node))
    if newest is None or newest.epoch != epoch or stated(newest, public_keys()) != (size, top):
        raise LogAltered(f"the {size} places of epoch {epoch} and their tree are not what the newest checkpoint states")


def _extend(epoch: int, size: int, hashes: Sequence[bytes]) -> Checkpoint:
    tiles.append(epoch, size, hashes)
    size += len(hashes)
    top = root(size, tiles.TileReader(epoch))
    note = signed_checkpoint(log_name(epoch), size, top)
    return Checkpoint.objects.create(epoch=epoch, size=size, root=top, at=clock.now(), note=note)


def hand_over(*, actor: Actor) -> Checkpoint:
    """Open the log's next epoch, where the log is behind a checkpoint that somebody holds, and say what is missing.

    Its first entry holds those checkpoints. Call it outside a transaction.
    Raises: Refused, where the log goes on; LogRenamed.
    """
    refuse_unless_named()
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
