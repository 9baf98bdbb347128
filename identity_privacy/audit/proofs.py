"""Proofs that an entry stands in the log, and that the log only grew (RFC 6962), from the stored tiles."""

import base64
from dataclasses import dataclass
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
    checkpoint = checkpoint or latest_checkpoint(place.epoch)
    if checkpoint is None or place.epoch != checkpoint.epoch or place.index >= checkpoint.size:
        raise NotYetSequenced(str(entry_id))
    hashes = inclusion_proof(place.index, checkpoint.size, TileReader(place.epoch))
    return InclusionProof(
        entry=entry_object(place.entry), index=place.index, hashes=_encoded(hashes), checkpoint=checkpoint.note
    )


def prove_consistency(epoch: int, old: int, new: int) -> ConsistencyProof:
    """The proof that an epoch only grew from `old` entries to `new`, of which a checkpoint states no fewer."""
    return ConsistencyProof(old=old, new=new, hashes=_encoded(consistency_proof(old, new, TileReader(epoch))))


def _encoded(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(part).decode() for part in hashes]
