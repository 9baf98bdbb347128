"""What all encrypted fields share: how a value stands in its row, closed or open, and goes to database, form, fixture.

In a row's `__dict__` an open value stands under its field's name. The closed ones stay as they came, in the tuple
`_closed`, and `_shape` says where in it: a list's rows share one.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NoReturn
from uuid import UUID

from cryptography.exceptions import InvalidTag
from django import forms
from django.core.exceptions import FieldError, ValidationError
from django.db import models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Expression

from identity_privacy.crypto.columns import SealedColumn, SealedIsNull
from identity_privacy.crypto.errors import OpenedRowLeaves, UnreadableSeal
from identity_privacy.crypto.keys import seal_value, sealing_ring
from identity_privacy.crypto.reading import Reading, active, active_reading
from identity_privacy.crypto.seal import VERSION, associated_data, open_sealed, place_prefix
from identity_privacy.errors import Invalid

ABSENT: Final = object()
_VERSION: Final = VERSION[0]
# How a sealed value is written into a fixture; no value that a person types may begin so.
SEALED_TEXT: Final = "\N{LOCK}sealed:"
# Set while `loaddata` reads sealed values from a fixture, and while `dumpdata` was told to write open ones.
loads_sealed: ContextVar[bool] = ContextVar("loads_sealed", default=False)
dumps_open: ContextVar[bool] = ContextVar("dumps_open", default=False)
# Set while `dumpdata` writes sealed ones: an attribute that is read then is the closed value.
dumps_sealed: ContextVar[bool] = ContextVar("dumps_sealed", default=False)


class Sealed:
    """A closed value, as `values()` and fixtures have it; shows nothing of itself."""

    __slots__ = ("field", "key_id", "row_id", "sealed")

    def __init__(
        self,
        sealed: bytes,
        field: "EncryptedField | None" = None,
        row_id: UUID | None = None,
        key_id: UUID | None = None,
    ) -> None:
        self.sealed = sealed
        self.field = field
        self.row_id = row_id
        self.key_id = key_id

    def __repr__(self) -> str:
        return "<sealed>"

    def __str__(self) -> str:
        # A page or form that knows nothing of closed values would show, and then save, a word in the value's stead.
        raise FieldError("this value is closed: value.open() opens it inside a Reading")

    def open(self, *, row_id: UUID | None = None, key_id: UUID | None = None) -> Any:
        """The value, inside a Reading; with row and key where the query did not bring them.

        Raises: OpenedWithoutReading; KeyDestroyed; WrongPlace; FieldError, without row and key.
        """
        row_id, key_id = row_id or self.row_id, key_id or self.key_id
        if self.field is None or row_id is None or key_id is None:
            raise FieldError("name the row and the data key: sealed.open(row_id=…, key_id=…)")
        return self.field.open(self.sealed, row_id=row_id, key_id=key_id)


class _Opened(Sealed):
    """An open value on its way to a form; a serializer cannot write it by mistake."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        super().__init__(b"")
        self.value = value

    def __reduce__(self) -> NoReturn:
        raise OpenedRowLeaves("an open value was to be pickled")

    def open(self, *, row_id: UUID | None = None, key_id: UUID | None = None) -> Any:
        """The value."""
        return self.value


class _SealedAttribute:
    """Opens the value on its first read inside a Reading; then it stands in the row, where Python finds it by itself.

    What makes it fast: the keys of a whole list come in one query, ids are joined once a row, and whoever reads a
    second value of a row gets the others opened in the same run (a third of the time of five single ones).
    """

    def __init__(self, field: "EncryptedField") -> None:
        self.field = field
        self._name, self._prefix, self._from_bytes = field.attname, field.place_prefix, field.from_bytes

    def __get__(self, instance: models.Model | None, owner: type[models.Model] | None = None) -> Any:
        if instance is None:
            return self
        row, name, reading = instance.__dict__, self._name, active.get()
        # The usual case: a closed value of a row from a list, inside a Reading that has the key.
        if reading is not None and "_closed" in row and "data_key_id" in row:
            if "_suffix" in row:
                open_closed(instance, reading)
                if name in row:
                    return row[name]
            at, key_id = row["_shape"].at.get(name), row["data_key_id"].int
            sealed = None if at is None else row["_closed"][at]
            cipher = reading.ciphers.get(key_id)
            if sealed and cipher is not None and sealed[0] == _VERSION:
                row["_suffix"] = suffix = (row["id"].int << 128 | key_id).to_bytes(32)
                try:
                    row[name] = value = self._from_bytes(
                        cipher.decrypt(sealed[1:13], sealed[13:], self._prefix + suffix)
                    )
                except (InvalidTag, ValueError):  # a key that was rotated meanwhile, or a value that is not this row's
                    return self._opened(instance)
                return value
        return self._opened(instance)

    def _opened(self, instance: models.Model) -> Any:
        """The value, whatever must be fetched for it first."""
        row = instance.__dict__
        if "_closed" not in row or "data_key_id" not in row or self._name not in row["_shape"].at:
            load_closed(instance, [self.field])
        sealed, key_id = row["_closed"][row["_shape"].at[self._name]], row["data_key_id"]
        value = None
        if sealed is not None:
            if active.get() is None and dumps_sealed.get():
                return Sealed(sealed, self.field, row["id"], key_id)
            active_reading().cipher(key_id, beside=row.get("_beside", ()))
            value = self.field.open(sealed, row_id=row["id"], key_id=key_id)
            row["_suffix"] = (row["id"].int << 128 | key_id.int).to_bytes(32)
        row[self._name] = value
        return value


