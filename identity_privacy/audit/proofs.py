"""Proofs that an entry stands in the log, and that the log only grew (RFC 6962), from the stored tiles."""

import base64
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from uuid import UUID

from identity_privacy.audit.canonical import entry_object
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.errors import NotYetSequenced
from identity_privacy.audit.merkle import consistency_proof, inclusion_proof
from identity_privacy.audit.models import Checkpoint, Sequenced
from identity_privacy.audit.tiles import TileReader


@dataclass(frozen=True, slots=True, kw_only=True)
class InclusionProof:
    """That an entry stands in the log at `index`, under a signed checkpoint."""

    entry: dict[str, object]
    index: int
    hashes: list[str]
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof:
    """That the log of `old` entries is the beginning of that of `new`."""

    old: int
    new: int
    hashes: list[str]


def prove_inclusion(entry_id: UUID, checkpoint: Checkpoint | None = None) -> InclusionProof:
    """The proof that an entry is in the log, under `checkpoint` (the newest of its epoch, if none is given).

    Raises: NotYetSequenced.
    """
    place = Sequenced.objects.select_related("entry").filter(entry_id=entry_id).first()
    if place is None:
        raise NotYetSequenced(str(entry_id))
    return _proof(place, checkpoint or latest_checkpoint(place.epoch), TileReader(place.epoch))


def prove_each(entry_ids: Collection[UUID]) -> list[tuple[Checkpoint, list[InclusionProof]]]:
    """The proofs of several entries in the log's order, under the newest checkpoint of each epoch that has some.

    Raises: NotYetSequenced, while one of them has no place.
    """
    places = list(Sequenced.objects.select_related("entry").filter(entry_id__in=entry_ids).order_by("epoch", "index"))
    if missing := set(entry_ids) - {place.entry_id for place in places}:
        raise NotYetSequenced(str(min(missing)))
    proven = []
    for epoch, placed in groupby(places, key=lambda place: place.epoch):
        checkpoint, node = latest_checkpoint(epoch), TileReader(epoch)
        proofs = [_proof(place, checkpoint, node) for place in placed]
        if checkpoint is not None:
            proven.append((checkpoint, proofs))
    return proven


def prove_consistency(epoch: int, old: int, new: int) -> ConsistencyProof:
    """The proof that an epoch only grew from `old` entries to `new`, of which a checkpoint states no fewer."""
    hashes = TileReader(epoch).ahead(partial(consistency_proof, old, new))
    return ConsistencyProof(old=old, new=new, hashes=encoded(hashes))


def inclusion_hashes(index: int, size: int, node: TileReader) -> list[str]:
    """The hashes of an inclusion proof, in base64."""
    return encoded(node.ahead(partial(inclusion_proof, index, size)))


def encoded(hashes: list[bytes]) -> list[str]:
    """Hashes in base64."""
    return [base64.b64encode(part).decode() for part in hashes]


def _proof(place: Sequenced, checkpoint: Checkpoint | None, node: TileReader) -> InclusionProof:
    if checkpoint is None or place.epoch != checkpoint.epoch or place.index >= checkpoint.size:
        raise NotYetSequenced(str(place.entry_id))
    return InclusionProof(
        entry=entry_object(place.entry),
        index=place.index,
        hashes=inclusion_hashes(place.index, checkpoint.size, node),
        checkpoint=checkpoint.note,
    )
