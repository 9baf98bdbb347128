"""The witnesses whose cosignatures this service takes: `AUDIT_WITNESSES`."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final
from uuid import UUID

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from identity_privacy.audit.checkpoints import log_name
from identity_privacy.audit.continuity import text_of
from identity_privacy.audit.cosignature import LONGEST_NAME, TIME_BYTES, VerifierKey, parsed_note, verifier_key
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.models import Checkpoint, Cosignature, Entry
from identity_privacy.audit.offline import Unverified

COSIGNED: Final = "checkpoint.cosigned"
_PAGE: Final = 100


def trusted_witnesses() -> list[VerifierKey]:
    """Their keys, as the settings name them. Raises: Unverified, which a start-up check has ruled out."""
    return [_trusted(text) for text in settings.AUDIT_WITNESSES]


def verify_cosignatures(epoch: int) -> None:
    """That each stored cosignature of an epoch is one of the checkpoint beside it, by the witness that it names.

    Of a key that is trusted no more only the name and the time can be checked. Raises: LogAltered.
    """
    trusted = trusted_witnesses()
    stored, last = Cosignature.objects.filter(epoch=epoch).order_by("id"), 0
    while page := list(stored.filter(id__gt=last)[:_PAGE]):
        last = page[-1].id
        sizes = {one.size for one in page}
        notes = dict(Checkpoint.objects.filter(epoch=epoch, size__in=sizes).values_list("size", "note"))
        for one in page:
            if not _is_right(one, text_of(str(notes.get(one.size))), trusted):
                of = f"the checkpoint of {one.size} entries of epoch {epoch}"
                raise LogAltered(f"the cosignature of {one.witness} on {of} was changed")


def refuse_missing_cosignatures(epoch: int) -> None:
    """That each cosignature of an epoch which the log says was taken is stored, as it was. Raises: LogAltered."""
    told, last = Entry.objects.filter(action=COSIGNED, target_id=log_name(epoch)).order_by("id"), UUID(int=0)
    while page := list(told.filter(id__gt=last)[:_PAGE]):
        last = page[-1].id
        taken = [(entry.details.get("entries"), entry.actor_id, entry.details.get("sha256")) for entry in page]
        sizes = {size for size, *_ in taken if isinstance(size, int)}
        rows = Cosignature.objects.filter(epoch=epoch, size__in=sizes).values_list("size", "witness", "line")
        stored = {(size, witness): line_hash(line) for size, witness, line in rows}
        for size, witness, was in taken:
            if stored.get((size, witness)) != was:
                finding = "was changed" if (size, witness) in stored else "is missing"
                of = f"the checkpoint of {size} entries of epoch {epoch}"
                raise LogAltered(f"the cosignature of {witness} on {of} {finding}")


def line_hash(line: str) -> str:
    """By what the log knows a cosignature, whichever keys are trusted later: SHA-256 of its line."""
    return sha256(line.encode(errors="surrogatepass")).hexdigest()


def check_witnesses(*, app_configs: Sequence[AppConfig] | None = None, **_: object) -> list[CheckMessage]:
    """E104: a witness's key that cannot be read."""
    return [
        Error(
            f"AUDIT_WITNESSES cannot be used: key {number} of {len(settings.AUDIT_WITNESSES)}: {problem}",
            hint="Put in what `manage.py audit witness-key FILE --name NAME` printed on the witness's machine, "
            "several with commas: see docs/howto/witness.md.",
            id="identity_privacy.E104",
        )
        for number, text in enumerate(settings.AUDIT_WITNESSES, start=1)
        if (problem := _problem(text))
    ]


def _trusted(text: str) -> VerifierKey:
    key = verifier_key(text)
    if len(key.name) > LONGEST_NAME:
        raise Unverified(f"the name is longer than {LONGEST_NAME} characters")
    return key


def _problem(text: str) -> str:
    try:
        _trusted(text)
    except Unverified as error:
        return str(error)
    return ""


def _is_right(stored: Cosignature, text: str, trusted: Sequence[VerifierKey]) -> bool:
    try:
        note = parsed_note(f"{text}\n\n{stored.line}")
        for key in trusted:
            note.cosigned_by(key)  # a line that names this key must be by it
    except Unverified:
        return False
    made = [(one.name, int.from_bytes(one.signature[:TIME_BYTES])) for one in note.signatures]
    return made == [(stored.witness, stored.at.timestamp())]
