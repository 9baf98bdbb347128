"""Rotating the key that signs checkpoints."""

from datetime import timedelta
from typing import Final

from django.db import transaction

from identity_privacy.actors import Actor
from identity_privacy.audit.canonical import stamp
from identity_privacy.audit.services.entering import record
from identity_privacy.crypto.signing import PublicKey, rotate_signing_key
from identity_privacy.crypto.terms import SigningUse

OVERLAP: Final = timedelta(days=30)


@transaction.atomic
def rotate_checkpoint_key(*, actor: Actor, overlap: timedelta = OVERLAP) -> tuple[PublicKey, PublicKey]:
    """Give checkpoints a new signing key; the old one signs beside it for `overlap`. Returns the old and the new.

    Raises: RotationRuns.
    """
    old, new = rotate_signing_key(SigningUse.CHECKPOINT, overlap=overlap)
    record(
        actor=actor,
        action="checkpoint_key.rotated",
        target=("signing_key", new.id),
        controller_id=None,
        details={"previous": str(old.id), "previous_signs_until": stamp(new.valid_from + overlap)},
    )
    return old, new
