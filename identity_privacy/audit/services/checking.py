"""Checking the log as a whole."""

from identity_privacy.actors import Actor
from identity_privacy.audit.checkpoints import log_name
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.services.entering import record
from identity_privacy.audit.verification import ALTERED, VERIFIED, verify_log


def check_log(*, actor: Actor) -> int:
    """Verify the log and enter the outcome into it; says how many entries were checked. Raises: LogAltered."""
    log = ("log", log_name(1))
    try:
        size = verify_log()
    except LogAltered as alteration:
        record(actor=actor, action=ALTERED, target=log, controller_id=None, details={"finding": str(alteration)})
        raise
    record(actor=actor, action=VERIFIED, target=log, controller_id=None, details={"entries": size})
    return size
