"""Commitments: which value a record is about, without the value, for as long as the person is not erased.

Each person has one key for them. Rotation leaves it as it is, so that a commitment of long ago can still be checked;
their erasure destroys it, and from then on a commitment is 32 random bytes to everybody.

    key = HKDF-SHA-256(the data key, info "commitment")
    commitment = HMAC-SHA-256(key, length of the name (2 bytes) ‖ name ‖ value in Unicode's form NFC)

>>> commitment(bytes(32), "contact", "alice@example.org").hex()[:16]
'e2e780e7b89a127a'

Source: RFC 2104 (HMAC), RFC 5869 (HKDF).
"""

import hmac
import unicodedata
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import transaction
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from identity_privacy.crypto.controller_keys import again_if_rotated
from identity_privacy.crypto.keys import create_data_key, material
from identity_privacy.crypto.models import DataKey, Tombstone
from identity_privacy.crypto.rotation.materials import wrapped_key
from identity_privacy.crypto.router import KEYS
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.crypto.transactions import hold_person

BYTES: Final = 32


@sensitive_variables("values", "own_bytes")
def commit(*, controller_id: UUID, subject_id: UUID, values: Mapping[str, str]) -> dict[str, bytes]:
    """Commitments to a person's values by name; none for a person whose keys were destroyed."""
    own_bytes = _own_bytes(subject_id) or _made(controller_id, subject_id)
    if own_bytes is None:
        return {}
    return {name: commitment(own_bytes, name, value) for name, value in values.items()}


@sensitive_variables("value", "own_bytes")
def is_committed(*, subject_id: UUID, name: str, value: str, to: bytes) -> bool | None:
    """Whether a commitment is to this value; None, once that cannot be said any more, since the key was destroyed."""
    own_bytes = _own_bytes(subject_id)
    return None if own_bytes is None else hmac.compare_digest(commitment(own_bytes, name, value), to)


@sensitive_variables("own_bytes", "value", "key", "text")
def commitment(own_bytes: bytes, name: str, value: str) -> bytes:
    """The commitment to a value under this data key."""
    key = HKDF(algorithm=SHA256(), length=BYTES, salt=None, info=b"commitment").derive(own_bytes)
    encoded = name.encode()
    # However its letters were typed; half a character as it is, since the error about it would show the text.
    text = unicodedata.normalize("NFC", value).encode(errors="surrogatepass")
    return hmac.digest(key, len(encoded).to_bytes(2) + encoded + text, "sha256")


def _own_bytes(subject_id: UUID) -> bytes | None:
    def unwrapped() -> bytes | None:
        row = _keys(subject_id).first()
        return material(wrapped_key(row), bytes(row.wrapped)) if row is not None else None

    return again_if_rotated(unwrapped)


def _made(controller_id: UUID, subject_id: UUID) -> bytes | None:
    """The person's key at its first use; nothing once they were erased."""
    with transaction.atomic(using=KEYS):
        # So the first of two finds no key, the second finds the first's; and an erasure comes before both or after.
        hold_person(subject_id, using=KEYS)
        if not (_keys(subject_id).exists() or Tombstone.objects.filter(subject_id=subject_id).exists()):
            kind = KeyKind.COMMITMENT
            create_data_key(kind=kind, controller_id=controller_id, owner_id=subject_id, subject_id=subject_id)
    return _own_bytes(subject_id)


def _keys(subject_id: UUID) -> QuerySet[DataKey]:
    return DataKey.objects.filter(owner_id=subject_id, kind=KeyKind.COMMITMENT)
