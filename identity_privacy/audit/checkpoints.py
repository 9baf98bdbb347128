"""The signed checkpoints that are stored, and the names that the log's epochs are signed under."""

import base64
import contextlib
import re
from collections.abc import Iterable

from django.conf import settings

from identity_privacy.audit import offline
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.models import Checkpoint, Cosignature
from identity_privacy.crypto.signing import PublicKey, public_keys
from identity_privacy.crypto.terms import SigningUse


def log_name(epoch: int) -> str:
    """The origin that an epoch's checkpoints are signed under: the log's own name, with `/epoch-2` after it and so on.

    >>> log_name(2)
    'identity-privacy.example/log/epoch-2'
    """
    return str(settings.AUDIT_LOG_ORIGIN) if epoch == 1 else f"{settings.AUDIT_LOG_ORIGIN}/epoch-{epoch}"


def epoch_named(origin: str) -> int | None:
    """Which epoch of this log has this name; None, where it is another log's."""
    if origin == settings.AUDIT_LOG_ORIGIN:
        return 1
    found = re.fullmatch(rf"{re.escape(settings.AUDIT_LOG_ORIGIN)}/epoch-([1-9][0-9]{{0,8}})", origin)
    return int(found[1]) if found and found[1] != "1" else None


def latest_checkpoint(epoch: int | None = None) -> Checkpoint | None:
    """The newest signed statement of the log, or of one epoch of it, if there is one."""
    known = Checkpoint.objects.all() if epoch is None else Checkpoint.objects.filter(epoch=epoch)
    return known.order_by("-epoch", "-size").first()


def cosigned_note(checkpoint: Checkpoint) -> str:
    """A checkpoint's note with the signatures of the witnesses that cosigned it."""
    standing = Cosignature.objects.filter(epoch=checkpoint.epoch, size=checkpoint.size)
    return checkpoint.note + "".join(standing.order_by("witness").values_list("line", flat=True))


def signed_by(checkpoint: Checkpoint) -> PublicKey:
    """The key of this log that signed a checkpoint, be it the current one or not. Raises: LogAltered."""
    for key in public_keys():
        if key.use is SigningUse.CHECKPOINT:
            with contextlib.suppress(LogAltered):
                stated(checkpoint, [key])
                return key
    raise LogAltered("the checkpoint is not signed by a key of this log")


def stated(checkpoint: Checkpoint, by: Iterable[PublicKey]) -> tuple[int, bytes]:
    """Size and root in a checkpoint's note, once its signature by one of these keys is verified. Raises: LogAltered."""
    keys = [base64.b64encode(key.public_key).decode() for key in by if key.use is SigningUse.CHECKPOINT]
    try:
        read = offline.read_checkpoint(checkpoint.note, offline.Pinned(keys), origin=log_name(checkpoint.epoch))
    except offline.Unverified as error:
        raise LogAltered(str(error)) from error
    return read.size, read.root
