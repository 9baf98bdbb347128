"""Checking the whole log, and remembering when that was last done."""

from dataclasses import dataclass

from django.conf import settings
from django.db import transaction

from identity_privacy.actors import Actor
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.models import Checkpoint, Entry
from identity_privacy.audit.services import latest_checkpoint, record, verify_log

VERIFIED, ALTERED = "log.verified", "log.altered"


def check_log(*, actor: Actor) -> int:
    """Verify the log and enter the outcome into it; says how many entries were checked. Raises: LogAltered."""
    log = ("log", settings.AUDIT_LOG_ORIGIN)
    try:
        with transaction.atomic():
            size = verify_log()
            record(actor=actor, action=VERIFIED, target=log, controller_id=None, details={"entries": size})
    except LogAltered as alteration:
        record(actor=actor, action=ALTERED, target=log, controller_id=None, details={"finding": str(alteration)})
        raise
    return size


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
    checks = Entry.objects.filter(target_id=settings.AUDIT_LOG_ORIGIN, action__in=(VERIFIED, ALTERED))
    return Standing(check=checks.order_by("-id").first(), checkpoint=latest_checkpoint())
