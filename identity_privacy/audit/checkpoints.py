"""The signed checkpoints that are stored, and the names that the log's epochs are signed under."""

import base64
import contextlib
import re
from collections.abc import Iterable, Sequence
from typing import Final

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from identity_privacy.audit import offline
from identity_privacy.audit.errors import LogAltered, LogRenamed
from identity_privacy.audit.models import Checkpoint, Cosignature
from identity_privacy.crypto.signing import PublicKey, public_keys
from identity_privacy.crypto.terms import SigningUse

# Of a name, so that our tables take it with the largest epoch behind it.
LONGEST: Final = 48


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


def check_log_name(*, app_configs: Sequence[AppConfig] | None = None, **_: object) -> list[CheckMessage]:
    """E103: a name that no checkpoint can be signed under, or in production everybody's."""
    name = settings.AUDIT_LOG_ORIGIN
    is_name = re.fullmatch(rf"[!-*,-~]{{1,{LONGEST}}}", name) and not re.search(r"/epoch-[0-9]+\Z", name)
    if is_name and not (settings.PRODUCTION and name == settings.DEVELOPMENT_LOG_ORIGIN):
        return []
    return [
        Error(
            f"AUDIT_LOG_ORIGIN cannot be used: {name!r}",
            hint=f"Set it to a name of your own, such as privacy.example.com/log, and never change it: 1 to {LONGEST} "
            "characters of ASCII, without spaces and +, and not the name of an epoch. Auditors and witnesses know the "
            "log by it.",
            id="identity_privacy.E103",
        )
    ]


def latest_checkpoint(epoch: int | None = None) -> Checkpoint | None:
    """The newest signed statement of the log, or of one epoch of it, if there is one."""
    known = Checkpoint.objects.all() if epoch is None else Checkpoint.objects.filter(epoch=epoch)
    return known.order_by("-epoch", "-size").first()


def refuse_unless_named() -> None:
    """That the log goes by the name that its newest checkpoint was signed under. Raises: LogRenamed.

    What goes on under another name nobody takes for this log, and it could never be verified again.
    """
    newest = latest_checkpoint()
    signed_as = newest.note.partition("\n")[0] if newest else ""
    if newest is None or epoch_named(signed_as) is not None:
        return
    with contextlib.suppress(LogAltered):  # one that we have not signed under that name: verifying names it
        _stated(newest, public_keys(), signed_as)
        raise LogRenamed(f"the log was signed as {signed_as}, and AUDIT_LOG_ORIGIN is {settings.AUDIT_LOG_ORIGIN}")


def latest_cosigned_checkpoint() -> Checkpoint | None:
    """The newest checkpoint that a witness has cosigned, if there is one."""
    place = Cosignature.objects.order_by("-epoch", "-size").values_list("epoch", "size").first()
    return Checkpoint.objects.get(pk=place) if place else None


def cosigned_note(checkpoint: Checkpoint) -> str:
    """A checkpoint's note with the signatures of the witnesses that cosigned it."""
    standing = Cosignature.objects.filter(epoch=checkpoint.epoch, size=checkpoint.size)
    return checkpoint.note + "".join(standing.order_by("witness").values_list("line", flat=True))


def signed_by(checkpoint: Checkpoint) -> PublicKey:
    """The key of this log that signed a checkpoint, be it the current one or not. Raises: LogAltered."""
    for key in reversed(public_keys()):  # the newer one of two, as whoever comes later has that
        if key.use is SigningUse.CHECKPOINT:
            with contextlib.suppress(LogAltered):
                stated(checkpoint, [key])
                return key
    raise LogAltered("the checkpoint is not signed by a key of this log")


def stated(checkpoint: Checkpoint, by: Iterable[PublicKey]) -> tuple[int, bytes]:
    """Size and root in a checkpoint's note, once its signature by one of these keys is verified. Raises: LogAltered."""
    return _stated(checkpoint, by, log_name(checkpoint.epoch))


def _stated(checkpoint: Checkpoint, by: Iterable[PublicKey], origin: str) -> tuple[int, bytes]:
    keys = [base64.b64encode(key.public_key).decode() for key in by if key.use is SigningUse.CHECKPOINT]
    try:
        read = offline.read_checkpoint(checkpoint.note, offline.Pinned(keys), origin=origin)
    except offline.Unverified as error:
        raise LogAltered(str(error)) from error
    return read.size, read.root
