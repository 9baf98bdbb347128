"""What a try changes: the message's state, its attempt, and what the upper floors hear of it, in one transaction."""

import copy
import logging
import random
from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.db import transaction

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.delivery import results, rules
from identity_privacy.delivery.models import Attempt, Message
from identity_privacy.delivery.services.sending import Report
from identity_privacy.delivery.services.systems import switch_off_system
from identity_privacy.delivery.terms import AttemptOutcome, MessageState
from identity_privacy.errors import PartnerFailure

logger = logging.getLogger(__name__)

_ACTOR = Actor.service("delivery")
_TAKEN = {AttemptOutcome.DELIVERED, AttemptOutcome.DROPPED}


def settle(report: Report) -> datetime | None:
    """Record what came of a try, if the lease is still ours; without it nothing happens: another worker has it.

    Says when the message is due again, None if it has ended.
    """
    try:
        return _recorded(report)
    except PartnerFailure as failure:
        failed = replace(
            report,
            outcome=AttemptOutcome.NOT_UNDERSTOOD,
            error=str(failure) or failure.code,
            is_final=failure.permanent,
        )
    except Exception as error:
        # The worker's outermost loop: what a handler cannot record must neither end the drain nor be asked for again
        # at every lease's end. Only the kind is kept: the text may hold personal data.
        logger.error("the answer to message %s was not recorded: %s", report.message.id, type(error).__name__)  # noqa: TRY400
        failed = replace(report, outcome=AttemptOutcome.NOT_RECORDED, error=type(error).__name__)
    return _recorded(failed)


@transaction.atomic
def _recorded(report: Report) -> datetime | None:
    # A copy: if a handler refuses, all of this is rolled back, and the try is recorded again as a failure.
    message, now = copy.copy(report.message), clock.now()
    message.attempt_count += 1
    message.last_error = report.error[:200]
    if report.outcome in _TAKEN:
        message.state, message.delivered_at = MessageState.DELIVERED, now
    elif (again := _next_try(report, now)) is not None:
        message.failure_count, message.due_at = message.failure_count + 1, again
    else:
        message.failure_count, message.state, message.dead_at = message.failure_count + 1, MessageState.DEAD, now
    if not _written_back(message):
        logger.warning("message %s: the lease was lost, another worker has it", message.id)
        return None
    _note_attempt(message, report)
    if message.state == MessageState.PENDING:
        return message.due_at
    _end(message, report)
    return None


def _next_try(report: Report, now: datetime) -> datetime | None:
    if report.is_final:
        return None
    return rules.after_failure(
        failures=report.message.failure_count + 1,
        trying_since=report.message.trying_since,
        now=now,
        base_seconds=settings.DELIVERY_RETRY_BASE_SECONDS,
        jitter=random.random(),  # noqa: S311  # spreads load, guards nothing
        retry_after=report.retry_after,
    )


def _written_back(message: Message) -> bool:
    # Conditional on our lease: a worker that was slower than its lease must not undo what the next one did.
    held = Message.objects.pending().filter(id=message.id, lease_id=message.lease_id)
    message.lease_id = message.lease_until = None
    changed = (
        "state",
        "due_at",
        "delivered_at",
        "dead_at",
        "lease_id",
        "lease_until",
        "attempt_count",
        "failure_count",
        "last_error",
    )
    return bool(held.update(**{name: getattr(message, name) for name in changed}))


def _note_attempt(message: Message, report: Report) -> None:
    Attempt.objects.create(
        message=message,
        number=message.attempt_count,
        at=report.at,
        duration_ms=report.duration_ms,
        status=report.answer.status if report.answer else None,
        outcome=report.outcome,
        error=report.error[:200],
        response_excerpt=rules.excerpt(report.answer.body) if report.answer else "",
    )


def _end(message: Message, report: Report) -> None:
    is_dead = message.state == MessageState.DEAD
    record(
        actor=_ACTOR,
        action="message.dead" if is_dead else "message.delivered",
        target=("message", message.id),
        controller_id=message.controller_id,
        subject_id=message.subject_id,
        reason=report.error[:200],
        details={"topic": message.topic, "attempts": message.attempt_count, "outcome": str(report.outcome)},
    )
    if report.outcome == AttemptOutcome.GONE and message.system is not None:
        switch_off_system(actor=_ACTOR, system=message.system, reason=report.error)
    for handler in results.handlers():
        if is_dead:
            handler.message_dead(message)
        elif report.answer is not None:
            handler.message_answered(message, report.answer)
