"""Signing in by a code of six digits, sent to the person's own address."""

import secrets
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from identity_privacy.access.directory import directory
from identity_privacy.access.errors import CodeNotAccepted
from identity_privacy.access.models import Controller, SignInCode, SignInTally, User
from identity_privacy.access.outbox import outbox
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.clock import now
from identity_privacy.crypto.blind_index import normalise
from identity_privacy.crypto.keys import controller_secrets_key
from identity_privacy.errors import Invalid

CODE_LIFE: Final = timedelta(minutes=10)
MAX_ATTEMPTS: Final = 5
# So many mailed codes of one person may be alive at once: it bounds the mail that a stranger can cause.
MAX_LIVE_CODES: Final = 5
# Wrong tries in one person's name within a day, over all their codes: a chance of one in 33,000 to guess one.
MAX_FAILURES_A_DAY: Final = 30
# For how long a tally is kept: longer than its codes and its day of wrong tries.
TALLY_LIFE: Final = timedelta(days=2)


@transaction.atomic
def request_sign_in_code(*, controller: Controller, email: str) -> SignInCode:
    """Send a sign-in code to an address, if it is a verified one of somebody we know.

    For an unknown address the same is done, with a decoy that no code opens and a mail that is dropped when it would be
    sent: neither the answer nor the time it takes tells who is known here.

    Where five mailed codes of the person are alive no sixth is mailed, and this browser is let in by the newest of the
    five: whoever asks in somebody's name neither floods them nor locks them out.
    """
    entry = directory().find(controller.id, email)
    subject_id = entry.subject_id if entry else None
    decoy_key_id = controller_secrets_key(controller.id)
    tally = _held_tally(controller, subject_id or _id_of_unknown(controller, email))
    alive = tally.codes.filter(used_at=None, expires_at__gt=now())
    newest = alive.order_by("-id").first()
    shared = newest if alive.values("code_hash").distinct().count() >= MAX_LIVE_CODES else None

    code = f"{secrets.randbelow(1_000_000):06}"
    row = SignInCode.objects.create(
        controller=controller,
        tally=tally,
        subject_id=subject_id,
        code_hash=shared.code_hash if shared else _code_hash(tally, code),
        expires_at=shared.expires_at if shared else now() + CODE_LIFE,
    )
    recipient = None if shared else entry
    outbox().mail(
        controller_id=controller.id,
        data_key_id=recipient.data_key_id if recipient else decoy_key_id,
        subject_id=recipient.subject_id if recipient else None,
        to=email if recipient else "",
        topic="sign_in_code",
        context={"code": code, "controller": controller.name, "minutes": str(CODE_LIFE.seconds // 60)},
        is_decoy=recipient is None,
    )
    record(
        actor=Actor.stranger(),
        action="sign_in.code_requested",
        target=("sign_in_code", row.id),
        controller_id=controller.id,
        subject_id=subject_id,
    )
    return row


def accept_code(*, code_id: UUID, code: str) -> User:
    """The user whom a code shows; it does so once, within ten minutes and five tries.

    After thirty wrong tries within a day, in all, no code of this person does until the day is over.

    Raises: CodeNotAccepted.
    """
    # The try is counted and committed before the answer is given: an error must not roll it back.
    with transaction.atomic():
        user = _try_code(code_id, code)
    if user is None:
        raise CodeNotAccepted
    return user


@transaction.atomic
def forget_codes() -> int:
    """Delete tallies, and with them codes, of whoever has not asked for two days; says how many.

    An address that was typed here leaves nothing behind for longer, be it known or not.
    """
    # Locked, so that nobody asks anew between the look and the deletion.
    idle = SignInTally.objects.select_for_update().filter(asked_at__lt=now() - TALLY_LIFE)
    ids = list(idle.values_list("id", flat=True))
    if ids:
        SignInTally.objects.filter(id__in=ids).delete()
        record(
            actor=Actor.service("access"),
            action="sign_in.forgotten",
            target=("sign_in_tally", "idle"),
            controller_id=None,
            details={"count": len(ids)},
        )
    return len(ids)


def _held_tally(controller: Controller, who: UUID) -> SignInTally:
    # One statement makes the row or touches it, and holds it either way until this transaction ends: of requests made
    # at the same time each counts the codes of those before it.
    SignInTally.objects.bulk_create(
        [SignInTally(controller=controller, who=who, asked_at=now())],
        update_conflicts=True,
        unique_fields=["controller", "who"],
        update_fields=["asked_at"],
    )
    return SignInTally.objects.get(controller=controller, who=who)


def _id_of_unknown(controller: Controller, email: str) -> UUID:
    with suppress(Invalid):  # what is no address at all is nobody's either
        email = normalise("email", email)
    keyed = salted_hmac("access.sign_in_tally", f"{controller.id}:{email}", algorithm="sha256")
    return UUID(bytes=keyed.digest()[:16])


def _try_code(code_id: UUID, code: str) -> User | None:
    # The tries in one person's name go one after another, by the lock on their tally, so that all are counted and of
    # two right answers at the same time one signs in.
    tally = SignInTally.objects.select_for_update(of=("self",)).filter(codes=code_id).first()
    if tally is None:
        return None
    moment = now()
    row = tally.codes.select_related("controller").get(id=code_id)
    is_alive = row.used_at is None and row.expires_at > moment and row.attempts < MAX_ATTEMPTS
    if tally.failing_since is None or tally.failing_since <= moment - timedelta(days=1):
        tally.failures, tally.failing_since = 0, moment
    is_barred = tally.failures >= MAX_FAILURES_A_DAY
    is_right = constant_time_compare(row.code_hash, _code_hash(tally, code))
    user = None
    if is_alive and is_right and row.subject_id is not None and not is_barred:
        # Also where another browser waits for the same mail.
        tally.codes.filter(code_hash=row.code_hash).update(used_at=moment)
        user = User.objects.for_subject(row.controller, row.subject_id)
    elif is_alive and not is_barred:
        tally.failures += 1
        tally.save(update_fields=["failures", "failing_since"])
    if is_alive:
        row.attempts += 1
        row.save(update_fields=["attempts"])
    record(
        actor=Actor.subject(row.subject_id) if user and row.subject_id else Actor.stranger(),
        action="sign_in.code_accepted" if user else "sign_in.failed",
        target=("sign_in_code", row.id),
        controller_id=row.controller_id,
        subject_id=row.subject_id,
        reason="too many wrong codes within a day" if is_barred else "",
    )
    return user


def _code_hash(tally: SignInTally, code: str) -> str:
    return salted_hmac("access.sign_in_code", f"{tally.id}:{code}", algorithm="sha256").hexdigest()
