"""What is known of the log as a whole, for whoever looks after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from identity_privacy.audit.checkpoints import latest_checkpoint, log_name
from identity_privacy.audit.continuity import hand_overs
from identity_privacy.audit.models import Checkpoint, Cosignature, Entry
from identity_privacy.audit.verification import ALTERED, VERIFIED
from identity_privacy.audit.waiting import Waiting, waiting

CHECK_ASKED: Final = "log.check_asked"
# How far back is looked for witnesses' last cosignatures, and for the last check.
_BACK: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The log's latest check and the one that is open, its newest checkpoint, and what waits for its place."""

    check: Entry | None
    asked: Entry | None
    checkpoint: Checkpoint | None
    waiting: Waiting

    @property
    def is_whole(self) -> bool:
        """Whether the latest check found nothing changed or taken out."""
        return self.check is not None and self.check.action == VERIFIED

    @property
    def is_altered(self) -> bool:
        """Whether the latest check found the log changed."""
        return self.check is not None and self.check.action == ALTERED

    @property
    def short_root(self) -> str:
        """The beginning of the newest checkpoint's root hash: enough to tell it from another by eye."""
        return short(bytes(self.checkpoint.root).hex()) if self.checkpoint else ""

    @property
    def short_root_checked(self) -> str:
        """The same of the checkpoint that the latest check went up to."""
        return short(str(self.check.details.get("root", ""))) if self.check else ""

    def cosignatures(self) -> Sequence[Cosignature]:
        """The newest cosignature of each witness that has signed lately, by name."""
        found: dict[str, Cosignature] = {}
        for cosignature in Cosignature.objects.order_by("-epoch", "-size")[:_BACK]:
            found.setdefault(cosignature.witness, cosignature)
        return [found[name] for name in sorted(found)]

    def handed_over(self) -> Entry | None:
        """The entry that opened the newest epoch, if the log is not in its first; None too where it was taken out."""
        is_first = self.checkpoint is None or self.checkpoint.epoch == 1
        return None if is_first else next(reversed(hand_overs()), None)


def standing() -> Standing:
    """When the log was last checked, what came of it, how far it is signed, and what waits."""
    check, asked = _checks()
    return Standing(check=check, asked=asked, checkpoint=latest_checkpoint(), waiting=waiting())


def open_check() -> Entry | None:
    """That somebody asked for a check of which there is no outcome yet."""
    return _checks()[1]


def short(root: str) -> str:
    """The beginning of a hash."""
    return root[:16]


def _checks() -> tuple[Entry | None, Entry | None]:
    """The latest outcome of a check, and what asked for one since."""
    about = Entry.objects.filter(target_id=log_name(1), action__in=(CHECK_ASKED, VERIFIED, ALTERED))
    newest = list(about.order_by("-id")[:_BACK])
    asked = newest[0] if newest and newest[0].action == CHECK_ASKED else None
    return next((entry for entry in newest if entry.action != CHECK_ASKED), None), asked
