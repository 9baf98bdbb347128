"""The key ring: root key → controller key → data key, and what may be done with each.

A data key is committed to the keys database before the first value under it is written, and destroyed after the data
transaction has committed (`destruction`). Unwrapped controller keys are held for `KEK_HOLD_SECONDS`; unwrapped data
keys live in a `Reading` (to open) or in the ring of one transaction (to seal) and nowhere else.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID
from weakref import ReferenceType, WeakKeyDictionary, ref

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.views.decorators.debug import sensitive_variables
from uuid_utils.compat import uuid7

from identity_privacy import clock
from identity_privacy.crypto.controller_keys import again_if_rotated, controller_key, kek
from identity_privacy.crypto.errors import KeyDestroyed, SealedOutsideTransaction, WrongPlace
from identity_privacy.crypto.index_keys import IndexKeys, index_keys
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.postgres import UuidArray, binary_cursor, copy_in
from identity_privacy.crypto.providers import KEY_BYTES
from identity_privacy.crypto.router import KEYS
from identity_privacy.crypto.seal import VERSION, associated_data, open_sealed, place_prefix, seal
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.crypto.transactions import ensure_begun

_PREFIX = place_prefix("crypto.datakey")
# What a key is bound to, what it is wrapped by, and itself.
_SELECT = "SELECT uuid_send(owner_id) || uuid_send(id), uuid_send(controller_key_id), wrapped FROM crypto_datakey"


def create_data_key(*, kind: KeyKind, controller_id: UUID, owner_id: UUID, subject_id: UUID | None = None) -> UUID:
    """Make one data key, committed at once, and return its id."""
    return create_data_keys(kind=kind, controller_id=controller_id, owners=[(owner_id, subject_id)])[0]


@sensitive_variables("keys", "key")
def create_data_keys(
    *,
    kind: KeyKind,
    controller_id: UUID,
    owners: Sequence[tuple[UUID, UUID | None]],
    using: str = DEFAULT_DB_ALIAS,
) -> Sequence[UUID]:
    """Make a data key for each owner `(owner id, subject id)`, in one statement; ids in the same order.

    Made inside the data's transaction, they need not be fetched again to seal with.
    """
    # The data's transaction begins before the key is there: a rotation that sees the key waits for it.
    ring = sealing_ring(using) if connections[using].in_atomic_block else None
    keys = [os.urandom(KEY_BYTES) for _ in owners]

    def insert() -> Sequence[UUID]:
        with transaction.atomic(using=KEYS):
            return _insert(kind, controller_id, owners, keys)

    ids = again_if_rotated(insert)
    if ring is not None:
        for key_id, key in zip(ids, keys, strict=True):
            ring.hold(key_id, AESGCM(key))
    return ids


def controller_secrets_key(controller_id: UUID) -> UUID:
    """The data key of the secrets that a controller shares with its linked systems, made at its first use."""
    kind = KeyKind.CONTROLLER_SECRETS
    found = DataKey.objects.filter(owner_id=controller_id, kind=kind).order_by("id").values_list("id", flat=True)
    return found.first() or create_data_key(kind=kind, controller_id=controller_id, owner_id=controller_id)


def staff_key(controller_id: UUID, user_id: UUID) -> UUID:
    """The data key of what a member of staff signs in with, made at its first use, under a controller's key."""
    found = DataKey.objects.filter(owner_id=user_id, kind=KeyKind.STAFF).values_list("id", flat=True).first()
    return found or create_data_key(kind=KeyKind.STAFF, controller_id=controller_id, owner_id=user_id)


class WrappedKey(NamedTuple):
    """A data key as it is stored, ids as their 16 bytes."""

    key_id: bytes
    owner_id: bytes
    controller_key_id: bytes
    wrapped: bytes
    previous: bytes | None


def wrapped_keys(
    key_ids: Iterable[UUID],
    *,
    subject_id: UUID | None = None,
    controller_id: UUID | None = None,
    to_seal: bool = False,
) -> Iterator[WrappedKey]:
    """Fetch data keys in one query: of these ids those that exist, of this person and controller where one is given.

    `to_seal` leaves out the retired ones.
    """
    rows = DataKey.objects.filter(id__in=list(key_ids))
    if subject_id is not None:
        rows = rows.filter(subject_id=subject_id)
    if controller_id is not None:
        rows = rows.filter(controller_key__controller_id=controller_id)
    if to_seal:
        rows = rows.filter(retired_at=None)
    for key_id, owner_id, controller_key_id, wrapped, previous in rows.values_list(
        "id", "owner_id", "controller_key_id", "wrapped", "previous"
    ):
        yield WrappedKey(
            key_id.bytes,
            owner_id.bytes,
            controller_key_id.bytes,
            bytes(wrapped),
            None if previous is None else bytes(previous),
        )


