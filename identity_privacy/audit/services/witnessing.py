"""Taking the cosignatures of witnesses, and with them the news that the log went back or was forked."""

from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import transaction

from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit.canonical import stamp
from identity_privacy.audit.checkpoints import epoch_named, log_name
from identity_privacy.audit.continuity import is_handed_over, is_old_news, keep, keep_astray
from identity_privacy.audit.cosignature import Note, VerifierKey, parsed_note
from identity_privacy.audit.errors import CheckpointHandedOver, CheckpointNotHeld, NotCosigned
from identity_privacy.audit.models import Checkpoint, Cosignature
from identity_privacy.audit.offline import Unverified
from identity_privacy.audit.services.entering import record
from identity_privacy.audit.witnesses import COSIGNED, line_hash, trusted_witnesses
from identity_privacy.crypto.signing import public_keys
from identity_privacy.crypto.terms import SigningUse
from identity_privacy.errors import Invalid

# How far a witness's clock may be ahead of ours.
TOLERANCE: Final = timedelta(minutes=5)


def accept_cosignature(*, note: str) -> list[Cosignature]:
    """Take what witnesses signed on a checkpoint of ours; the same once more changes nothing.

    A checkpoint that we signed and a witness cosigned, and which the log does not hold, is the proof that the log went
    back or was forked: it is noted, so that nothing is served and sequenced until the log is handed over. Nobody can
    make one up, since it needs both keys.

    Raises: Invalid; NotCosigned; CheckpointHandedOver; CheckpointNotHeld, once it is noted.
    """
    witnesses = trusted_witnesses()
    try:
        read = parsed_note(note)
        signed = _signed_by_us(read)
        found = [one for witness in witnesses if (one := _cosignature(read, witness, signed))]
    except Unverified as error:
        raise Invalid(str(error), field="note") from None
    if not found:
        raise NotCosigned("no witness that is trusted here has signed the checkpoint")
    checkpoint = Checkpoint.objects.filter(pk=signed.pk, root=signed.root).first()
    if checkpoint is None:
        raise _noted(signed, found)
    stored = [_stored(cosignature) for cosignature in found]
    for cosignature in stored:
        # In the other database; whoever dies before it sends the cosignature again.
        keep(cosignature.witness, checkpoint)
    return stored


def _signed_by_us(note: Note) -> Checkpoint:
    """The checkpoint in a note that this log has signed, with our signatures alone. Raises: NotCosigned; Unverified."""
    epoch = epoch_named(note.origin)
    if epoch is None:
        raise NotCosigned("the checkpoint is of another log")
    keys = [key.public_key for key in public_keys() if key.use is SigningUse.CHECKPOINT]
    lines = note.lines_of_log(keys)
    if not lines:
        raise NotCosigned("the checkpoint is not signed by a key of this log")
    # What strangers may have added to the note stays outside.
    return Checkpoint(epoch=epoch, size=note.size, root=note.root, note=f"{note.text}\n{''.join(lines)}")


def _cosignature(note: Note, witness: VerifierKey, checkpoint: Checkpoint) -> Cosignature | None:
    """What a witness signed, if it did. Raises: Unverified; Invalid, for a time that is yet to come."""
    made = note.cosigned_by(witness)
    if made is None:
        return None
    seconds, line = made
    if seconds > (clock.machine_now() + TOLERANCE).timestamp():
        raise Invalid(f"{witness.name} signed at a time that is yet to come: see to its clock", field="note")
    at = datetime.fromtimestamp(seconds, UTC)
    return Cosignature(epoch=checkpoint.epoch, size=checkpoint.size, witness=witness.name, at=at, line=line)


@transaction.atomic
def _stored(cosignature: Cosignature) -> Cosignature:
    """The witness's cosignature of this checkpoint; the first stands."""
    stored, is_new = Cosignature.objects.get_or_create(
        epoch=cosignature.epoch,
        size=cosignature.size,
        witness=cosignature.witness,
        defaults={"at": cosignature.at, "line": cosignature.line},
    )
    if is_new:
        _enter(COSIGNED, stored, sha256=line_hash(stored.line))
    return stored


def _noted(signed: Checkpoint, found: list[Cosignature]) -> CheckpointHandedOver | CheckpointNotHeld:
    """Note a checkpoint that the log does not hold, so that it stops, unless it was handed over from there; says so."""
    news = [one for one in found if not is_old_news(one.witness, signed)]
    if is_handed_over(signed.note) or not news:
        return CheckpointHandedOver("the log was handed over since: cosign a checkpoint of the newest epoch")
    for cosignature in news:
        signed.at = cosignature.at
        if keep_astray(cosignature.witness, signed):
            _enter("checkpoint.not_held", cosignature)
    return CheckpointNotHeld("we signed it and a witness cosigned it, but it is not in the log: that is noted")


def _enter(action: str, cosignature: Cosignature, **more: str) -> None:
    record(
        actor=Actor.witness(cosignature.witness),
        action=action,
        target=("log", log_name(cosignature.epoch)),
        controller_id=None,
        details={"entries": cosignature.size, "signed_at": stamp(cosignature.at), **more},
    )
