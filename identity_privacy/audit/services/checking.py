"""Checking the log as a whole."""

from base64 import b64decode
from typing import Final
from uuid import UUID

from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from identity_privacy.actors import Actor, ActorKind
from identity_privacy.audit.alone import alone
from identity_privacy.audit.checkpoints import latest_checkpoint, log_name
from identity_privacy.audit.errors import LogAltered, NoCommitment
from identity_privacy.audit.models import Checkpoint, Entry
from identity_privacy.audit.services.entering import record
from identity_privacy.audit.standing import CHECK_ASKED, open_check
from identity_privacy.audit.verification import ALTERED, VERIFIED, verify_log
from identity_privacy.crypto.commitments import is_committed
from identity_privacy.waking import wake

CHECK: Final = "audit.check"


@sensitive_variables()  # all: what makes it atomic holds the value under another name
@transaction.atomic
def check_commitment(*, actor: Actor, entry_id: UUID, name: str, value: str, account: str = "") -> bool | None:
    """Whether the value that an entry commits to by this name is this one; None, once nobody can say it any more.

    `account` is the operating system's, where a command asks. Raises: NoCommitment.
    """
    entry = Entry.objects.filter(id=entry_id).first()
    if entry is None or entry.subject_id is None or name not in entry.commitments:
        raise NoCommitment(f"{entry_id} commits to nothing by that name")
    found = is_committed(subject_id=entry.subject_id, name=name, value=value, to=b64decode(entry.commitments[name]))
    record(
        actor=actor,
        action="commitment.checked",
        target=("entry", entry.id),
        controller_id=entry.controller_id,
        subject_id=entry.subject_id,
        details={
            "name": name,
            "found": {True: "equal", False: "different", None: "unknown"}[found],
            "account": account,
        },
    )
    return found


@transaction.atomic
def ask_for_check(*, actor: Actor) -> None:
    """Have a worker check the log; nothing more is asked while a check is open."""
    if open_check() is None:
        record(actor=actor, action=CHECK_ASKED, target=("log", log_name(1)), controller_id=None)
    wake(CHECK)


def check_if_asked() -> bool:
    """Check the log for whoever asked, if somebody did and no check runs; says whether it did.

    The outcome is in the log. Safe to kill: until there is an outcome, the next call begins anew.
    """
    # Looked at before as well: most of the time there is nothing to do, and nothing to lock.
    if open_check() is None:
        return False
    with alone() as nobody_else:
        asked = open_check()
        if not nobody_else or asked is None:
            return False
        _checked(Actor(ActorKind(asked.actor_kind), asked.actor_id))
    return True


def check_log(*, actor: Actor) -> int:
    """Verify the log and enter the outcome into it; says how many entries were checked. Raises: LogAltered."""
    found = _checked(actor)
    if isinstance(found, LogAltered):
        raise found
    return found


def _checked(actor: Actor) -> int | LogAltered:
    covered = latest_checkpoint()  # before the log is looked at, which holds it
    try:
        found: int | LogAltered = verify_log()
    except LogAltered as alteration:
        found = alteration
    if isinstance(found, LogAltered):
        _enter(actor, ALTERED, covered, {"finding": str(found)})
    else:
        _enter(actor, VERIFIED, covered, {"entries": found})
    return found


def _enter(actor: Actor, action: str, covered: Checkpoint | None, outcome: dict[str, str | int]) -> None:
    up_to: dict[str, str | int] = (
        {"log": log_name(covered.epoch), "size": covered.size, "root": bytes(covered.root).hex()} if covered else {}
    )
    record(actor=actor, action=action, target=("log", log_name(1)), controller_id=None, details={**outcome, **up_to})
