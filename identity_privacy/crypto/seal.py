"""The byte format of a sealed value.

    version byte 0x01 | nonce (12 bytes) | AES-256-GCM ciphertext and tag

The associated data binds a value to its place, so that a copy in another row, column or under another key does not
open: place name (ASCII) | 0x00 | row id (16 bytes) | data key id (16 bytes).

>>> from cryptography.hazmat.primitives.ciphers.aead import AESGCM
>>> from uuid import UUID
>>> cipher, row, key = AESGCM(bytes(32)), UUID(int=1), UUID(int=2)
>>> sealed = seal(cipher, b"Alice", associated_data("profiles.identifier.value", row, key))
>>> (sealed[0], len(sealed))
(1, 34)
>>> open_sealed(cipher, sealed, associated_data("profiles.identifier.value", row, key))
b'Alice'
"""

import os
from typing import TypeAlias
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from identity_privacy.crypto.errors import UnreadableSeal, WrongPlace

# The cipher of one key, for whoever passes it on without knowing how it works.
Cipher: TypeAlias = AESGCM

VERSION = b"\x01"
NONCE_BYTES = 12
OVERHEAD_BYTES = 1 + NONCE_BYTES + 16


def place_prefix(place: str) -> bytes:
    """The part of the associated data that all values of one place share."""
    return place.encode("ascii") + b"\x00"


def associated_data(place: str, row_id: UUID, key_id: UUID) -> bytes:
    """What binds a value to its place: place name, row and data key."""
    return b"".join((place_prefix(place), row_id.bytes, key_id.bytes))


def seal(cipher: AESGCM, plaintext: bytes, associated: bytes) -> bytes:
    """Seal a value under a fresh random nonce.

    Source: NIST SP 800-38D section 8.2.2; a key of one person seals far fewer than 2**32 values.
    """
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + nonce + cipher.encrypt(nonce, plaintext, associated)


def open_sealed(cipher: AESGCM, sealed: bytes, associated: bytes) -> bytes:
    """Open a sealed value.

    Raises: UnreadableSeal, when the bytes are too short or of an unknown version; WrongPlace, when they were changed,
    moved or sealed under another key.
    """
    if len(sealed) < OVERHEAD_BYTES or sealed[:1] != VERSION:
        raise UnreadableSeal
    try:
        return cipher.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], associated)
    except InvalidTag:
        raise WrongPlace from None
