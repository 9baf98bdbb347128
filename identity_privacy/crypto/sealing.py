"""Sealing the values of rows while Django writes them."""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import models

from identity_privacy.crypto.blind_index import normalise
from identity_privacy.crypto.fields import (
    BlindIndexField,
    EncryptedField,
    NextBlindIndexField,
    Sealed,
    encrypted_fields,
)
from identity_privacy.crypto.fields.base import ABSENT, closed_value, load_closed
from identity_privacy.crypto.keys import sealing_ring
from identity_privacy.crypto.seal import NONCE_BYTES, VERSION
from identity_privacy.errors import Invalid


@contextmanager
def sealed_in_place(rows: Sequence[models.Model], names: Collection[str], *, using: str) -> Iterator[None]:
    """Hold the rows' values sealed, and their blind indexes computed, while Django writes the fields `names`.

    A value that was never opened is written as it is, once it is seen to belong to its row. Inside a transaction.

    Raises: KeyDestroyed; Invalid, naming the field; WrongPlace, for a closed value of another row.
    """
    if not rows:
        yield
        return
    fields = [field for field in encrypted_fields(type(rows[0])) if field.attname in names]
    before: list[tuple[dict[str, object], str, object]] = []
    try:
        for row, sealed in zip(rows, sealed_values(rows, fields, names, using=using), strict=True):
            values = row.__dict__
            for field, value in zip(fields, sealed, strict=True):
                before.append((values, field.attname, values.get(field.attname, ABSENT)))
                values[field.attname] = value if value is None else Sealed(value)
        yield
    finally:
        for values, name, given in before:
            if given is ABSENT:
                values.pop(name, None)
            else:
                values[name] = given


def sealed_values(
    rows: Sequence[models.Model], fields: Sequence[EncryptedField], names: Collection[str], *, using: str
) -> Iterator[list[bytes | None]]:
    """The values of `fields` as they are stored, a list a row, blind indexes computed beside; see `sealed_in_place`."""
    fill_blind_indexes(rows, names, using=using)
    return seal_columns([(_uuid(row.pk), _key_id(row), _given(row, fields)) for row in rows], fields, using=using)


def seal_columns(
    rows: Sequence[tuple[UUID, UUID, Sequence[Any]]], fields: Sequence[EncryptedField], *, using: str
) -> Iterator[list[bytes | None]]:
    """Seal the values of many rows, given as `(row id, data key id, values of the fields)`, inside a transaction.

    Raises: KeyDestroyed; Invalid, naming the field; WrongPlace, for a closed value of another row.
    """
    ring = sealing_ring(using)
    ring.prefetch(key_id for _, key_id, _ in rows)
    nonces, at = os.urandom(NONCE_BYTES * len(rows) * len(fields)), 0  # one call for all of them
    plan = [(field.place_prefix, field.to_bytes) for field in fields]
    for row_id, key_id, values in rows:
        cipher, suffix = ring.cipher(key_id), (row_id.int << 128 | key_id.int).to_bytes(32)
        encrypt = cipher.encrypt
        sealed: list[bytes | None] = []
        for (prefix, to_bytes), value in zip(plan, values):  # noqa: B905  # a value a field, and it costs
            if value is None:
                sealed.append(None)
            elif value.__class__ is Sealed:  # as it was stored somewhere: it must belong here
                sealed.append(ring.belonging(value.sealed, prefix + suffix, key_id))
            else:
                nonce = nonces[at : at + NONCE_BYTES]
                at += NONCE_BYTES
                sealed.append(VERSION + nonce + encrypt(nonce, to_bytes(value), prefix + suffix))
        yield sealed


def fill_blind_indexes(rows: Sequence[models.Model], names: Collection[str], *, using: str) -> None:
    """Compute the blind indexes of the values that are about to be written.

    Raises: Invalid, also where a closed value would keep the index of another controller or kind.
    """
    for index, following in blind_indexes_of(type(rows[0])):
        closed: list[models.Model] = []
        for row in rows:
            values = row.__dict__
            value = values.get(index.of, ABSENT)
            if value is ABSENT or isinstance(value, Sealed):
                closed.append(row)
                continue
            if index.of not in names:
                continue
            stored = stored_hashes(getattr(row, index.controller_field), index.kind_of(row), value, using=using)
            values[index.attname] = stored[0]
            if following is not None:
                values[following.attname] = stored[1]
        if basis := computed_with(index) & set(names):
            _refuse_stale(index, basis, closed, using=using)


