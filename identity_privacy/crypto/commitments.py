"""Commitments: which value a record is about, without the value, for as long as the person is not erased.

Each person has one key for them. Rotation leaves it as it is, so that a commitment of long ago can still be checked;
their erasure destroys it, and from then on a commitment is 32 random bytes to everybody.

    key = HKDF-SHA-256(the data key, info "commitment")
    commitment = HMAC-SHA-256(key, length of the name (2 bytes) ‖ name ‖ value)

>>> commitment(bytes(32), "contact", "alice@example.org").hex()[:16]
'e2e780e7b89a127a'

Source: RFC 2104 (HMAC), RFC 5869 (HKDF).
"""

import hmac
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.db import IntegrityError
from django.views.decorators.debug import sensitive_variables

from identity_privacy.crypto.controller_keys import again_if_rotated
from identity_privacy.crypto.errors import KeyDestroyed
from identity_privacy.crypto.keys import create_data_key, materials, wrapped_keys
from identity_privacy.crypto.models import DataKey, Tombstone
from identity_privacy.crypto.terms import KeyKind

BYTES: Final = 32


@sensitive_variables("values", "key")
def commit(*, controller_id: UUID, subject_id: UUID, values: Mapping[str, str]) -> dict[str, bytes]:
    """Commitments to a person's values by name; none for a person whose keys were destroyed."""
    key_id = _key_id(controller_id, subject_id)
    if key_id is None:
        return {}
    key = _own_bytes(key_id)
    return {name: commitment(key, name, value) for name, value in values.items()}


@sensitive_variables("value")
def is_committed(*, subject_id: UUID, name: str, value: str, to: bytes) -> bool | None:
    """Whether a commitment is to this value; None, once that cannot be said any more, since the key was destroyed."""
    found = _found(subject_id)
    if found is None:
        return None
    return hmac.compare_digest(commitment(_own_bytes(found), name, value), to)


@sensitive_variables("own_bytes", "value", "key")
def commitment(own_bytes: bytes, name: str, value: str) -> bytes:
    """The commitment to a value under this data key."""
    key = HKDF(algorithm=SHA256(), length=BYTES, salt=None, info=b"commitment").derive(own_bytes)
    encoded = name.encode()
    return hmac.digest(key, len(encoded).to_bytes(2) + encoded + value.encode(), "sha256")


def _key_id(controller_id: UUID, subject_id: UUID) -> UUID | None:
    """The person's key, made at its first use; nothing once they were erased."""
    found = _found(subject_id)
    if found is not None or Tombstone.objects.filter(subject_id=subject_id).exists():
        return found
    # An erasure that began meanwhile finds a key which is made here when it looks at what is left.
    try:
        return create_data_key(
            kind=KeyKind.COMMITMENT, controller_id=controller_id, owner_id=subject_id, subject_id=subject_id
        )
    except IntegrityError:  # another made it first
        return _found(subject_id)


def _found(subject_id: UUID) -> UUID | None:
    keys = DataKey.objects.filter(owner_id=subject_id, kind=KeyKind.COMMITMENT)
    return keys.values_list("id", flat=True).first()


def _own_bytes(key_id: UUID) -> bytes:
    def unwrapped() -> bytes:
        for key in wrapped_keys([key_id]):
            return materials(key)[0]
        raise KeyDestroyed(key_id)

    return again_if_rotated(unwrapped)
