"""Checking the whole log.

An epoch is walked once, in the log's order. Each entry is held against its own hash, the tree over them against the
stored tiles, and each stored checkpoint, on the way past its size, against the root there. So whatever was changed in
any of these is met at the first place where it shows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from hashlib import sha256
from typing import Final, TypeAlias

from django.db.models import Max

from identity_privacy.audit.alone import one_moment
from identity_privacy.audit.checkpoints import refuse_unless_named, stated
from identity_privacy.audit.continuity import HANDED_OVER, kept_before, refuse_unless_continued
from identity_privacy.audit.errors import LogAltered, LogBehind
from identity_privacy.audit.models import Checkpoint, Cosignature, Sequenced, Tile
from identity_privacy.audit.pruning import with_pruned
from identity_privacy.audit.sequencing import overlooked
from identity_privacy.audit.stored_tree import StoredTree, as_bytes
from identity_privacy.audit.walking import Stored, walk
from identity_privacy.audit.witnesses import refuse_missing_cosignatures, verify_cosignatures
from identity_privacy.crypto.errors import StrangeKey
from identity_privacy.crypto.signing import PublicKey, public_keys, refuse_strange_keys
from identity_privacy.crypto.terms import SigningUse
from identity_privacy.errors import NotFound

VERIFIED, ALTERED = "log.verified", "log.altered"
_PAGE: Final = 100

# Told how many more entries were checked.
Progress: TypeAlias = Callable[[int], object]


def verify_log(*, epoch: int | None = None, progress: Progress = lambda count: None) -> int:
    """Check all entries, trees, checkpoints and cosignatures of one epoch or of all; says how many entries.

    Call it outside a transaction: there it sees the log as at one moment. Raises: LogAltered, naming the first bad
    entry by index and epoch; NotFound, where there is no such epoch; LogRenamed; RootKeyUnavailable.
    """
    refuse_unless_named()
    _refuse_strange_keys()
    keys = public_keys()
    with one_moment():
        sizes = epoch_sizes()
        if epoch is not None and epoch not in sizes:
            raise NotFound(f"the log has no epoch {epoch}")
        asked = sorted(sizes) if epoch is None else [epoch]
        for each in asked:
            _verify_epoch(each, sizes, keys, progress)
        if epoch is None and (left_out := overlooked()):
            raise LogAltered(f"the entry {left_out} has no place in the log, and the sequencer does not look at it")
    try:
        refuse_unless_continued()  # read after that moment: what somebody holds now may be newer than it
    except LogBehind as behind:
        raise LogAltered(f"{behind}: see docs/howto/restore.md") from behind
    return sum(sizes[each] for each in asked)


def _refuse_strange_keys() -> None:
    try:
        refuse_strange_keys(SigningUse.CHECKPOINT)
    except StrangeKey as strange:
        raise LogAltered(f"the key {strange.key_id} that signs checkpoints was not made by this service") from None


def epoch_sizes() -> dict[int, int]:
    """How many entries the newest checkpoint of each epoch states. Raises: LogAltered, for what is in none of these."""
    sizes = dict(Checkpoint.objects.order_by("epoch").values_list("epoch").annotate(Max("size")))
    for model in (Sequenced, Tile, Cosignature):
        stray = model._default_manager.exclude(epoch__in=sizes).values_list("epoch", flat=True).first()
        if stray is not None:
            raise LogAltered(f"entry 0 of epoch {stray} is not in a checkpoint")
    return sizes


def _verify_epoch(epoch: int, sizes: Mapping[int, int], keys: Sequence[PublicKey], progress: Progress) -> None:
    tree, size, signed = StoredTree(epoch), sizes[epoch], 0
    checkpoints = _checkpoints(epoch)
    due = next(checkpoints)
    with closing(walk(epoch, size)) as batches:
        for stored in batches:
            batch = with_pruned(epoch, stored)
            leaves = [_leaf(one) for one in batch]
            at, right = 0, _how_many_are_right(batch, leaves, first=tree.size)
            while at < right:
                until = min(right, at + due.size - tree.size) if due.size > tree.size else right
                tree.extend(leaves[at:until])
                at = until
                if tree.size == due.size:
                    _check_checkpoint(due, tree, keys, behind=signed)
                    signed, due = due.size, next(checkpoints, due)
            if right < len(batch):
                tree.check_last_tiles()
                raise LogAltered(f"entry {tree.size} of epoch {epoch} {_finding(batch[right], tree.size)}")
            progress(len(batch))
    is_all_there = tree.check_last_tiles()
    if tree.size != size:
        raise LogAltered(f"entry {tree.size} of epoch {epoch} is missing")
    if due.size != size:
        raise LogAltered(f"a checkpoint of epoch {epoch} was changed: it states {due.size} entries")
    if Sequenced.objects.filter(epoch=epoch, index__gte=size).exists():
        raise LogAltered(f"entry {size} of epoch {epoch} is not in a checkpoint")
    if not is_all_there:
        raise LogAltered(f"the tree of epoch {epoch} holds more than its {size} entries")
    verify_cosignatures(epoch)
    refuse_missing_cosignatures(epoch)
    if epoch > 1:
        _check_hand_over(epoch)


def _leaf(stored: Stored) -> bytes:
    """The leaf hash of what an entry says; of one that was pruned the one that the tiles keep."""
    return as_bytes(stored.leaf_hash) if stored.entry_id is None else sha256(b"\x00" + stored.line).digest()


def _how_many_are_right(batch: Sequence[Stored], leaves: Sequence[bytes], *, first: int) -> int:
    """How many entries of a batch, from its beginning, are in their places and as they were when they were hashed."""
    places = range(first, first + len(batch))
    if leaves == [stored.leaf_hash for stored in batch] and list(places) == [stored.place for stored in batch]:
        return len(batch)
    alike = zip(batch, places, leaves, strict=True)
    return [(one.place, one.leaf_hash) == (place, leaf) for one, place, leaf in alike].index(False)


def _finding(stored: Stored, place: int) -> str:
    """What is wrong with the entry that was met where this place should be."""
    return "was changed" if stored.place == place and stored.entry_id is not None else "is missing"


def _checkpoints(epoch: int) -> Iterator[Checkpoint]:
    """An epoch's checkpoints, from the smallest."""
    every = Checkpoint.objects.filter(epoch=epoch).order_by("size").values_list("size", "root", "note")
    page = list(every[:_PAGE])
    while page:
        yield from (Checkpoint(epoch=epoch, size=size, root=root, note=str(note)) for size, root, note in page)
        page = list(every.filter(size__gt=page[-1][0])[:_PAGE])