def ciphers_of(
    key_ids: Collection[int],
    *,
    subject_id: UUID | None = None,
    controller_id: UUID | None = None,
    to_seal: bool = False,
) -> dict[int, AESGCM]:
    """The ciphers of data keys by the integers of their ids, as `wrapped_keys` finds them; for many at once.

    Integers, since hashing and comparing a UUID costs more than opening a value.
    """
    at_once = connections[KEYS].vendor == "postgresql"
    fetch = _ciphers_at_once if at_once else _ciphers_one_by_one
    return again_if_rotated(lambda: fetch(key_ids, subject_id, controller_id, to_seal=to_seal))


def unwrap(key: WrappedKey) -> AESGCM:
    """The cipher of a data key; for `Reading` and the sealing ring, which decide what may be done with it."""
    return AESGCM(material(key, key.wrapped))


def unwrap_all(key: WrappedKey) -> list[AESGCM]:
    """The cipher of a data key and, while a rotation is not finished, the one from before it. Raises: KeyDestroyed."""
    known: WrappedKey | None = key

    def unwrapped() -> list[AESGCM]:
        nonlocal known
        latest, known = known or next(wrapped_keys([UUID(bytes=key.key_id)]), None), None
        if latest is None:
            raise KeyDestroyed(UUID(bytes=key.key_id))
        return [AESGCM(own_bytes) for own_bytes in materials(latest)]

    return again_if_rotated(unwrapped)


def materials(key: WrappedKey) -> list[bytes]:
    """A data key's own bytes, the new ones first while it is rotated; for rotations and files.

    Raises: WrongPlace; RootKeyUnavailable; ControllerKey.DoesNotExist, where the key must be fetched anew.
    """
    return [material(key, wrapped) for wrapped in (key.wrapped, key.previous) if wrapped is not None]


def material(key: WrappedKey, wrapped: bytes) -> bytes:
    """One version of a data key's own bytes. Raises: WrongPlace; RootKeyUnavailable; ControllerKey.DoesNotExist."""
    return open_sealed(kek(key.controller_key_id), wrapped, _PREFIX + key.owner_id + key.key_id)


def wrap(key: WrappedKey, own_bytes: bytes, *, controller_key_id: bytes) -> bytes:
    """A data key wrapped by this controller key, for rotations."""
    return seal(kek(controller_key_id), own_bytes, _PREFIX + key.owner_id + key.key_id)


class SealingRing:
    """The keys that one transaction of the data seals with, each unwrapped once; it opens nothing for its callers."""

    def __init__(self) -> None:
        self._ciphers: dict[int, AESGCM] = {}
        self._index_keys: dict[tuple[UUID, str], IndexKeys] = {}

    def hold(self, key_id: UUID, cipher: AESGCM) -> None:
        """Remember a cipher until the end of the transaction."""
        self._ciphers[key_id.int] = cipher

    def prefetch(self, key_ids: Iterable[UUID]) -> None:
        """Fetch many keys in one query."""
        missing = {key_id.int for key_id in key_ids} - self._ciphers.keys()
        if missing:
            self._ciphers.update(ciphers_of(missing, to_seal=True))

    def cipher(self, key_id: UUID) -> AESGCM:
        """The cipher of a key. Raises: KeyDestroyed."""
        if key_id.int not in self._ciphers:
            self.prefetch([key_id])
        try:
            return self._ciphers[key_id.int]
        except KeyError:
            raise KeyDestroyed(key_id) from None

    def belonging(self, sealed: bytes, associated: bytes, key_id: UUID) -> bytes:
        """A value that was sealed before, once it is seen to belong there; sealed anew if its key is being rotated.

        Raises: WrongPlace; KeyDestroyed.
        """
        cipher = self.cipher(key_id)
        try:
            open_sealed(cipher, sealed, associated)
        except WrongPlace:
            previous = [old for key in wrapped_keys([key_id], to_seal=True) for old in unwrap_all(key)[1:]]
            if not previous:
                raise
            return seal(cipher, open_sealed(previous[0], sealed, associated), associated)
        return sealed

    def index_keys(self, controller_id: UUID, field: str) -> IndexKeys:
        """The keys of a blind index as they are in this transaction."""
        place = (controller_id, field)
        if place not in self._index_keys:
            self._index_keys[place] = index_keys(controller_id, field)
        return self._index_keys[place]

    def forget(self) -> None:
        """Drop every key."""
        self._ciphers.clear()
        self._index_keys.clear()


_rings: WeakKeyDictionary[BaseDatabaseWrapper, ReferenceType[SealingRing]] = WeakKeyDictionary()


