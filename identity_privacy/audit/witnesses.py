"""The witnesses whose cosignatures this service takes: `AUDIT_WITNESSES`."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from identity_privacy.audit.cosignature import LONGEST_NAME, VerifierKey, verifier_key
from identity_privacy.audit.offline import Unverified


def trusted_witnesses() -> list[VerifierKey]:
    """Their keys, as the settings name them. Raises: Unverified, which a start-up check has ruled out."""
    return [_trusted(text) for text in settings.AUDIT_WITNESSES]


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
