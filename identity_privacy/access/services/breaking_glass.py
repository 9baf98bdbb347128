"""Letting a member of staff do everything for a controller in an emergency: with a reason, an end and an alarm."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import formats, timezone

from identity_privacy import clock
from identity_privacy.access.models import Controller, User
from identity_privacy.access.outbox import outbox
from identity_privacy.access.terms import LONGEST_EMERGENCY
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.crypto.keys import controller_secrets_key
from identity_privacy.errors import Invalid


@transaction.atomic
def break_glass(*, actor: Actor, user: User, controller: Controller, reason: str, lasting: timedelta) -> datetime:
    """Let a member of staff do everything for a controller from now on, and alarm its privacy team; says until when.

    Raises: Invalid, without a reason, for longer than four hours, or for one who is not staff.
    """
    if not user.is_staff or not user.is_active:
        raise Invalid("only a member of staff may", field="user")
    if not 10 <= len(reason.strip()) <= 200 or not reason.isprintable():
        raise Invalid("say why, in 10 to 200 characters, and name no person", field="reason")
    if not timedelta() < lasting <= LONGEST_EMERGENCY:
        raise Invalid("give 1 to 240 minutes", field="minutes")
    if user.broke_glass_at_id not in (None, controller.id):
        mend_glass(actor=actor, user=user)  # at one controller at a time
    until = clock.machine_now() + lasting
    User.objects.filter(pk=user.pk).update(broke_glass_at=controller, broke_glass_until=until)
    outbox().mail(
        controller_id=controller.id,
        data_key_id=controller_secrets_key(controller.id),
        subject_id=None,
        to=controller.privacy_email,
        topic="broke_glass",
        context={
            "controller": controller.name,
            "user": user.username,
            "reason": reason,
            "until": formats.date_format(timezone.localtime(until, controller.zone), "DATETIME_FORMAT"),
        },
    )
    record(
        actor=actor,
        action="staff.broke_glass",
        target=("user", user.id),
        controller_id=controller.id,
        reason=reason,
        details={"minutes": int(lasting.total_seconds() // 60)},
    )
    return until


@transaction.atomic
def mend_glass(*, actor: Actor, user: User) -> None:
    """End it before its time, or enter that its time is over. Raises: Invalid, where there is none."""
    held = User.objects.select_for_update(of=("self",)).get(pk=user.pk)
    if held.broke_glass_until is None:
        raise Invalid("the glass is whole", field="user")
    controller_id = held.broke_glass_at_id
    User.objects.filter(pk=user.pk).update(broke_glass_at=None, broke_glass_until=None)
    record(actor=actor, action="staff.mended_glass", target=("user", user.id), controller_id=controller_id)


def mend_old_glass() -> None:
    """Enter of each emergency whose time is over that it is."""
    over = User.objects.filter(broke_glass_until__lt=clock.machine_now())
    for user in over:
        with transaction.atomic():
            # Held and looked at again: it may have been given more time meanwhile.
            if over.select_for_update(of=("self",)).filter(pk=user.pk).exists():
                mend_glass(actor=Actor.service("access"), user=user)
