"""The fields beside the encrypted ones: which key a row is under, and the blind indexes that find it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import FieldError
from django.db import models, router

from identity_privacy.crypto.blind_index import normalise
from identity_privacy.crypto.errors import SealedUnderAnotherKey
from identity_privacy.crypto.fields.base import ABSENT, Sealed, absent_fields, closed_fields
from identity_privacy.crypto.keys import sealing_ring


class BlindIndexField(models.BinaryField[bytes | None, bytes | None]):
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
        kind = self.kind_of(row)
        ring = sealing_ring(router.db_for_write(type(row)))
        return ring.index_keys(getattr(row, self.controller_field), kind).stored(normalise(kind, value))

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        """As it is: it is computed when the row is saved, and nobody can mend it on a form."""
        return value

    def kind_of(self, row: models.Model) -> str:
        """By which rules a row's value is normalised."""
        kind: str = getattr(row, self.kind_field) if self.kind_field else self.kind
        return kind

    def get_prep_value(self, value: Any) -> Any:
        """The hash. Raises: FieldError, for a text, which is the value itself and none."""
        if isinstance(value, str):
            raise FieldError(f"{self.name} is a blind index: find by {self.name}__in=blind_indexes(…), never by a text")
        return super().get_prep_value(value)

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

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        """As it is: it is computed when the row is saved, and nobody can mend it on a form."""
        return value

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
            if closed_fields(instance) or absent_fields(instance):
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
