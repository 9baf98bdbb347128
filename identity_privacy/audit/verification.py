"""Checking the whole log."""

from django.db.models import Max

from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.checkpoints import latest_checkpoint, stated
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.merkle import leaf_hash, root
from identity_privacy.audit.models import Checkpoint, Sequenced
from identity_privacy.audit.tiles import TileReader
from identity_privacy.crypto.signing import public_keys

VERIFIED, ALTERED = "log.verified", "log.altered"


def verify_log() -> int:
    """Check every sequenced entry, the trees and the newest checkpoint of each epoch; says how many entries.

    Raises: LogAltered, naming the first bad entry.
    """
    last = [model._default_manager.aggregate(last=Max("epoch"))["last"] or 0 for model in (Sequenced, Checkpoint)]
    return sum(_verify_epoch(epoch) for epoch in range(1, max(last) + 1))


def _verify_epoch(epoch: int) -> int:
    checkpoint = latest_checkpoint(epoch)
    size = checkpoint.size if checkpoint else 0
    node = TileReader(epoch)
    expected = 0
    places = Sequenced.objects.filter(epoch=epoch).order_by("index").select_related("entry")
    for place in places.iterator(chunk_size=2_000):
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
    if checkpoint and stated(checkpoint, public_keys()) != (size, bytes(checkpoint.root)):
        raise LogAltered("the newest checkpoint does not state what is stored")
    return size
