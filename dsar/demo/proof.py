"""Proof that an erased person's values no longer open: every living key is tried on every value there is of them."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.apps import apps

from identity_privacy.crypto.errors import WrongPlace
from identity_privacy.crypto.fields import EncryptedField
from identity_privacy.crypto.keys import WrappedKey, unwrap, wrapped_keys
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.seal import Cipher, associated_data, open_sealed
from identity_privacy.crypto.terms import KeyKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One sealed value as it stands in a database file."""

    place: str
    row_id: UUID
    key_id: UUID
    sealed: bytes


def copy_database(source: Path, target: Path) -> None:
    """A consistent copy of a live SQLite database."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)


def values_of(database: Path) -> list[Value]:
    """Every sealed value of a database file, whatever its table."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return list(_values(connection))


def living_keys() -> dict[UUID, Cipher]:
    """Every data key of the live keys database, unwrapped."""
    every = DataKey.objects.values_list("id", flat=True)
    return {UUID(bytes=key.key_id): unwrap(key) for key in wrapped_keys(every)}


def keys_of(subject_id: UUID) -> list[UUID]:
    """The ids of a person's own data keys."""
    found = DataKey.objects.filter(subject_id=subject_id, kind=KeyKind.PROFILE)
    return list(found.values_list("id", flat=True))


def keys_in_copy(database: Path, key_ids: Sequence[UUID]) -> dict[UUID, Cipher]:
    """These data keys from a copy of the keys database, unwrapped."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT id, controller_key_id, owner_id, wrapped FROM crypto_datakey").fetchall()
    wanted = {key_id.hex for key_id in key_ids}
    return {
        UUID(key): unwrap(WrappedKey(UUID(key).bytes, UUID(owner).bytes, UUID(kek).bytes, wrapped, None))
        for key, kek, owner, wrapped in rows
        if key in wanted
    }


def that_open_with_none(values: Sequence[Value], keys: Mapping[UUID, Cipher]) -> list[Value]:
    """The values that none of these keys opens: on each the key that it names is tried first, then every other.

    A key is tried at the value's own place, and at the place that the value would have under that key.
    """
    return [value for value in values if not any(_opens(value, key_id, keys[key_id]) for key_id in _order(value, keys))]


def _order(value: Value, keys: Mapping[UUID, Cipher]) -> Iterator[UUID]:
    if value.key_id in keys:
        yield value.key_id
    yield from (key_id for key_id in keys if key_id != value.key_id)


def _opens(value: Value, key_id: UUID, cipher: Cipher) -> bool:
    for bound_to in {value.key_id, key_id}:
        try:
            open_sealed(cipher, value.sealed, associated_data(value.place, value.row_id, bound_to))
        except WrongPlace:
            continue
        return True
    return False


def _values(connection: sqlite3.Connection) -> Iterator[Value]:
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, EncryptedField):
                # Names of our own tables and columns, never input.
                statement = f"SELECT id, data_key_id, {field.column} FROM {model._meta.db_table}"  # noqa: S608
                for row_id, key_id, sealed in connection.execute(f"{statement} WHERE {field.column} IS NOT NULL"):
                    yield Value(place=field.place, row_id=UUID(row_id), key_id=UUID(key_id), sealed=sealed)
