"""Model fields whose values are sealed at rest, and the blind index that finds them by equality.

A model with such a field has a UUID primary key made in Python and a `data_key_id`. A value is sealed when the row is
saved and opened when the attribute is read inside a `Reading`:

    class Identifier(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid7)
        data_key_id = models.UUIDField()
        value = EncryptedTextField(place="profiles.identifier.value")
"""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import FieldError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Expression
from django.db.models.query_utils import DeferredAttribute

from identity_privacy.crypto.keys import seal_value
from identity_privacy.crypto.reading import active_reading


class Sealed:
    """Bytes of a value that has not been opened; shows nothing of them."""

    __slots__ = ("sealed",)

    def __init__(self, sealed: bytes) -> None:
        self.sealed = sealed

    def __repr__(self) -> str:
        return "<sealed>"


class _SealedAttribute(DeferredAttribute):
    """Opens the value on its first read inside a Reading, and keeps it closed in the row until then."""

    field: "EncryptedField"

    def __get__(self, instance: models.Model | None, owner: type[models.Model] | None = None) -> Any:
        value = super().__get__(instance, owner)
        return self.field.opened(instance, value) if instance is not None and isinstance(value, Sealed) else value

    def __set__(self, instance: models.Model, value: object) -> None:
        instance.__dict__[self.field.attname] = value


class EncryptedField(models.Field[Any, Any]):
    """Base of the encrypted fields: everything but how a value becomes bytes.

    `place` names the column for ever: it is part of what the value is bound to.
    """

    descriptor_class = _SealedAttribute
    empty_strings_allowed = False

    def __init__(self, *args: Any, place: str, **kwargs: Any) -> None:
        kwargs["editable"] = False  # never on a form
        super().__init__(*args, **kwargs)
        self.place = place

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """Keep the place in migrations."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "place": self.place}

    def get_internal_type(self) -> str:
        """Stored as bytes."""
        return "BinaryField"

    def to_bytes(self, value: Any) -> bytes:
        """A value's bytes before sealing."""
        raise NotImplementedError

    def from_bytes(self, plaintext: bytes) -> Any:
        """The value from opened bytes."""
        raise NotImplementedError

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Seal the value for its row; a value that was never opened is written back as it was."""
        value = model_instance.__dict__.get(self.attname)
        if value is None or isinstance(value, Sealed):
            return value
        row_id, key_id = _place_of(model_instance)
        return Sealed(seal_value(self.to_bytes(value), place=self.place, row_id=row_id, key_id=key_id))

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        """The sealed bytes for the driver. Raises: FieldError, for a plain value that reached a query."""
        if value is None:
            return None
        if not isinstance(value, Sealed):
            raise FieldError(f"{self.name} is encrypted: save the row, or find it through its blind index")
        return models.BinaryField().get_db_prep_value(value.sealed, connection, prepared)

    def from_db_value(self, value: Any, expression: Expression, connection: BaseDatabaseWrapper) -> Sealed | None:
        """Wrap what was stored; nothing is opened yet."""
        return None if value is None else Sealed(bytes(value))

    def get_lookup(self, lookup_name: str) -> Any:
        """Only `isnull`: ciphertext cannot be compared. Raises: FieldError."""
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        raise FieldError(f"{self.name} is encrypted and cannot be filtered; use its blind index")

    def opened(self, instance: models.Model, sealed: Sealed) -> Any:
        """Open a row's value; only inside a Reading."""
        row_id, key_id = _place_of(instance)
        return self.from_bytes(active_reading().open(sealed.sealed, place=self.place, row_id=row_id, key_id=key_id))


class EncryptedTextField(EncryptedField):
    """Text, sealed."""

    def to_bytes(self, value: Any) -> bytes:
        """UTF-8."""
        return str(value).encode()

    def from_bytes(self, plaintext: bytes) -> str:
        """UTF-8."""
        return plaintext.decode()


class EncryptedJSONField(EncryptedField):
    """Anything that JSON can hold, sealed."""

    def to_bytes(self, value: Any) -> bytes:
        """Compact JSON in UTF-8."""
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

    def from_bytes(self, plaintext: bytes) -> Any:
        """JSON."""
        return json.loads(plaintext)


class BlindIndexField(models.BinaryField[bytes, bytes]):
    """An HMAC-SHA256 of a normalised value (see `blind_index`): equal values are found, none can be read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_length"] = 32
        super().__init__(*args, **kwargs)


def _place_of(instance: models.Model) -> tuple[UUID, UUID]:
    return instance.pk, instance.data_key_id  # type: ignore[attr-defined]  # every model with such a field has it
