"""A controller's key-encryption key: made at its first use, wrapped by the root key, held unwrapped for a while."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import IntegrityError, OperationalError, ProgrammingError, transaction
from uuid_utils.compat import uuid7

from identity_privacy import clock
from identity_privacy.crypto.errors import RootKeyUnavailable, WrongPlace
from identity_privacy.crypto.held import Held
from identity_privacy.crypto.models import ControllerKey, SigningKey
from identity_privacy.crypto.providers import KEY_BYTES, RootKeyProvider, provider, write_root_key
from identity_privacy.crypto.router import KEYS
from identity_privacy.crypto.transactions import ensure_begun

T = TypeVar("T")

_held: Held[bytes, AESGCM] = Held()


def controller_key(controller_id: UUID) -> ControllerKey:
    """The controller's current key, made at its first use. Raises: RootKeyUnavailable."""
    current = ControllerKey.objects.filter(controller_id=controller_id, retired_at=None)
    found = current.first()
    if found is not None:
        return found
    # Wrapped inside the transaction: a rotation of the root key waits for it before it looks for what is left.
    with transaction.atomic(using=KEYS):
        ensure_begun(KEYS)
        # Two processes may both come first: the unique controller decides, and both use the winner's.
        ControllerKey.objects.bulk_create([new_controller_key(controller_id)], ignore_conflicts=True)
    return current.get()


def make_root_key(path: Path) -> bool:
    """Make the root key's file on a new installation; says whether it made it, or there was one.

    Raises: RootKeyUnavailable, where keys hang on a root key that is not there: another one would open none of them.
    """
    if not path.exists():
        with contextlib.suppress(OperationalError, ProgrammingError):  # no tables yet: a new installation
            if ControllerKey.objects.exists() or SigningKey.objects.exists():
                raise RootKeyUnavailable(f"no root key at {path}, and keys hang on it: restore it from its copy")
    return write_root_key(path)


def new_controller_key(controller_id: UUID) -> ControllerKey:
    """An unsaved controller key of fresh random bytes.

    Raises: RootKeyUnavailable, also where the root key is not the one that the other controllers' keys hang on.
    """
    other, key_id = ControllerKey.objects.order_by("-id").first(), uuid7()
    if other is not None:
        try:
            unwrap_controller_key(other, provider())
        except WrongPlace:
            raise RootKeyUnavailable("this root key opens none of the keys here: restore the one before it") from None
    wrapped = provider().wrap(os.urandom(KEY_BYTES), _context(key_id, controller_id))
    return ControllerKey(id=key_id, controller_id=controller_id, wrapped=wrapped, created_at=clock.now())


def unwrap_controller_key(row: ControllerKey, root: RootKeyProvider) -> bytes:
    """A controller key's bytes, for a rotation of the root key. Raises: RootKeyUnavailable; WrongPlace."""
    return root.unwrap(bytes(row.wrapped), _context(row.id, row.controller_id))


def wrap_controller_key(row: ControllerKey, key: bytes, root: RootKeyProvider) -> bytes:
    """A controller key wrapped anew, for a rotation of the root key. Raises: RootKeyUnavailable."""
    return root.wrap(key, _context(row.id, row.controller_id))


def kek(key_id: bytes) -> AESGCM:
    """The cipher of a controller key by the 16 bytes of its id, held for `KEK_HOLD_SECONDS`.

    Raises: RootKeyUnavailable, when it is not held and the root key cannot be had; WrongPlace;
    ControllerKey.DoesNotExist, where it was rotated and what hung on it must be fetched anew.
    """
    return _held.get(key_id, lambda: AESGCM(_unwrapped(UUID(bytes=key_id))))


def again_if_rotated(fetch: Callable[[], T]) -> T:
    """What `fetch` returns; done again where a controller's key was rotated while keys under it were found or made."""
    for _ in range(5):
        with contextlib.suppress(IntegrityError, ControllerKey.DoesNotExist):
            return fetch()
    return fetch()


def forget_held_keys() -> None:
    """Ask the root key's provider anew at the next use; for rotations and tests."""
    _held.forget()


def _unwrapped(key_id: UUID) -> bytes:
    try:
        return unwrap_controller_key(ControllerKey.objects.get(id=key_id), provider())
    except WrongPlace:  # the root key was rotated between the two: look again
        return unwrap_controller_key(ControllerKey.objects.get(id=key_id), provider())


def _context(key_id: UUID, controller_id: UUID) -> bytes:
    return b"controller key\x00" + key_id.bytes + controller_id.bytes
