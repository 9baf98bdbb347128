"""Taking entries out of the log whose time to be kept is over."""

import time
from datetime import date
from typing import Final

from django.conf import settings
from django.db import OperationalError, transaction

from identity_privacy.actors import Actor
from identity_privacy.audit.checkpoints import latest_checkpoint, log_name
from identity_privacy.audit.continuity import SERVICE, keep
from identity_privacy.audit.pruning import PRUNED, Pruning, plan_pruning
from identity_privacy.audit.removing import is_held_by_others, refuse_unless_owner, remove_entries
from identity_privacy.audit.sequencing import take_turns
from identity_privacy.audit.services.entering import record
from identity_privacy.audit.services.growing import place_batch, sequence
from identity_privacy.audit.verification import verify_log
from identity_privacy.errors import Refused

# Others hold the log for moments, a backup or an export for longer.
TRIES: Final = 10
PAUSE_SECONDS: Final = 1.0


def prune(day: date, *, actor: Actor, account: str) -> Pruning:
    """Take out the entries of whole quarters before a day, once the whole log was verified; all proofs still hold.

    Safe to kill at any moment and to repeat. Call it outside a transaction, as the role that owns the tables.

    Raises: Refused; NotPermitted, for another role; LogAltered; LogBehind.
    Source: GDPR Art. 5(1)(e).
    """
    refuse_unless_owner()
    plan_pruning(day)
    sequence()
    # What is thrown away was right: nobody can look again.
    verify_log()
    for _ in range(TRIES):
        try:
            pruning = _prune(day, actor, account)
        except OperationalError as error:
            if not is_held_by_others(error):
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            if checkpoint := latest_checkpoint():
                keep(SERVICE, checkpoint)
            return pruning
    raise Refused("others' transactions, a backup or an export, hold the log; run it again")


# Durable: the statement, its checkpoint and the rows go together, or nothing does.
@transaction.atomic(durable=True)
def _prune(day: date, actor: Actor, account: str) -> Pruning:
    take_turns()
    pruning = plan_pruning(day)
    if pruning.unplaced:
        raise Refused(f"{pruning.unplaced} entries before {pruning.before} have no place in the log yet")
    if not pruning.count:
        return pruning
    epochs = dict.fromkeys(run.epoch for run in pruning.runs)
    checkpoints = [checkpoint.note for epoch in epochs if (checkpoint := latest_checkpoint(epoch))]
    record(
        actor=actor,
        action=PRUNED,
        target=("log", log_name(1)),
        controller_id=None,
        details={
            "before": pruning.before.isoformat(),
            "count": pruning.count,
            "kept": len(pruning.kept),
            "keep_days": settings.AUDIT_KEEP_DAYS,
            "places": list(map(str, pruning.runs)),
            "checkpoints": checkpoints,
            "account": account,
        },
    )
    while place_batch():
        pass
    if (removed := remove_entries(pruning.before, pruning.kept)) != pruning.count:
        raise Refused(f"{removed} entries would have gone instead of {pruning.count}; run it again")
    return pruning
