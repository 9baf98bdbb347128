"""Whether a linked system really said what it is said to have said."""

from collections.abc import Mapping

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.crypto.reading import Reading
from identity_privacy.delivery import webhooks
from identity_privacy.delivery.models import System


def verify_report(*, system: System, headers: Mapping[str, str], body: bytes) -> webhooks.Verified:
    """Verify a result that a system posts by itself, against its inbound secret and its Ed25519 key.

    Opens the secret in a Reading of its own, so call it outside a transaction. Raises: UnverifiedWebhook.
    """
    reading = Reading(
        actor=Actor.service("reports"),
        what="system_secret",
        purpose="verify a report",
        subject_id=None,
        controller_id=system.controller_id,
        reason="a linked system reports",
    )
    with reading:
        return webhooks.verify(
            headers=headers,
            body=body,
            now=clock.machine_now(),
            secrets=[system.inbound_secret] if system.inbound_secret else [],
            public_keys=[system.public_key] if system.public_key else [],
        )
