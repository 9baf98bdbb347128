"""The key ring: root key → controller key → data key, and what may be done with each.

A data key is committed to the keys database before the first value under it is written, and destroyed after the data
transaction has committed. Unwrapped controller keys are held for `KEK_HOLD_SECONDS`; unwrapped data keys live in a
`Reading` (to open) or a `Sealing` (to seal) and nowhere else.
"""

import os
import threading
import time
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import connections, transaction
from uuid_utils.compat import uuid7

from identity_privacy import clock
from identity_privacy.crypto.errors import KeyDestroyed, NotForgotten
from identity_privacy.crypto.models import ControllerKey, DataKey, IndexKey, Tombstone
from identity_privacy.crypto.providers import KEY_BYTES, provider
from identity_privacy.crypto.router import KEYS
from identity_privacy.crypto.seal import associated_data, open_sealed, seal
from identity_privacy.crypto.terms import KeyKind

_held: dict[UUID, tuple[float, AESGCM]] = {}
_held_lock = threading.Lock()


def controller_key(controller_id: UUID) -> ControllerKey:
    """A controller's key-encryption key, made at its first use."""
    found = ControllerKey.objects.filter(controller_id=controller_id).first()
    if found is not None:
        return found
    key_id = uuid7()
    wrapped = provider().wrap(os.urandom(KEY_BYTES), _kek_context(key_id, controller_id))
    # Two processes may both come first: the unique controller decides, and both use the winner's.
    ControllerKey.objects.bulk_create(
        [ControllerKey(id=key_id, controller_id=controller_id, wrapped=wrapped, created_at=clock.now())],
        ignore_conflicts=True,
    )
    return ControllerKey.objects.get(controller_id=controller_id)


def create_data_key(*, kind: KeyKind, controller_id: UUID, owner_id: UUID, subject_id: UUID | None = None) -> UUID:
    """Make one data key, committed at once, and return its id."""
    return create_data_keys(kind=kind, controller_id=controller_id, owners=[(owner_id, subject_id)])[0]


def create_data_keys(
    *, kind: KeyKind, controller_id: UUID, owners: Sequence[tuple[UUID, UUID | None]]
) -> Sequence[UUID]:
    """Make a data key for each owner `(owner id, subject id)`, in one statement; ids in the same order."""
    kek_row = controller_key(controller_id)
    kek, now, sealing = _kek(kek_row), clock.now(), _sealing.get()
    rows = []
    for owner_id, subject_id in owners:
        key_id, key = uuid7(), os.urandom(KEY_BYTES)
        wrapped = seal(kek, key, associated_data("crypto.datakey", owner_id, key_id))
        rows.append(
            DataKey(
                id=key_id,
                kind=kind,
                controller_key=kek_row,
                owner_id=owner_id,
                subject_id=subject_id,
                wrapped=wrapped,
                created_at=now,
            )
        )
        if sealing is not None:
            sealing.hold(key_id, AESGCM(key))
    DataKey.objects.bulk_create(rows)
    return [row.id for row in rows]


