"""Controllers and their staff, and signing in by a code of six digits, sent to the person's own address."""

import secrets
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils.crypto import constant_time_compare, salted_hmac
from guardian.shortcuts import assign_perm
from uuid_utils.compat import uuid7

from identity_privacy.access import directory
from identity_privacy.access.errors import CodeNotAccepted
from identity_privacy.access.models import Controller, SignInCode, User
from identity_privacy.access.outbox import outbox
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.clock import now

CODE_LIFE: Final = timedelta(minutes=10)
MAX_ATTEMPTS: Final = 5
# So many codes of one person may be alive at once: it bounds both guessing and the mail a stranger can cause.
MAX_LIVE_CODES: Final = 5


@transaction.atomic
def open_controller(
    *, actor: Actor, code: str, name: str, host: str, country: str, time_zone: str, privacy_email: str
) -> Controller:
    """Take a controller (a brand) into this service, with the host name of its portal."""
    controller = Controller.objects.create(
        code=code, name=name, host=host, country=country, time_zone=time_zone, privacy_email=privacy_email
    )
    record(actor=actor, action="controller.opened", target=("controller", controller.id), controller_id=controller.id)
    return controller


@transaction.atomic
def add_staff(*, actor: Actor, controller: Controller, username: str, password: str) -> User:
    """Let somebody work in the console for one controller; they are asked for this password."""
    user = User.objects.create_staff(username, password)
    assign_perm("access.work_console", user, controller)
    record(actor=actor, action="staff.added", target=("user", user.id), controller_id=controller.id)
    return user


@transaction.atomic
def request_sign_in_code(*, controller: Controller, email: str) -> SignInCode:
    """Send a sign-in code to an address, if it is a verified one of somebody we know.

    For an unknown address the same row is made, as a decoy that no code opens, and nothing is sent: the answer, and
    with it the page, tell nobody who is known here.
    """
    entry = directory.find(controller.id, email)
    subject_id = entry.subject_id if entry else None
    # Too many live codes of one person: this one is a decoy as well, and sends nothing.
    live = SignInCode.objects.filter(
        controller=controller, subject_id=subject_id, used_at=None, expires_at__gt=now()
    ).count()
    if entry and live >= MAX_LIVE_CODES:
        entry = subject_id = None

    code = f"{secrets.randbelow(1_000_000):06}"
    code_id = uuid7()
    row = SignInCode.objects.create(
        id=code_id,
        controller=controller,
        subject_id=subject_id,
        code_hash=_code_hash(code_id, code),
        expires_at=now() + CODE_LIFE,
    )
    if entry:
        outbox().mail(
            controller_id=controller.id,
            data_key_id=entry.data_key_id,
            subject_id=entry.subject_id,
            to=email,
            topic="sign_in_code",
            context={"code": code, "controller": controller.name, "minutes": str(CODE_LIFE.seconds // 60)},
        )
    record(
        actor=Actor.stranger(),
        action="sign_in.code_requested",
        target=("sign_in_code", row.id),
        controller_id=controller.id,
        subject_id=subject_id,
    )
    return row


def sign_in_with_code(*, code_id: UUID, code: str) -> User:
    """The user whom a code opens; it opens once, within ten minutes and five tries.

    Raises: CodeNotAccepted.
    """
    # The try is counted and committed before the answer is given: an error must not roll it back.
    with transaction.atomic():
        user = _try_code(code_id, code)
    if user is None:
        raise CodeNotAccepted
    return user


def _try_code(code_id: UUID, code: str) -> User | None:
    moment = now()
    # One conditional UPDATE, so that tries made at the same time are all counted.
    counted = SignInCode.objects.filter(
        id=code_id, used_at=None, expires_at__gt=moment, attempts__lt=MAX_ATTEMPTS
    ).update(attempts=F("attempts") + 1)
    row = SignInCode.objects.select_related("controller").filter(id=code_id).first()
    if row is None:
        return None
    is_right = constant_time_compare(row.code_hash, _code_hash(row.id, code))
    opens = bool(counted) and is_right and row.subject_id is not None
    # Of two right answers at the same time one marks the code as used, and only that one signs in.
    if opens:
        opens = bool(SignInCode.objects.filter(id=row.id, used_at=None).update(used_at=moment))
    user = None
    if opens and row.subject_id is not None:
        user = User.objects.for_subject(row.controller, row.subject_id)
    record(
        actor=Actor.subject(row.subject_id) if user and row.subject_id else Actor.stranger(),
        action="sign_in.succeeded" if user else "sign_in.failed",
        target=("sign_in_code", row.id),
        controller_id=row.controller_id,
        subject_id=row.subject_id,
    )
    return user


def _code_hash(code_id: UUID, code: str) -> str:
    return salted_hmac("access.sign_in_code", f"{code_id}:{code}", algorithm="sha256").hexdigest()