class _MigratedAttribute(_SealedAttribute):
    """The same on a model that does not derive from `SealedModel`, as those of migrations: takes closed values too."""

    def __get__(self, instance: models.Model | None, owner: type[models.Model] | None = None) -> Any:
        if instance is not None and self._name in instance.__dict__:
            return instance.__dict__[self._name]
        return super().__get__(instance, owner)

    def __set__(self, instance: models.Model, value: object) -> None:
        if isinstance(value, Sealed):
            keep_closed(instance, {self._name: value.sealed})
        else:
            instance.__dict__[self._name] = value


def _prepare_for_save(
    instance: models.Model, operation_name: str, fields: Collection[models.Field[Any, Any]] | None = None
) -> None:
    """What Django asks of each row before it writes one or many, on a model of a migration. Raises: FieldError."""
    if operation_name == "bulk_update" and any(isinstance(field, EncryptedField) for field in fields or ()):
        raise FieldError("bulk_update seals nothing in a migration: save each row")
    prepare = models.Model._prepare_related_fields_for_save  # type: ignore[attr-defined]  # Django's own
    prepare(instance, operation_name, fields)


def open_closed(instance: models.Model, reading: Reading) -> None:
    """Open what is still closed in a row whose key the Reading has; what does not open is left closed."""
    row = instance.__dict__
    cipher = reading.ciphers.get(row["data_key_id"].int)
    if cipher is None:
        return
    decrypt, suffix, closed = cipher.decrypt, row["_suffix"], row["_closed"]
    for name, at, prefix, from_bytes in row["_shape"].openers:
        if name not in row:
            sealed = closed[at]
            if sealed and sealed[0] == _VERSION:
                try:
                    row[name] = from_bytes(decrypt(sealed[1:13], sealed[13:], prefix + suffix))
                except (InvalidTag, ValueError):  # reading it alone says what is wrong with it
                    continue


@dataclass(frozen=True, slots=True)
class RowShape:
    """Where in the values of a query a row's own ones stand, the plain and the encrypted, and what opens the latter."""

    plain: tuple[tuple[str, int], ...]
    at: Mapping[str, int]
    openers: tuple[tuple[str, int, bytes, Callable[[bytes], Any]], ...]

    @classmethod
    @cache
    def of(cls, model: type[models.Model], names: tuple[str, ...]) -> "RowShape":
        """The shape of rows of a model whose values come in the order of `names`."""
        at = {name: place for place, name in enumerate(names)}
        encrypted = [field for field in encrypted_fields(model) if field.attname in at]
        return cls(
            tuple((name, at[name]) for name in names if name not in {field.attname for field in encrypted}),
            {field.attname: at[field.attname] for field in encrypted},
            tuple((field.attname, at[field.attname], field.place_prefix, field.from_bytes) for field in encrypted),
        )


def closed_value(instance: models.Model, name: str) -> Any:
    """The sealed bytes of a row's value, None where it is null, or `ABSENT` where they were not loaded."""
    row = instance.__dict__
    at = row["_shape"].at.get(name) if "_shape" in row else None
    return ABSENT if at is None else row["_closed"][at]


def keep_closed(instance: models.Model, values: Mapping[str, bytes | None]) -> None:
    """Put sealed bytes into a row, each in place of what is known of it."""
    row = instance.__dict__
    known = {name: row["_closed"][at] for name, at in row["_shape"].at.items()} if "_shape" in row else {}
    known |= values
    row["_closed"], row["_shape"] = tuple(known.values()), RowShape.of(type(instance), tuple(known))
    row.pop("_suffix", None)
    for name in values:
        row.pop(name, None)