def controller_secrets_key(controller_id: UUID) -> UUID:
    """The data key of the secrets that a controller shares with its linked systems, made at its first use."""
    kind = KeyKind.CONTROLLER_SECRETS
    found = DataKey.objects.filter(owner_id=controller_id, kind=kind).order_by("id").values_list("id", flat=True)
    return found.first() or create_data_key(kind=kind, controller_id=controller_id, owner_id=controller_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destruction:
    """What was destroyed, and until when backups of the keys may still hold it."""

    keys: int
    backups_end_on: date


def destroy_subject_keys(subject_id: UUID, *, kinds: Iterable[KeyKind] = (KeyKind.PROFILE,)) -> Destruction:
    """Destroy a person's data keys, so that no value under them can ever be opened again; safe to repeat.

    The row's bytes are overwritten (SQLite: secure_delete and a truncated write-ahead log; PostgreSQL: vacuum). The
    tombstone states the day on which the last backup of the keys ends.

    Raises: NotForgotten, when the bytes could not be overwritten yet; call it again.
    Source: GDPR Art. 17(1); NIST SP 800-88 (cryptographic erase).
    """
    now = clock.now()
    backups_end_on = now.date() + timedelta(days=settings.KEYS_BACKUP_DAYS)
    with transaction.atomic(using=KEYS):
        count, _ = DataKey.objects.filter(subject_id=subject_id, kind__in=list(kinds)).delete()
        tombstone, _ = Tombstone.objects.get_or_create(
            subject_id=subject_id, defaults={"destroyed_at": now, "backups_end_on": backups_end_on}
        )
    _forget_bytes()
    return Destruction(keys=count, backups_end_on=tombstone.backups_end_on)


def living_subject_keys(subject_id: UUID, *, kinds: Iterable[KeyKind]) -> int:
    """How many data keys of a person still exist."""
    return DataKey.objects.filter(subject_id=subject_id, kind__in=list(kinds)).count()


def destroy_owner_keys(owner_ids: Iterable[UUID]) -> int:
    """Destroy the data keys of requests that have ended, by the requests' ids; says how many. Safe to repeat.

    Raises: NotForgotten, when the bytes could not be overwritten yet; call it again.
    """
    count, _ = DataKey.objects.filter(owner_id__in=list(owner_ids)).delete()
    _forget_bytes()
    return count


def unwrap(rows: Iterable[DataKey]) -> dict[UUID, AESGCM]:
    """Ciphers of data keys; for `Reading` and `Sealing`, which decide what may be done with them."""
    ciphers = {}
    for row in rows:
        associated = associated_data("crypto.datakey", row.owner_id, row.id)
        ciphers[row.id] = AESGCM(open_sealed(_kek(row.controller_key), bytes(row.wrapped), associated))
    return ciphers


def index_key(controller_id: UUID, field: str) -> bytes:
    """The key of the blind index over a controller's `field`, made at its first use; 32 bytes."""
    kek_row = controller_key(controller_id)
    kek = _kek(kek_row)
    row = IndexKey.objects.filter(controller_key=kek_row, field=field, version=1).first()
    if row is None:
        place = f"crypto.indexkey.{field}"
        key_id = uuid7()
        wrapped = seal(kek, os.urandom(KEY_BYTES), associated_data(place, controller_id, key_id))
        new = IndexKey(id=key_id, controller_key=kek_row, field=field, wrapped=wrapped, created_at=clock.now())
        IndexKey.objects.bulk_create([new], ignore_conflicts=True)
        row = IndexKey.objects.get(controller_key=kek_row, field=field, version=1)
    return open_sealed(kek, bytes(row.wrapped), associated_data(f"crypto.indexkey.{field}", controller_id, row.id))


class Sealing:
    """Holds ciphers while one operation seals many values, so that each key is unwrapped once; it opens nothing."""

    def __init__(self) -> None:
        self._ciphers: dict[UUID, AESGCM] = {}

    def __enter__(self) -> Self:
        self._token = _sealing.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _sealing.reset(self._token)
        self._ciphers.clear()

    def hold(self, key_id: UUID, cipher: AESGCM) -> None:
        """Remember a cipher until the end of the operation."""
        self._ciphers[key_id] = cipher

    def prefetch(self, key_ids: Iterable[UUID]) -> None:
        """Fetch many keys in one query."""
        missing = set(key_ids) - self._ciphers.keys()
        self._ciphers.update(unwrap(DataKey.objects.filter(id__in=missing).select_related("controller_key")))

    def cipher(self, key_id: UUID) -> AESGCM:
        """The cipher of a key. Raises: KeyDestroyed."""
        if key_id not in self._ciphers:
            self.prefetch([key_id])
        try:
            return self._ciphers[key_id]
        except KeyError:
            raise KeyDestroyed(key_id) from None


_sealing: ContextVar[Sealing | None] = ContextVar("sealing", default=None)


def seal_value(plaintext: bytes, *, place: str, row_id: UUID, key_id: UUID) -> bytes:
    """Seal one value for its place. Raises: KeyDestroyed."""
    cipher = (_sealing.get() or Sealing()).cipher(key_id)
    return seal(cipher, plaintext, associated_data(place, row_id, key_id))


def _kek_context(key_id: UUID, controller_id: UUID) -> bytes:
    return b"controller key\x00" + key_id.bytes + controller_id.bytes


def _kek(row: ControllerKey) -> AESGCM:
    with _held_lock:
        until, cipher = _held.get(row.id, (0.0, None))
        if cipher is None or until < time.monotonic():
            cipher = AESGCM(provider().unwrap(bytes(row.wrapped), _kek_context(row.id, row.controller_id)))
            _held[row.id] = (time.monotonic() + settings.KEK_HOLD_SECONDS, cipher)
    return cipher


def _forget_bytes() -> None:
    connection = connections[KEYS]
    if connection.in_atomic_block:
        return  # only in tests: both databases refuse this inside a transaction
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            is_busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if is_busy:
                raise NotForgotten("somebody reads the keys database at this moment; what called this tries again")
        else:
            cursor.execute("VACUUM crypto_datakey")
