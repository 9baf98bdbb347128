"""Checking the log as a whole."""

from base64 import b64decode
from uuid import UUID

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from identity_privacy.actors import Actor
from identity_privacy.audit.checkpoints import log_name
from identity_privacy.audit.errors import LogAltered, NoCommitment
from identity_privacy.audit.models import Entry
from identity_privacy.audit.services.entering import record
from identity_privacy.audit.verification import ALTERED, VERIFIED, verify_log
from identity_privacy.crypto.commitments import is_committed


@sensitive_variables("value")
@transaction.atomic
def check_commitment(*, actor: Actor, entry_id: UUID, name: str, value: str) -> bool | None:
    """Whether the value that an entry commits to by this name is this one; None, once nobody can say it any more.

    Raises: NoCommitment.
    """
    entry = Entry.objects.filter(id=entry_id).first()
    if entry is None or entry.subject_id is None or name not in entry.commitments:
        raise NoCommitment(f"{entry_id} commits to no {name}")
    found = is_committed(subject_id=entry.subject_id, name=name, value=value, to=b64decode(entry.commitments[name]))
    record(
        actor=actor,
        action="commitment.checked",
        target=("entry", entry.id),
        controller_id=entry.controller_id,
        subject_id=entry.subject_id,
        details={"name": name, "found": {True: "equal", False: "different", None: "unknown"}[found]},
    )
    return found


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
