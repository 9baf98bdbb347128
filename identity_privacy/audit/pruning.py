"""What was pruned from the log, and what would be: there entries may be missing, and nowhere else.

An entry `log.pruned` states up to which day and how many. It gets its place, under a signed checkpoint, in the very
transaction in which they go. Their places and, in the tiles, their leaf hashes stay, so that each checkpoint and each
proof still holds.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Max, Min, Q

from identity_privacy import clock
from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.checkpoints import log_name
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.models import Entry, Sequenced
from identity_privacy.audit.offline import leaf_hash
from identity_privacy.audit.partitions import Quarter, first_id_on
from identity_privacy.audit.tiles import TileReader, leaf_hashes
from identity_privacy.audit.walking import Stored
from identity_privacy.errors import Refused

PRUNED: Final = "log.pruned"
# What the log says of itself is kept: what was handed over, and what was pruned, is read from it for ever.
_OF_THE_LOG: Final = Q(action__startswith="log.")
_NOTHING: Final = UUID(int=0)

_needed: list[Callable[[date], Iterable[UUID]]] = []


def keep_entries_about(targets: Callable[[date], Iterable[UUID]]) -> None:
    """Let an upper floor name the targets whose entries from before a day are still needed; called at start-up."""
    _needed.append(targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """The entries that go: of whole quarters before a day, but for those that are kept; none may be without a place."""

    before: date
    count: int
    kept: Sequence[UUID]
    unplaced: int
    places: Sequence[str]
    epochs: Sequence[int]


def plan_pruning(day: date) -> Pruning:
    """What a pruning up to `day` would take out. Raises: Refused, where that is younger than `AUDIT_KEEP_DAYS`."""
    # By the clock of the ids, as the quarters.
    youngest = clock.machine_now().date() - timedelta(days=settings.AUDIT_KEEP_DAYS)
    if day > youngest:
        raise Refused(f"entries since {youngest} are kept: AUDIT_KEEP_DAYS is {settings.AUDIT_KEEP_DAYS}")
    before = Quarter.of(day).begins_on
    older = Entry.objects.filter(id__lt=first_id_on(before))
    kept = _OF_THE_LOG | Q(target_id__in=[str(target) for needed in _needed for target in needed(before)])
    found = list(
        older.exclude(kept)
        .order_by("sequenced__epoch")
        .values_list("sequenced__epoch")
        .annotate(Count("id"), Min("sequenced__index"), Max("sequenced__index"))
    )
    placed = [row for row in found if row[0] is not None]
    return Pruning(
        before=before,
        count=sum(row[1] for row in placed),
        kept=list(older.filter(kept).values_list("id", flat=True)),
        unplaced=sum(row[1] for row in found if row[0] is None),
        places=[f"{log_name(epoch)} {first}-{last}" for epoch, _, first, last in placed],
        epochs=[row[0] for row in placed],
    )


def refuse_unless_pruned(epoch: int, start: int, end: int) -> None:
    """Let entries of an epoch be missing, from `start` up to `end`, only if the log states that they were pruned.

    Raises: LogAltered, naming the first that is missing without.
    """
    places = Sequenced.objects.filter(
        epoch=epoch, index__gte=start, index__lt=end, entry_id__lt=_pruned_before()
    ).order_by("index")
    if places.count() == end - start:
        return
    for expected, index in enumerate(places.values_list("index", flat=True).iterator(), start=start):
        if index != expected:
            raise LogAltered(f"entry {expected} of epoch {epoch} is missing")
    raise LogAltered(f"entry {start + places.count()} of epoch {epoch} is missing")


def refuse_more_than_pruned() -> None:
    """Before the day up to which was pruned, too, no more may be missing than was. Raises: LogAltered."""
    bound = _pruned_before()
    places, entries = Sequenced.objects.filter(entry_id__lt=bound), Entry.objects.filter(id__lt=bound)
    missing = places.count() - entries.count()
    pruned = pruned_count()  # read last: whatever was pruned meanwhile is in it
    if missing > pruned:
        raise LogAltered(f"{missing - pruned} entries are missing beside those that were pruned")


def pruned_count() -> int:
    """How many entries were pruned, as the log states."""
    return sum(count for _, count in _stated())


def pruned_leaves(epoch: int, start: int, end: int) -> Iterator[bytes]:
    """The leaf hashes of entries that were pruned, from `start` up to `end`. Raises: LogAltered, if one was not."""
    if start < end:
        refuse_unless_pruned(epoch, start, end)
        yield from leaf_hashes(epoch, start, end)


def with_pruned(epoch: int, batch: Sequence[Stored]) -> list[Stored]:
    """A batch of places with the leaf hash that the tiles keep of each entry that was pruned.

    One that is missing otherwise stays without.
    """
    found = list(batch)
    # Runs of places that follow one another.
    runs = groupby(range(len(batch)), lambda at: (batch[at].entry_id is None, batch[at].place - at))
    for (is_missing, _), run in runs:
        places = list(run) if is_missing else []
        with suppress(LogAltered):
            for at, leaf in zip(places, _leaves(epoch, [batch[at].place for at in places]), strict=True):
                found[at] = batch[at]._replace(leaf_hash=leaf)
    return found


def _leaves(epoch: int, places: Sequence[int]) -> list[bytes]:
    return list(pruned_leaves(epoch, places[0], places[-1] + 1)) if places else []


def _pruned_before() -> UUID:
    """The id before which entries may be missing."""
    return max((before for before, _ in _stated()), default=_NOTHING)


def _stated() -> Iterator[tuple[UUID, int]]:
    """Each statement in the log that entries were pruned: before which id, and how many."""
    for place in Sequenced.objects.filter(entry__action=PRUNED).select_related("entry"):
        entry = place.entry
        if leaf_hash(entry_bytes(entry)) != TileReader(place.epoch)(0, place.index):
            continue  # changed: verifying says so
        try:
            before, count = date.fromisoformat(str(entry.details["before"])), int(entry.details["count"])
        except (KeyError, TypeError, ValueError):
            continue  # not by us
        yield min(first_id_on(before), entry.id), count