def computed_with(index: BlindIndexField) -> set[str]:
    """The fields beside the value itself that an index is computed with."""
    named = {index.kind_field, index.controller_field}
    return {field.attname for field in index.model._meta.concrete_fields if {field.name, field.attname} & named}


def _refuse_stale(index: BlindIndexField, basis: set[str], rows: Sequence[models.Model], *, using: str) -> None:
    """Refuse rows whose index would no longer be that of their closed value. Raises: Invalid."""
    names = sorted(basis)
    changed = {row.pk: row for row in rows if not row._state.adding and _differs(row, index.of, names)}
    if not changed:
        return
    # As it was loaded is not always as it is: the row may have been saved since.
    stored: models.QuerySet[models.Model] = models.QuerySet(index.model, using=using).filter(pk__in=changed)
    for pk, *now in stored.values_list("pk", *names):
        if now != [_as_loaded(changed[pk], name) for name in names]:
            raise Invalid(
                f"{pk} gets another {' or '.join(names)}, with which the blind index of {index.of} is computed: "
                f"open {index.of} first, inside a Reading, or set it again",
                field=index.of,
            )


def _differs(row: models.Model, of: str, names: Sequence[str]) -> bool:
    if closed_value(row, of) is None:
        return False
    values = row.__dict__
    at = dict(values["_shape"].plain) if "_shape" in values else {}
    return any(
        name not in at or values["_closed"][at[name]] != _as_loaded(row, name) for name in names if name in values
    )


def _as_loaded(row: models.Model, name: str) -> object:
    return row._meta.get_field(name).to_python(getattr(row, name))  # type: ignore[union-attr]  # a column


def stored_hashes(
    controller_id: UUID, kind: str, value: str | None, *, using: str
) -> tuple[bytes | None, bytes | None]:
    """What stands in a blind index and in the one for its key's next version. Raises: Invalid."""
    if value is None:
        return None, None
    return sealing_ring(using).index_keys(controller_id, kind).stored(normalise(kind, value))


def blind_indexes_of(model: type[models.Model]) -> list[tuple[BlindIndexField, NextBlindIndexField | None]]:
    """A model's blind indexes, each with the column for its key's next version."""
    fields = model._meta.concrete_fields
    following = {field.of: field for field in fields if isinstance(field, NextBlindIndexField)}
    return [(field, following.get(field.name)) for field in fields if isinstance(field, BlindIndexField)]


def written_with(model: type[models.Model], names: Collection[str], rows: Sequence[models.Model]) -> set[str]:
    """`names` and what must change with them.

    Blind indexes change with their values, and with what else they are computed with, so that a look-up never finds the
    value from before; all values go with a row that moves to another key.
    """
    if "data_key_id" in names or any("_is_moved" in row.__dict__ for row in rows):
        names = {*names, "data_key_id", *(field.attname for field in encrypted_fields(model))}
    indexes = blind_indexes_of(model)
    names = {
        *names,
        *(
            index.of
            for index, _ in indexes
            if not computed_with(index).isdisjoint(names) and any(index.of in row.__dict__ for row in rows)
        ),
    }
    more = {
        field.attname
        for index, following in indexes
        if index.of in names
        for field in (index, following)
        if field is not None
    }
    return {*names, *more}


def _given(row: models.Model, fields: Sequence[EncryptedField]) -> list[Any]:
    """The values of a row; those that are closed in it as `Sealed`, fetched where it was loaded without them."""
    values, given = row.__dict__, []
    for field in fields:
        value = values.get(field.attname, ABSENT)
        if value is ABSENT:
            closed = closed_value(row, field.attname)
            if closed is ABSENT and not row._state.adding:
                load_closed(row, [field])
                closed = closed_value(row, field.attname)
            value = None if closed is ABSENT or closed is None else Sealed(closed)
        given.append(value)
    return given


def _key_id(row: models.Model) -> UUID:
    key_id = row.data_key_id  # type: ignore[attr-defined]  # every model with such a field has it
    if key_id is None:
        raise Invalid("name the data key that the row's values are sealed under", field="data_key_id")
    return _uuid(key_id)


def _uuid(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))