class EncryptedField(models.Field[Any, Any]):
    """Base of the encrypted fields: everything but how a value becomes bytes.

    `place` names the column for ever: it is part of what the value is bound to. On no form unless `editable=True`, and
    on none of the console's in any case.
    """

    descriptor_class = _SealedAttribute
    empty_strings_allowed = False

    def __init__(self, *args: Any, place: str, **kwargs: Any) -> None:
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)
        self.place = place
        self.place_prefix = place_prefix(place)

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        """Take a place in a model, also in one that knows nothing of closed values."""
        super().contribute_to_class(cls, name, private_only)
        if not hasattr(cls, "reseal_under"):
            setattr(cls, self.attname, _MigratedAttribute(self))
            cls._prepare_related_fields_for_save = _prepare_for_save  # type: ignore[attr-defined]  # Django's own

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """Keep the place in migrations."""
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("editable", None)
        if self.editable:
            kwargs["editable"] = True
        return name, path, args, {**kwargs, "place": self.place}

    def get_internal_type(self) -> str:
        """Stored as bytes; no BinaryField, whose placeholder would keep PostgreSQL from inserting by arrays."""
        return "BinaryField"

    def to_bytes(self, value: Any) -> bytes:
        """A value's bytes before sealing. Raises: Invalid."""
        raise NotImplementedError

    def from_bytes(self, plaintext: bytes) -> Any:
        """The value from opened bytes."""
        raise NotImplementedError

    def open(self, sealed: bytes, *, row_id: UUID, key_id: UUID) -> Any:
        """Open a value of this field; one whose key was rotated since it was loaded is fetched anew.

        Raises: OpenedWithoutReading; KeyDestroyed; WrongPlace.
        """

        def stored_now() -> bytes | None:
            rows: models.QuerySet[models.Model] = models.QuerySet(self.model, using=router.db_for_read(self.model))
            found = rows.filter(pk=row_id, data_key_id=key_id).values_list(self.attname, flat=True).first()
            return found.sealed if found is not None else None

        opened = active_reading().open(sealed, place=self.place, row_id=row_id, key_id=key_id, stored_now=stored_now)
        try:
            return self.from_bytes(opened)
        except ValueError:  # its message would show the value, which is of another kind than the field's
            raise UnreadableSeal from None

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """The value as `sealing.sealed_in_place` left it, or sealed now on a model without that (in a migration).

        Raises: Invalid; KeyDestroyed; SealedOutsideTransaction; WrongPlace, for a closed value of another row.
        """
        row = model_instance.__dict__
        value = row.get(self.attname, ABSENT)
        if value is None or isinstance(value, Sealed):
            return value
        closed: Any = closed_value(model_instance, self.attname) if value is ABSENT else None
        if value is ABSENT and (closed is None or closed is ABSENT):
            return None
        row_id, key_id = model_instance.pk, row.get("data_key_id")
        if key_id is None:
            raise Invalid("name the data key that the row's values are sealed under", field="data_key_id")
        using = router.db_for_write(type(model_instance))
        if value is ABSENT:
            open_sealed(sealing_ring(using).cipher(key_id), closed, associated_data(self.place, row_id, key_id))
            return Sealed(closed)
        return Sealed(seal_value(self.to_bytes(value), place=self.place, row_id=row_id, key_id=key_id, using=using))

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        """The sealed bytes for the driver. Raises: FieldError, for a plain value that reached a query."""
        if value is None:
            return None
        if not isinstance(value, Sealed):
            raise FieldError(f"{self.name} is encrypted: save the row, or find it through its blind index")
        return value.sealed

    def from_db_value(self, value: Any, expression: Expression, connection: BaseDatabaseWrapper) -> Sealed | None:
        """Wrap what was stored; nothing is opened yet."""
        return None if value is None else Sealed(bytes(value), self)

    def get_col(self, alias: str | None, output_field: models.Field[Any, Any] | None = None) -> SealedColumn:
        """The column in a query, which refuses to be computed with."""
        return SealedColumn(alias, self, output_field)  # type: ignore[arg-type]  # None in an update

    def get_lookup(self, lookup_name: str) -> Any:
        """Only `isnull`: ciphertext cannot be compared. Raises: FieldError."""
        if lookup_name == "isnull":
            return SealedIsNull
        raise FieldError(
            f"{self.name} is encrypted and cannot be filtered; use its blind index, or {self.name}__isnull"
        )

    def get_transform(self, lookup_name: str) -> Any:
        """None: ciphertext cannot be computed with. Raises: FieldError."""
        raise FieldError(f"{self.name} is encrypted: the database cannot compute {lookup_name} of it")

    # --- forms and fixtures ---------------------------------------------------------------------------

    def value_from_object(self, obj: models.Model) -> Any:
        """A value that `open()` opens: a form does so when it is rendered, a fixture does not."""
        value = obj.__dict__.get(self.attname, ABSENT)
        if isinstance(value, Sealed):  # on a model of a migration
            return Sealed(value.sealed, self, obj.pk, obj.__dict__["data_key_id"])
        if value is not ABSENT:
            return None if value is None else _Opened(value)
        if closed_value(obj, self.attname) is ABSENT:
            load_closed(obj, [self])
        sealed = closed_value(obj, self.attname)
        return None if sealed is None else Sealed(sealed, self, obj.pk, obj.__dict__["data_key_id"])

    def value_to_string(self, obj: models.Model) -> str:
        """A value in a fixture: sealed; open only where `dumpdata` was told so and runs inside a Reading.

        Raises: FieldError, for an open value in a fixture that is to be sealed.
        """
        value = self.value_from_object(obj)
        if dumps_open.get():
            return self.to_text(value.open())
        if isinstance(value, _Opened):
            raise FieldError(f"{self.name} was opened: write fixtures from rows as they come from the database")
        return SEALED_TEXT + b64encode(value.sealed).decode()

    def to_text(self, value: Any) -> str:
        """An open value as text, for a fixture that was told to be open; `to_python` reads it."""
        return self.to_bytes(value).decode()

    def from_text(self, text: str) -> Any:
        """The value that `to_text` wrote, or a person typed. Raises: ValidationError."""
        return text

    def to_python(self, value: Any) -> Any:
        """The value as Python has it. Raises: ValidationError, where it looks like a sealed one outside `loaddata`."""
        if not isinstance(value, str):
            return value
        if not value.startswith(SEALED_TEXT):
            return self.from_text(value)
        if not loads_sealed.get():
            raise ValidationError("A text cannot begin so.", code="sealed")
        try:
            return Sealed(b64decode(value.removeprefix(SEALED_TEXT), validate=True), self)
        except ValueError:
            raise ValidationError("This is no sealed value.", code="sealed") from None

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        """The value, if it can be sealed. Raises: ValidationError."""
        cleaned = super().clean(value, model_instance)
        if cleaned is not None and not isinstance(cleaned, Sealed):
            try:
                self.to_bytes(cleaned)
            except Invalid as error:
                raise ValidationError(str(error), code="invalid") from None
        return cleaned

    def formfield(self, **kwargs: Any) -> Any:
        """A form field that opens the stored value when it is rendered, inside a Reading."""
        # Without the hidden copy of what was shown that a callable default would bring.
        return super().formfield(**{"form_class": self.form_class, "show_hidden_initial": False, **kwargs})

    form_class: type[forms.Field] = forms.CharField


