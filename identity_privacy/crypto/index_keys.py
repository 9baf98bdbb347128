"""The keys of blind indexes, one per controller and field; while one is rotated there are two side by side.

    state of the successor   writers fill index, next index     look-ups ask for
    (none)                   current, nothing                   current
    filling                  current, successor                 current or successor
    taking over              successor, successor               current or successor

Each state begins once nobody can still write or look up by the one before, so that at no moment a row is missed or a
value that must be unique stands twice.
"""

import hashlib
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NoReturn
from uuid import UUID

from django.db import transaction
from uuid_utils.compat import uuid7

from identity_privacy import clock
from identity_privacy.crypto.controller_keys import again_if_rotated, controller_key, kek
from identity_privacy.crypto.errors import OpenedRowLeaves
from identity_privacy.crypto.held import Held
from identity_privacy.crypto.models import IndexKey
from identity_privacy.crypto.providers import KEY_BYTES
from identity_privacy.crypto.router import KEYS
from identity_privacy.crypto.seal import associated_data, open_sealed, seal
from identity_privacy.crypto.terms import IndexKeyState


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class IndexKeys:
    """The keys of one field's blind index, 32 bytes each."""

    current: bytes
    successor: bytes | None = None
    taking_over: bool = False

    def __reduce__(self) -> NoReturn:
        raise OpenedRowLeaves("the keys of a blind index were to be pickled")

    def lookups(self, normal: str) -> list[bytes]:
        """The hashes under which a value may stand; 32 bytes each."""
        return [_hash(key, normal) for key in (self.current, self.successor) if key is not None]

    def stored(self, normal: str) -> tuple[bytes, bytes | None]:
        """What a writer puts into the index column and the next-index column."""
        if self.successor is None:
            return _hash(self.current, normal), None
        following = _hash(self.successor, normal)
        return following if self.taking_over else _hash(self.current, normal), following


# How the names of indexes begin of which no value is kept beside the hash: no rotation could make them anew.
FIXED: Final = "fixed:"
_held: Held[tuple[UUID, str], IndexKeys] = Held()


def index_keys(controller_id: UUID, field: str) -> IndexKeys:
    """The keys as they are now, the first made at its first use; for writers, who ask once a transaction."""
    return again_if_rotated(lambda: _found_or_made(controller_id, field))


def held_index_keys(controller_id: UUID, field: str) -> IndexKeys | None:
    """The keys as they were at most `KEK_HOLD_SECONDS` ago; for look-ups, and a rotation waits that long for them.

    None, and nothing is made or remembered, where no value was ever indexed.
    """

    def fetch() -> IndexKeys:
        found = again_if_rotated(lambda: _unwrapped(IndexKey.objects.filter(controller_id=controller_id, field=field)))
        if found is None:
            raise IndexKey.DoesNotExist
        return found

    try:
        return _held.get((controller_id, field), fetch)
    except IndexKey.DoesNotExist:
        return None


def new_index_key(
    controller_id: UUID, field: str, *, version: int, state: IndexKeyState = IndexKeyState.CURRENT
) -> IndexKey:
    """An unsaved index key of fresh random bytes. Raises: RootKeyUnavailable."""
    wrapper, key_id = controller_key(controller_id), uuid7()
    wrapped = seal(kek(wrapper.id.bytes), os.urandom(KEY_BYTES), index_key_place(controller_id, field, key_id))
    return IndexKey(
        id=key_id,
        controller_id=controller_id,
        controller_key=wrapper,
        field=field,
        version=version,
        state=state,
        wrapped=wrapped,
        created_at=clock.now(),
    )


def index_key_place(controller_id: UUID, field: str, key_id: UUID) -> bytes:
    """What binds a wrapped index key to its row."""
    return associated_data(f"crypto.indexkey.{field}", controller_id, key_id)


def forget_held_index_keys() -> None:
    """Ask the database anew at the next look-up; for rotations and tests."""
    _held.forget()


def _found_or_made(controller_id: UUID, field: str) -> IndexKeys:
    keys = _unwrapped(IndexKey.objects.filter(controller_id=controller_id, field=field))
    if keys is None:
        with transaction.atomic(using=KEYS):
            # Two processes may both come first: the unique version decides, and both use the winner's.
            IndexKey.objects.bulk_create([new_index_key(controller_id, field, version=1)], ignore_conflicts=True)
        keys = _unwrapped(IndexKey.objects.filter(controller_id=controller_id, field=field))
        if keys is None:
            raise IndexKey.DoesNotExist
    return keys


def _unwrapped(rows: Iterable[IndexKey]) -> IndexKeys | None:
    by_state = {row.state: row for row in rows}
    current = by_state.pop(IndexKeyState.CURRENT, None)
    if current is None:
        return None
    successor = next(iter(by_state.values()), None)
    return IndexKeys(
        current=_opened(current),
        successor=_opened(successor) if successor else None,
        taking_over=successor is not None and successor.state == IndexKeyState.TAKING_OVER,
    )


def _opened(row: IndexKey) -> bytes:
    place = index_key_place(row.controller_id, row.field, row.id)
    return open_sealed(kek(row.controller_key_id.bytes), bytes(row.wrapped), place)


def _hash(key: bytes, normal: str) -> bytes:
    return hmac.digest(key, normal.encode(), hashlib.sha256)
