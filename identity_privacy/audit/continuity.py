"""That the log goes on from the newest checkpoint anybody holds: one restored from an older backup is found out by it.

The service keeps its own newest checkpoint in the keys database, and there what its witnesses have cosigned
(`KnownCheckpoint`). A log that holds them all goes on. One that does not is behind, or was forked: nothing is entered
into its tree and nothing is served from it, until `hand_over` has opened the log's next epoch, under a name of its own.
The first entry there holds those checkpoints and says which entries are missing; a witness or verifier who holds one
of them accepts the new epoch by that entry alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.core.checks import CheckMessage, Error
from django.db.models import Max, Q

from identity_privacy.audit.checkpoints import latest_checkpoint, log_name, refuse_unless_named
from identity_privacy.audit.errors import LogBehind, LogRenamed
from identity_privacy.audit.models import Checkpoint, Entry, Sequenced
from identity_privacy.crypto.models import KnownCheckpoint

HANDED_OVER: Final = "log.handed_over"
# Who holds the service's own newest checkpoint.
SERVICE: Final = ""
# The tag of the check, for processes that must not begin without it.
CONTINUITY: Final = "continuity"
WHAT_TO_DO: Final = "Run `manage.py erasures replay`: see docs/howto/restore.md. Nothing is served until then."


def keep(holder: str, checkpoint: Checkpoint) -> None:
    """Note that `holder` has this checkpoint, in the keys database; never one that is older than what is noted."""
    _note(holder, checkpoint, is_astray=False)


def keep_astray(holder: str, checkpoint: Checkpoint) -> bool:
    """Note that `holder` has this checkpoint, which the log does not hold; says whether that is news.

    It stands beside what they have of the log, in the place of one that is older or that was handed over from.
    """
    astray = KnownCheckpoint.objects.filter(holder=holder, is_astray=True)
    this = astray.filter(epoch=checkpoint.epoch, size=checkpoint.size, root=checkpoint.root)
    if this.exists():
        return False
    if holder not in {one.holder for one in not_continued() if one.is_astray}:
        astray.delete()
    _note(holder, checkpoint, is_astray=True)
    return this.exists()


def is_old_news(holder: str, checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint which the log does not hold shows nothing that it was not handed over with.

    That is one of an earlier epoch, among the entries that a hand-over says are missing, or no newer than what is known
    of this holder, whose checkpoints each go on from the one before. Cosigned checkpoints are public: else whoever kept
    those of a lost range could stop the log with one after another.
    """
    newest = latest_checkpoint()
    if newest is None or checkpoint.epoch >= newest.epoch:
        return False
    is_no_older = Q(epoch__gt=checkpoint.epoch) | Q(epoch=checkpoint.epoch, size__gte=checkpoint.size)
    is_known = KnownCheckpoint.objects.filter(is_no_older, holder=holder).exists()
    return is_known or any(first < checkpoint.size <= last + 1 for first, last in _lost(checkpoint.epoch))


def _lost(epoch: int) -> list[tuple[int, int]]:
    """The first and the last entry of each range of an epoch that hand-overs say is missing."""
    named = [text.rpartition(" ") for entry in hand_overs() for text in entry.details["missing"]]
    ranges = [places.partition("-") for name, _, places in named if name == log_name(epoch)]
    return [(int(first), int(last)) for first, _, last in ranges]


def _note(holder: str, checkpoint: Checkpoint, *, is_astray: bool) -> None:
    facts = _facts(checkpoint)
    row = KnownCheckpoint(holder=holder, is_astray=is_astray, **facts)
    KnownCheckpoint.objects.bulk_create([row], ignore_conflicts=True)
    is_older = Q(epoch__lt=checkpoint.epoch) | Q(epoch=checkpoint.epoch, size__lt=checkpoint.size)
    KnownCheckpoint.objects.filter(is_older, holder=holder, is_astray=is_astray).update(**facts)


def refuse_unless_continued() -> None:
    """Raises: LogBehind, where somebody holds a checkpoint that is not in this log."""
    if astray := not_continued():
        known = astray[0]
        holder = f"the witness {known.holder} holds" if known.holder else "we have signed"
        raise LogBehind(f"{holder} a checkpoint of {known.size} entries of {log_name(known.epoch)}, which is not here")