def _check_checkpoint(checkpoint: Checkpoint, tree: StoredTree, keys: Sequence[PublicKey], *, behind: int) -> None:
    """That a checkpoint states the tree's root; the one before, up to entry `behind`, was right. Raises: LogAltered."""
    name = f"the checkpoint of {checkpoint.size} entries of epoch {checkpoint.epoch}"
    try:
        size, signed = stated(checkpoint, keys)
    except LogAltered as error:
        raise LogAltered(f"{name} was changed: {error}") from error
    if size != checkpoint.size or as_bytes(checkpoint.root) != signed:
        raise LogAltered(f"{name} was changed: it was signed for {size} entries or another root")
    if tree.root() != signed:
        tree.check_last_tiles()  # which may tell which entry it is
        raise LogAltered(
            f"entry {behind} of epoch {checkpoint.epoch} or one behind it was changed: they do not lead to the root "
            f"that was signed of the first {checkpoint.size}"
        )


def _check_hand_over(epoch: int) -> None:
    """That the first entry of a later epoch says what of the earlier ones there is. Raises: LogAltered."""
    entry = Sequenced.objects.select_related("entry").get(epoch=epoch, index=0).entry
    kept = kept_before(epoch)
    if entry.action != HANDED_OVER or entry.details.get("kept") != kept:
        raise LogAltered(f"entry 0 of epoch {epoch} does not hand over what there is: {', '.join(kept)}")