@cache
def encrypted_fields(model: type[models.Model]) -> tuple[EncryptedField, ...]:
    """A model's encrypted fields."""
    return tuple(field for field in model._meta.concrete_fields if isinstance(field, EncryptedField))


def closed_fields(instance: models.Model) -> list[EncryptedField]:
    """The encrypted fields of a row that hold a value which is not open."""
    return [
        field
        for field in encrypted_fields(type(instance))
        if field.attname not in instance.__dict__ and closed_value(instance, field.attname) not in (None, ABSENT)
    ]


def absent_fields(instance: models.Model) -> list[EncryptedField]:
    """The encrypted fields that a row from the database was loaded without (`only`, `defer`)."""
    return [
        field
        for field in encrypted_fields(type(instance))
        if not instance._state.adding
        and field.attname not in instance.__dict__
        and closed_value(instance, field.attname) is ABSENT
    ]


def load_closed(
    instance: models.Model, fields: Sequence[EncryptedField], rows: "models.QuerySet[models.Model] | None" = None
) -> None:
    """Fetch sealed values of a row anew, together with what is closed in it, so that all are under one key.

    Raises: DoesNotExist.
    """
    model = type(instance)
    fields = list({field.attname: field for field in (*fields, *closed_fields(instance))}.values())
    names = [field.attname for field in fields]
    if rows is None:
        rows = models.QuerySet(model, using=instance._state.db)
    key_id, *sealed = rows.filter(pk=instance.pk).values_list("data_key_id", *names).get()
    keep_closed(instance, {name: value and value.sealed for name, value in zip(names, sealed, strict=True)})
    if isinstance(instance.__dict__.get("id"), str):
        instance.__dict__["id"] = UUID(instance.__dict__["id"])
    instance.__dict__.pop("_is_moved", None)
    instance.__dict__["data_key_id"] = key_id
