"""Tries every key that still lives on a sealed value, as whoever holds both databases and the root key could."""

from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from identity_privacy.crypto.controller_keys import kek
from identity_privacy.crypto.errors import UnreadableSeal, WrongPlace
from identity_privacy.crypto.models import DataKey, IndexKey
from identity_privacy.crypto.seal import open_sealed, place_prefix


def opened_by_a_living_key(sealed: bytes, associated: bytes) -> int:
    """How many of all data keys, controller keys and index keys open this value."""
    opened = 0
    for key in _living():
        try:
            open_sealed(AESGCM(key), sealed, associated)
        except (WrongPlace, UnreadableSeal):
            continue
        opened += 1
    return opened


def _living() -> Iterator[bytes]:
    for row in DataKey.objects.all():
        for wrapped in filter(None, (row.wrapped, row.previous)):
            place = place_prefix("crypto.datakey") + row.owner_id.bytes + row.id.bytes
            yield open_sealed(kek(row.controller_key_id.bytes), bytes(wrapped), place)
    for index in IndexKey.objects.all():
        place = place_prefix(f"crypto.indexkey.{index.field}") + index.controller_id.bytes + index.id.bytes
        yield open_sealed(kek(index.controller_key_id.bytes), bytes(index.wrapped), place)