def check_continuity(*, databases: Iterable[str] | None = None, **_: object) -> list[CheckMessage]:
    """E102: the log is behind; E105: it has another name. Where both databases are checked, so not at `migrate`."""
    if not {"default", "keys"} <= set(databases or ()):
        return []
    try:
        refuse_unless_named()
        refuse_unless_continued()
    except LogRenamed as renamed:
        hint = "Set AUDIT_LOG_ORIGIN to what it was, or the database to this log's. Nothing is served until then."
        return [Error(f"the audit log has another name: {renamed}", hint=hint, id="identity_privacy.E105")]
    except LogBehind as behind:
        return [
            Error(
                f"the audit log is behind: {behind}",
                hint=WHAT_TO_DO,
                id="identity_privacy.E102",
            )
        ]
    return []


def not_continued() -> list[KnownCheckpoint]:
    """The checkpoints which somebody holds and this log neither has nor was handed over from."""
    known = list(KnownCheckpoint.objects.order_by("-epoch", "-size"))
    stored = {
        (epoch, size, bytes(root))
        for epoch, size, root in Checkpoint.objects.filter(pk__in=[(one.epoch, one.size) for one in known]).values_list(
            "epoch", "size", "root"
        )
    }
    missing = [one for one in known if (one.epoch, one.size, bytes(one.root)) not in stored]
    if not missing:
        return []
    handed_over = {text for entry in hand_overs() for text in handed_over_texts(entry)}
    return [one for one in missing if text_of(one.note) not in handed_over]


def is_handed_over(note: str) -> bool:
    """Whether the log was handed over from this checkpoint."""
    return any(text_of(note) in handed_over_texts(entry) for entry in hand_overs())


def hand_overs() -> Sequence[Entry]:
    """The entries that opened an epoch, oldest first."""
    first = Sequenced.objects.filter(epoch__gt=1, index=0).select_related("entry").order_by("epoch")
    return [place.entry for place in first if place.entry.action == HANDED_OVER]


def handed_over_texts(entry: Entry) -> list[str]:
    """What the checkpoints state from which a hand-over goes on."""
    return [text_of(note) for note in entry.details["checkpoints"]]


def text_of(note: str) -> str:
    """What a checkpoint states, without the signatures: the same checkpoint may be signed by several."""
    return note.partition("\n\n")[0]


def _facts(checkpoint: Checkpoint) -> dict[str, object]:
    return {name: getattr(checkpoint, name) for name in ("epoch", "size", "root", "note", "at")}


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """What the first entry of a new epoch says of those before it."""

    epoch: int
    checkpoints: list[str]
    kept: list[str]
    missing: list[str]


def next_epoch() -> HandOver:
    """The hand-over from what is stored, and from what is known of it elsewhere."""
    known = list(KnownCheckpoint.objects.order_by("-epoch", "-size", "holder"))
    kept: dict[int, int] = dict(Checkpoint.objects.values_list("epoch").annotate(Max("size")))
    signed: dict[int, int] = {}
    for one in known:
        signed[one.epoch] = max(one.size, signed.get(one.epoch, 0))
    epochs = range(1, max([*kept, *signed]) + 1)
    return HandOver(
        epoch=epochs.stop,
        checkpoints=list(dict.fromkeys(one.note for one in known)),
        kept=kept_before(epochs.stop),
        missing=[
            f"{log_name(epoch)} {kept.get(epoch, 0)}-{signed[epoch] - 1}"
            for epoch in epochs
            if signed.get(epoch, 0) > kept.get(epoch, 0)
        ],
    )


def kept_before(epoch: int) -> list[str]:
    """What is here of each earlier epoch: its name, how many entries, and their root, so that they stay as they are."""
    return [_kept(earlier) for earlier in range(1, epoch)]


def _kept(epoch: int) -> str:
    last = latest_checkpoint(epoch)
    return " ".join(text_of(str(last.note)).splitlines()) if last else f"{log_name(epoch)} 0"