def sealing_ring(using: str = DEFAULT_DB_ALIAS) -> SealingRing:
    """The keys of the caller's transaction of the data; they are forgotten when it commits or rolls back.

    Raises: SealedOutsideTransaction.
    """
    ensure_begun(using)
    connection = connections[using]
    if not connection.commit_on_exit:  # committed by hand, which tells nobody
        raise SealedOutsideTransaction("seal values with autocommit on, inside `with transaction.atomic():`")
    known = _rings.get(connection)
    ring = known() if known else None
    # It is of this transaction if it is still to be called at its commit: what was rolled back is no more in that list,
    # though the traceback of an error may hold it yet.
    if ring is None or not any(entry[1] == ring.forget for entry in connection.run_on_commit):
        ring = SealingRing()
        # The only lasting reference: committing calls and drops it, rolling back drops it.
        transaction.on_commit(ring.forget, using=using)
        _rings[connection] = ref(ring)
    return ring


def seal_value(plaintext: bytes, *, place: str, row_id: UUID, key_id: UUID, using: str = DEFAULT_DB_ALIAS) -> bytes:
    """Seal one value for its place, inside a transaction. Raises: KeyDestroyed; SealedOutsideTransaction."""
    return seal(sealing_ring(using).cipher(key_id), plaintext, associated_data(place, row_id, key_id))


def _ciphers_one_by_one(
    key_ids: Collection[int], subject_id: UUID | None, controller_id: UUID | None, *, to_seal: bool
) -> dict[int, AESGCM]:
    ids = [UUID(int=key_id) for key_id in key_ids]
    keys = wrapped_keys(ids, subject_id=subject_id, controller_id=controller_id, to_seal=to_seal)
    return {int.from_bytes(key.key_id): unwrap(key) for key in keys}


def _ciphers_at_once(
    key_ids: Collection[int], subject_id: UUID | None, controller_id: UUID | None, *, to_seal: bool
) -> dict[int, AESGCM]:
    """`ciphers_of` on PostgreSQL in a third of the time: ids as one value and unhashed, no row made of a key."""
    conditions = "id = ANY(%s)"
    arguments: list[Any] = [UuidArray(key_ids)]
    if subject_id is not None:
        conditions += " AND subject_id = %s"
        arguments.append(subject_id)
    if controller_id is not None:
        conditions += " AND controller_key_id IN (SELECT id FROM crypto_controllerkey WHERE controller_id = %s)"
        arguments.append(controller_id)
    if to_seal:
        conditions += " AND retired_at IS NULL"
    with binary_cursor(connections[KEYS]) as cursor:
        cursor.execute(f"{_SELECT} WHERE {conditions}", arguments)
        rows = cursor.fetchall()
    found: dict[int, AESGCM] = {}
    keks: dict[bytes, AESGCM] = {}
    for bound_to, kek_id, wrapped in rows:
        cipher = keks.get(kek_id)
        if cipher is None:
            cipher = keks[kek_id] = kek(kek_id)
        try:
            # In no variable of their own, which the report of an error would show.
            found[int.from_bytes(bound_to[16:])] = AESGCM(
                cipher.decrypt(wrapped[1:13], wrapped[13:], _PREFIX + bound_to)
            )
        except InvalidTag:
            raise WrongPlace from None
    return found


@sensitive_variables("keys", "key")
def _insert(
    kind: KeyKind, controller_id: UUID, owners: Sequence[tuple[UUID, UUID | None]], keys: Sequence[bytes]
) -> Sequence[UUID]:
    wrapper, now = controller_key(controller_id), clock.now()
    cipher, ids = kek(wrapper.id.bytes), [uuid7() for _ in owners]
    nonces = os.urandom(12 * len(keys))  # one call for all of them
    rows = []
    for at, ((owner_id, subject_id), key_id, key) in enumerate(zip(owners, ids, keys, strict=True)):
        nonce = nonces[12 * at : 12 * at + 12]
        wrapped = VERSION + nonce + cipher.encrypt(nonce, key, _PREFIX + owner_id.bytes + key_id.bytes)
        rows.append((key_id, kind.value, wrapper.id, owner_id, subject_id, wrapped, now))
    connection = connections[KEYS]
    columns = ("id", "kind", "controller_key_id", "owner_id", "subject_id", "wrapped", "created_at")
    if connection.vendor == "postgresql" and len(rows) > 1:
        by_name = {field.attname: field for field in DataKey._meta.concrete_fields}
        copy_in(connection, DataKey, [by_name[name] for name in columns], rows)
    else:
        DataKey.objects.bulk_create([DataKey(**dict(zip(columns, row, strict=True))) for row in rows])
    return ids
