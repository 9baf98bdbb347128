"""Linked systems: register, switch off and on."""

from collections.abc import Sequence

from django.conf import settings
from django.db import IntegrityError, transaction
from uuid_utils.compat import uuid7

from identity_privacy.access.models import Controller
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.crypto.keys import controller_secrets_key
from identity_privacy.delivery import webhooks
from identity_privacy.delivery.errors import EndpointRefused, SystemCodeTaken
from identity_privacy.delivery.models import System
from identity_privacy.delivery.terms import SystemKind
from identity_privacy.http import AddressRefused, Policy, check_url


def calling_policy() -> Policy:
    """What this deployment may call, and how long it waits for an answer."""
    return Policy(allow_loopback=settings.ALLOW_LOOPBACK_PARTNERS, timeout_seconds=settings.DELIVERY_TIMEOUT_SECONDS)


@transaction.atomic
def register_system(
    *,
    actor: Actor,
    controller: Controller,
    code: str,
    name: str,
    kind: SystemKind,
    what_it_does: str = "",
    country: str = "",
    endpoint: str = "",
    public_key: str = "",
    categories: Sequence[str] = (),
    after: Sequence[str] = (),
    recheck_after_days: int = 30,
    owner_contact: str = "",
) -> System:
    """Link a system, with two fresh secrets: one that signs what we send, one that signs what it answers.

    Both are read once, inside a Reading, to be handed over. Raises: SystemCodeTaken; EndpointRefused; UnreadableSecret.
    """
    if public_key:
        webhooks.read_public_key(public_key)
    if kind == SystemKind.WEBHOOK:
        try:
            check_url(endpoint, calling_policy())
        except AddressRefused as error:
            raise EndpointRefused(str(error), field="endpoint") from error
    system = System(
        id=uuid7(),
        controller=controller,
        code=code,
        name=name,
        what_it_does=what_it_does,
        country=country,
        kind=kind,
        endpoint=endpoint,
        public_key=public_key,
        data_key_id=controller_secrets_key(controller.id),
        categories=list(categories),
        after=list(after),
        recheck_after_days=recheck_after_days,
        owner_contact=owner_contact,
    )
    if kind == SystemKind.WEBHOOK:
        system.outbound_secret, system.inbound_secret = webhooks.new_secret(), webhooks.new_secret()
    try:
        with transaction.atomic():
            system.save(force_insert=True)
    except IntegrityError:
        raise SystemCodeTaken(code) from None
    record(
        actor=actor,
        action="system.registered",
        target=("system", system.id),
        controller_id=controller.id,
        details={"code": code, "kind": str(kind)},
    )
    return system


@transaction.atomic
def switch_off_system(*, actor: Actor, system: System, reason: str) -> System:
    """Ask this system nothing more; what is pending for it becomes dead, and can be replayed."""
    return _switch(actor=actor, system=system, is_active=False, action="system.switched_off", reason=reason)


@transaction.atomic
def switch_on_system(*, actor: Actor, system: System, reason: str) -> System:
    """Ask this system again; dead messages wait to be replayed."""
    return _switch(actor=actor, system=system, is_active=True, action="system.switched_on", reason=reason)


def _switch(*, actor: Actor, system: System, is_active: bool, action: str, reason: str) -> System:
    system.is_active = is_active
    system.save(update_fields=["is_active"])
    record(actor=actor, action=action, target=("system", system.id), controller_id=system.controller_id, reason=reason)
    return system
