"""Checking the whole log, and what is known of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Max

from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.checkpoints import latest_checkpoint, log_name, stated
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.merkle import root
from identity_privacy.audit.models import Checkpoint, Entry, Sequenced
from identity_privacy.audit.offline import Tree, leaf_hash
from identity_privacy.audit.pruning import pruned_leaves, refuse_more_than_pruned
from identity_privacy.audit.tiles import TileReader
from identity_privacy.crypto.signing import public_keys

VERIFIED, ALTERED = "log.verified", "log.altered"


def verify_log() -> int:
    """Check every sequenced entry, the trees and the newest checkpoint of each epoch; says how many entries.

    Raises: LogAltered, naming the first bad entry.
    """
    last = [model._default_manager.aggregate(last=Max("epoch"))["last"] or 0 for model in (Sequenced, Checkpoint)]
    size = sum(_verify_epoch(epoch) for epoch in range(1, max(last) + 1))
    refuse_more_than_pruned()
    return size


def _verify_epoch(epoch: int) -> int:
    checkpoint = latest_checkpoint(epoch)
    signed = checkpoint.size if checkpoint else 0
    tree = Tree(_leaves(epoch, signed))
    size, top = tree.size, tree.root()
    if size > signed:
        raise LogAltered(f"entry {signed} is not in a checkpoint")
    if checkpoint and not top == root(size, TileReader(epoch)) == bytes(checkpoint.root):
        raise LogAltered("the tree does not lead to the signed root")
    if checkpoint and stated(checkpoint, public_keys()) != (size, bytes(checkpoint.root)):
        raise LogAltered("the newest checkpoint does not state what is stored")
    return size


def _leaves(epoch: int, signed: int) -> Iterator[bytes]:
    """The leaf hash of each place of an epoch, once its entry is found right; of those that were pruned as stored."""
    node = TileReader(epoch)
    expected = 0
    places = Sequenced.objects.filter(epoch=epoch).order_by("index").select_related("entry")
    for place in places.iterator(chunk_size=2_000):
        yield from pruned_leaves(epoch, expected, place.index)
        leaf = leaf_hash(entry_bytes(place.entry))
        if leaf != bytes(place.entry.leaf_hash) or leaf != node(0, place.index):
            raise LogAltered(f"entry {place.index} was changed")
        yield leaf
        expected = place.index + 1
    yield from pruned_leaves(epoch, expected, signed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of the log as a whole: its latest check and its newest checkpoint."""

    check: Entry | None
    checkpoint: Checkpoint | None

    @property
    def is_whole(self) -> bool:
        """Whether the latest check found nothing changed or taken out."""
        return self.check is not None and self.check.action == VERIFIED

    @property
    def is_altered(self) -> bool:
        """Whether the latest check found the log changed."""
        return self.check is not None and self.check.action == ALTERED


def standing() -> Standing:
    """When the log was last checked, what came of it, and how far it is signed."""
    checks = Entry.objects.filter(target_id=log_name(1), action__in=(VERIFIED, ALTERED))
    return Standing(check=checks.order_by("-id").first(), checkpoint=latest_checkpoint())
