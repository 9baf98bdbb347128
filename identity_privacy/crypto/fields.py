"""Model fields whose values are sealed at rest, and the blind indexes that find them by equality.

    class Identifier(SealedModel):
        kind = models.CharField(max_length=16)
        controller = models.ForeignKey(Controller, on_delete=models.PROTECT)
        value = EncryptedTextField(place="profiles.identifier.value")
        index = BlindIndexField(of="value", kind_field="kind")
        next_index = NextBlindIndexField(of="index")

A value is sealed when its row is saved, and opened when the attribute is read inside a `Reading`. It cannot be
filtered, ordered, grouped or computed with in the database: each of these raises FieldError.

In a row's `__dict__` an open value stands under its field's name. The closed ones stay as they came, in the tuple
`_closed`, and `_shape` says where in it: a list's rows share one.
"""

import datetime
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NoReturn
from uuid import UUID

from cryptography.exceptions import InvalidTag
from django import forms
from django.core.exceptions import FieldError, ValidationError
from django.core.validators import MaxLengthValidator
from django.db import models, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Expression
from django.utils.functional import Promise

from identity_privacy.crypto.blind_index import normalise
from identity_privacy.crypto.columns import SealedColumn, SealedIsNull
from identity_privacy.crypto.errors import OpenedRowLeaves, SealedUnderAnotherKey
from identity_privacy.crypto.keys import seal_value, sealing_ring
from identity_privacy.crypto.reading import Reading, active, active_reading
from identity_privacy.crypto.seal import VERSION, associated_data, open_sealed, place_prefix
from identity_privacy.errors import Invalid

ABSENT: Final = object()
_VERSION: Final = VERSION[0]
# How a sealed value is written into a fixture; no value that a person types may begin so.
SEALED_TEXT: Final = "\N{LOCK}sealed:"
# Up to how many characters a text is typed into a single line.
MAX_LINE: Final = 255
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
        row, name = instance.__dict__, self._name
        reading = active.get()
        if "_suffix" in row and reading is not None:
            open_closed(instance, reading)
            if name in row:
                return row[name]
        at = row["_shape"].at.get(name) if "_shape" in row else None
        if at is None or "data_key_id" not in row:
            load_closed(instance, [self.field])
            at = row["_shape"].at[name]
        sealed = row["_closed"][at]
        if sealed is None:
            row[name] = None
            return None
        key_id = row["data_key_id"]
        cipher = reading.ciphers.get(key_id.int) if reading is not None else None
        if cipher is None:
            if reading is None and dumps_sealed.get():
                return Sealed(sealed, self.field, row["id"], key_id)
            cipher = active_reading().cipher(key_id, beside=row.get("_beside", ()))
        row["_suffix"] = suffix = (row["id"].int << 128 | key_id.int).to_bytes(32)
        if not sealed or sealed[0] != _VERSION:  # the one byte that the tag does not cover
            return self.field.open(sealed, row_id=row["id"], key_id=key_id)
        try:
            value = self._from_bytes(cipher.decrypt(sealed[1:13], sealed[13:], self._prefix + suffix))
        except (InvalidTag, ValueError):  # a key that was rotated meanwhile, or a value that is not this row's
            value = self.field.open(sealed, row_id=row["id"], key_id=key_id)
        row[name] = value
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
        """Open a value of this field. Raises: OpenedWithoutReading; KeyDestroyed; WrongPlace."""
        return self.from_bytes(active_reading().open(sealed, place=self.place, row_id=row_id, key_id=key_id))

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
        raise FieldError(f"{self.name} is encrypted and cannot be filtered; use its blind index")

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

    def formfield(self, **kwargs: Any) -> Any:
        """A form field that opens the stored value when it is rendered, inside a Reading."""
        # Without the hidden copy of what was shown that a callable default would bring.
        return super().formfield(**{"form_class": self.form_class, "show_hidden_initial": False, **kwargs})

    form_class: type[forms.Field] = forms.CharField


