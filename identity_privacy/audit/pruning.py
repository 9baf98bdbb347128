"""What was pruned from the log, and what would be: there entries may be missing, and nowhere else.

An entry `log.pruned` states which places, up to which day, and for how many days entries are kept. It gets its place,
under a signed checkpoint, in the very transaction in which they go. Their places and, in the tiles, their leaf hashes
stay, so that each checkpoint and each proof still holds. A statement that no pruning makes excuses nothing: one of
other days than whole quarters, or of younger entries than it says are kept.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from identity_privacy import clock
from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.checkpoints import epoch_named, log_name
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.models import Entry, Sequenced
from identity_privacy.audit.offline import leaf_hash
from identity_privacy.audit.partitions import Quarter, first_id_on
from identity_privacy.audit.tiles import TileReader, leaf_hashes
from identity_privacy.audit.walking import Stored
from identity_privacy.errors import Refused

PRUNED: Final = "log.pruned"
_PAGE: Final = 10_000
# What the log says of itself is kept: what was handed over, and what was pruned, is read from it for ever.
_OF_THE_LOG: Final = Q(action__startswith="log.")

_needed: list[Callable[[date], Iterable[UUID]]] = []


def keep_entries_about(targets: Callable[[date], Iterable[UUID]]) -> None:
    """Let an upper floor name the targets whose entries from before a day are still needed; called at start-up."""
    _needed.append(targets)


class Run(NamedTuple):
    """Places of an epoch that follow one another, from `start` up to `end`."""

    epoch: int
    start: int
    end: int

    def holds(self, epoch: int, place: int) -> bool:
        """Whether this place is one of them."""
        return epoch == self.epoch and self.start <= place < self.end

    def __str__(self) -> str:
        return f"{log_name(self.epoch)} {self.start}-{self.end - 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """The entries that go: of whole quarters before a day, but for those that are kept; none may be without a place."""

    before: date
    runs: Sequence[Run]
    kept: Sequence[UUID]
    unplaced: int

    @property
    def count(self) -> int:
        """How many go."""
        return _how_many(self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """That entries were pruned, as the log says it."""

    entry: Entry
    before: date
    runs: Sequence[Run]
    keep_days: int

    @property
    def count(self) -> int:
        """How many went."""
        return _how_many(self.runs)


def _how_many(runs: Sequence[Run]) -> int:
    return sum(run.end - run.start for run in runs)


def plan_pruning(day: date) -> Pruning:
    """What a pruning up to `day` would take out. Raises: Refused, where that is younger than `AUDIT_KEEP_DAYS`."""
    # By the clock of the ids, as the quarters.
    youngest = clock.machine_now().date() - timedelta(days=settings.AUDIT_KEEP_DAYS)
    if day > youngest:
        raise Refused(f"entries since {youngest} are kept: AUDIT_KEEP_DAYS is {settings.AUDIT_KEEP_DAYS}")
    before = Quarter.of(day).begins_on
    older = Entry.objects.filter(id__lt=first_id_on(before))
    kept = _OF_THE_LOG | Q(target_id__in=[str(target) for needed in _needed for target in needed(before)])
    going = older.exclude(kept)
    return Pruning(
        before=before,
        runs=runs_of(Sequenced.objects.filter(entry__in=going)),
        kept=list(older.filter(kept).values_list("id", flat=True)),
        unplaced=going.filter(sequenced=None).count(),
    )


def runs_of(among: QuerySet[Sequenced]) -> list[Run]:
    """Which of these places follow one another."""
    places = among.order_by("epoch", "index").values_list("epoch", "index")
    found, page = [Run(0, 0, 0)], list(places[:_PAGE])
    while page:
        for epoch, index in page:
            if (found[-1].epoch, found[-1].end) == (epoch, index):
                found[-1] = found[-1]._replace(end=index + 1)
            else:
                found.append(Run(epoch, index, index + 1))
        last, end = page[-1]
        page = list(places.filter(Q(epoch=last, index__gt=end) | Q(epoch__gt=last))[:_PAGE])
    return found[1:]


def refuse_unless_pruned(run: Run) -> None:
    """Let the entries of these places be missing only if the log states that they were pruned.

    Raises: LogAltered, naming the first that is missing without.
    """
    if (until := _pruned_until(*run)) < run.end:
        raise LogAltered(f"entry {until} of epoch {run.epoch} is missing")


def with_pruned(epoch: int, batch: Sequence[Stored]) -> list[Stored]:
    """A batch of places with the leaf hash that the tiles keep of each entry that was pruned.

    From the first on that is missing otherwise, those that follow it and are missing too stay without.
    """
    found = list(batch)
    # Runs of places that follow one another.
    runs = groupby(range(len(batch)), lambda at: (batch[at].entry_id is None, batch[at].place - at))
    for (is_missing, _), run in runs:
        places = list(run) if is_missing else []
        leaves = _leaves(epoch, [batch[at].place for at in places])
        for at, leaf in zip(places, leaves, strict=False):
            found[at] = batch[at]._replace(leaf_hash=leaf)
    return found


def _leaves(epoch: int, places: Sequence[int]) -> list[bytes]:
    if not places:
        return []
    until = _pruned_until(epoch, places[0], places[-1] + 1)
    return list(leaf_hashes(epoch, places[0], until)) if until > places[0] else []


def _pruned_until(epoch: int, start: int, end: int) -> int:
    """Up to which place, from `start` and no further than `end`, the log states that entries were pruned."""
    place, stated = start, statements()
    while place < end:
        found = [(one.before, run.end) for one in stated for run in one.runs if run.holds(epoch, place)]
        if not found:
            break
        before, until = max(found)
        until = min(until, end)
        old = Sequenced.objects.filter(epoch=epoch, entry_id__lt=first_id_on(before))
        there = set(old.filter(index__gte=place, index__lt=until).values_list("index", flat=True))
        if missing := set(range(place, until)) - there:
            return min(missing)
        place = until
    return place


def statements() -> list[Statement]:
    """What the log says was pruned, oldest first."""
    places = Sequenced.objects.filter(entry__action=PRUNED).select_related("entry").order_by("epoch", "index")
    return [found for place in places if (found := _statement(place))]


def _statement(place: Sequenced) -> Statement | None:
    entry = place.entry
    try:
        if leaf_hash(entry_bytes(entry)) != TileReader(place.epoch)(0, place.index):
            return None  # changed: verifying says so
        before, keep_days = date.fromisoformat(str(entry.details["before"])), int(entry.details["keep_days"])
        runs = [_run(str(text)) for text in entry.details["places"]]
        youngest = entry.at.date() - timedelta(days=keep_days)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None  # not by us
    if keep_days < 0 or before > youngest or before != Quarter.of(before).begins_on:
        return None
    return Statement(entry=entry, before=before, runs=runs, keep_days=keep_days)


def _run(text: str) -> Run:
    name, _, places = text.rpartition(" ")
    first, _, last = places.partition("-")
    epoch = epoch_named(name)
    if epoch is None:
        raise ValueError(name)
    return Run(epoch, int(first), int(last) + 1)