class _OpensOnForms(forms.Field):
    """A form field whose initial value may be a closed one."""

    def prepare_value(self, value: Any) -> Any:
        """Open it to show it. Raises: OpenedWithoutReading."""
        return super().prepare_value(value.open() if isinstance(value, Sealed) else value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare with the open value. Raises: OpenedWithoutReading."""
        return super().has_changed(initial.open() if isinstance(initial, Sealed) else initial, data)


class EncryptedCharFormField(_OpensOnForms, forms.CharField):
    """Text on a form."""


class EncryptedDateFormField(_OpensOnForms, forms.DateField):
    """A date on a form."""


class EncryptedJSONFormField(_OpensOnForms, forms.JSONField):
    """JSON on a form."""


class EncryptedTextField(EncryptedField):
    """Text, sealed. `max_length` counts characters and is checked by `full_clean`, not by the database."""

    form_class = EncryptedCharFormField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.max_length is not None:
            self.validators.append(MaxLengthValidator(self.max_length))

    def formfield(self, **kwargs: Any) -> Any:
        """One line for what is short by its `max_length`, else several."""
        if self.choices is None:
            is_short = self.max_length is not None and self.max_length <= MAX_LINE
            widget = forms.TextInput if is_short else forms.Textarea
            kwargs = {"max_length": self.max_length, "widget": widget, **kwargs}
        return super().formfield(**kwargs)

    def to_bytes(self, value: Any) -> bytes:
        """UTF-8. Raises: Invalid, for what is no text or cannot be written in UTF-8."""
        if isinstance(value, Promise):
            value = str(value)
        if not isinstance(value, str):
            raise Invalid("this is no text", field=self.name)
        try:
            return value.encode()
        except UnicodeEncodeError:  # its message would show the text
            raise Invalid("this text holds half of a character", field=self.name) from None

    # A function of C: whole lists are opened by it.
    from_bytes = staticmethod(bytes.decode)  # type: ignore[assignment]  # names its argument otherwise


class EncryptedDateField(EncryptedField):
    """A day of the calendar, sealed as its ISO 8601 text."""

    form_class = EncryptedDateFormField

    def to_bytes(self, value: Any) -> bytes:
        """ISO 8601. Raises: Invalid, for what is no date."""
        if isinstance(value, datetime.datetime) or not isinstance(value, datetime.date):
            raise Invalid("this is no date", field=self.name)
        return value.isoformat().encode()

    def from_bytes(self, plaintext: bytes) -> datetime.date:
        """ISO 8601."""
        return datetime.date.fromisoformat(plaintext.decode())

    def from_text(self, text: str) -> Any:
        """ISO 8601. Raises: ValidationError."""
        try:
            return datetime.date.fromisoformat(text)
        except ValueError:  # its message would show the text
            raise ValidationError("This is no date such as 1990-02-28.", code="invalid") from None


class EncryptedJSONField(EncryptedField):
    """Anything that JSON can hold, sealed."""

    form_class = EncryptedJSONFormField

    def to_bytes(self, value: Any) -> bytes:
        """Compact JSON in UTF-8. Raises: Invalid, for what JSON cannot hold."""
        try:
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError):  # their messages would show the value
            raise Invalid("JSON cannot hold this", field=self.name) from None

    def from_bytes(self, plaintext: bytes) -> Any:
        """JSON."""
        return json.loads(plaintext)

    def from_text(self, text: str) -> Any:
        """JSON in a fixture; elsewhere a text is a value of its own. Raises: ValidationError."""
        if not loads_sealed.get():
            return text
        try:
            return json.loads(text)
        except ValueError:  # its message would show the text
            raise ValidationError("This is not JSON.", code="invalid") from None


class EncryptedBinaryField(EncryptedField):
    """Bytes, sealed."""

    def to_bytes(self, value: Any) -> bytes:
        """As they are. Raises: Invalid, for what are no bytes."""
        if not isinstance(value, bytes | bytearray | memoryview):
            raise Invalid("these are no bytes", field=self.name)
        return bytes(value)

    def from_bytes(self, plaintext: bytes) -> bytes:
        """As they are."""
        return plaintext

    def to_text(self, value: Any) -> str:
        """Base64."""
        return b64encode(value).decode()

    def from_text(self, text: str) -> bytes:
        """Base64. Raises: ValidationError."""
        try:
            return b64decode(text, validate=True)
        except ValueError:
            raise ValidationError("This is not base64.", code="invalid") from None

    def formfield(self, **kwargs: Any) -> None:
        """None: nobody types bytes."""
        return


class BlindIndexField(models.BinaryField[bytes, bytes]):
    """An HMAC-SHA256 of a normalised value (see `blind_index`): equal values are found, none can be read.

    Computed when its row is saved, from the open value of the field `of`. Its kind (`email`, `phone`, …) is `kind`, or
    stands in the row's field `kind_field`; the controller whose key it uses stands in `controller_field`.

    Look up with `filter(index__in=blind_indexes(controller_id, kind, value))`.
    """

    def __init__(
        self,
        *args: Any,
        of: str,
        kind: str = "",
        kind_field: str = "",
        controller_field: str = "controller_id",
        **kwargs: Any,
    ) -> None:
        kwargs["max_length"] = 32
        super().__init__(*args, **kwargs)
        self.of, self.kind, self.kind_field, self.controller_field = of, kind, kind_field, controller_field

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """Keep in migrations what it is an index of."""
        name, path, args, kwargs = super().deconstruct()
        parts = {"kind": self.kind, "kind_field": self.kind_field}
        parts |= {"controller_field": self.controller_field} if self.controller_field != "controller_id" else {}
        return name, path, args, {**kwargs, "of": self.of, **{key: part for key, part in parts.items() if part}}

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """The index as `sealing.sealed_in_place` left it, or computed now (in a migration). Raises: Invalid."""
        current, _ = self.computed(model_instance)
        return super().pre_save(model_instance, add) if current is ABSENT else current

    def computed(self, row: models.Model) -> tuple[Any, Any]:
        """What belongs into this index and the next one for an open value; `ABSENT` where there is none in the row."""
        value = row.__dict__.get(self.of, ABSENT)
        if value is ABSENT or isinstance(value, Sealed):
            return ABSENT, ABSENT
        if value is None:
            return None, None
        kind = getattr(row, self.kind_field) if self.kind_field else self.kind
        ring = sealing_ring(router.db_for_write(type(row)))
        return ring.index_keys(getattr(row, self.controller_field), kind).stored(normalise(kind, value))

    def get_lookup(self, lookup_name: str) -> Any:
        """Only equality. Raises: FieldError."""
        if lookup_name in {"exact", "in", "isnull"}:
            return super().get_lookup(lookup_name)
        raise FieldError(f"{self.name} is a blind index: it finds equal values and nothing else")


class NextBlindIndexField(models.BinaryField[bytes | None, bytes | None]):
    """The blind index under the next version of its key: null, except while that key is rotated.

    Where the index `of` is part of a unique constraint, this is part of one like it.
    """

    def __init__(self, *args: Any, of: str, **kwargs: Any) -> None:
        kwargs["max_length"] = 32
        kwargs["null"] = True
        super().__init__(*args, **kwargs)
        self.of = of

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """As the index that it follows. Raises: Invalid."""
        index = model_instance._meta.get_field(self.of)
        _, following = index.computed(model_instance) if isinstance(index, BlindIndexField) else (ABSENT, ABSENT)
        return super().pre_save(model_instance, add) if following is ABSENT else following

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """Keep in migrations which index it follows."""
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "of": self.of}


class _DataKeyAttribute:
    """Refuses that a row is moved to another key while some of its values are closed under the one from before."""

    def __init__(self, field: models.Field[Any, Any]) -> None:
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type[models.Model] | None = None) -> Any:
        if instance is None:
            return self
        row = instance.__dict__
        if self.field.attname not in row:
            instance.refresh_from_db(fields=[self.field.attname])
        return row[self.field.attname]

    def __set__(self, instance: models.Model, value: object) -> None:
        row = instance.__dict__
        value = UUID(value) if isinstance(value, str) else value
        if row.get(self.field.attname, value) != value:
            if closed_fields(instance) or _absent_fields(instance):
                raise SealedUnderAnotherKey(f"open the values of {instance.pk} first, or use reseal_under()")
            row["_is_moved"] = True  # so that whatever is saved of it, its values go along
        row[self.field.attname] = value


class DataKeyField(models.UUIDField[UUID, UUID]):
    """The id of the data key under which a row's values are sealed; on no form."""

    descriptor_class = _DataKeyAttribute

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.is_indexed = kwargs.setdefault("db_index", True)
        super().__init__(*args, **{**kwargs, "editable": False})

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """Indexed unless said otherwise."""
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("db_index", None)
        kwargs.pop("editable", None)
        return name, path, args, kwargs if self.is_indexed else {**kwargs, "db_index": False}


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


def _absent_fields(instance: models.Model) -> list[EncryptedField]:
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
        rows = model._base_manager.using(instance._state.db)
    key_id, *sealed = rows.filter(pk=instance.pk).values_list("data_key_id", *names).get()
    keep_closed(instance, {name: value and value.sealed for name, value in zip(names, sealed, strict=True)})
    if isinstance(instance.__dict__.get("id"), str):
        instance.__dict__["id"] = UUID(instance.__dict__["id"])
    instance.__dict__.pop("_is_moved", None)
    instance.__dict__["data_key_id"] = key_id
