"""People whose keys are rotated, and what must hold of them before, between and after."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from django.db import models

from identity_privacy.access.models import Controller
from identity_privacy.actors import Actor
from identity_privacy.crypto.keys import WrappedKey, material
from identity_privacy.crypto.models import ControllerKey, DataKey, IndexKey
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.rotation.writers import sealed_models
from identity_privacy.crypto.terms import IndexKeyState
from profiles.models import Identifier
from profiles.terms import IdentifierKind
from tests.factories import make_person


def reading() -> Reading:
    return Reading(actor=Actor.service("test"), purpose="test", subject_id=None, reason="look at everything")


def make_people(controller: Controller, count: int = 3, *, offset: int = 0) -> list[UUID]:
    return [
        make_person(controller, email=email(number), given_name=f"Name {number}")
        for number in range(offset, offset + count)
    ]


def email(number: int) -> str:
    return f"person{number}@example.org"


def every_value() -> dict[tuple[str, UUID], object]:
    """Every sealed value that there is, opened. Raises where one does not open."""
    with reading():
        return {
            (field.place, row.pk): getattr(row, field.attname)
            for model, fields in sealed_models().items()
            for row in _rows(model)
            for field in fields
        }


def raw_values() -> Mapping[tuple[str, UUID], bytes]:
    """Every sealed value as it is stored."""
    return {
        (field.place, pk): value.sealed
        for model, fields in sealed_models().items()
        for field in fields
        for pk, value in model._base_manager.values_list("pk", field.attname)
        if value is not None
    }


def found(controller: Controller, number: int) -> list[UUID]:
    """Who is found by an address."""
    rows = Identifier.objects.naming(controller.id, IdentifierKind.EMAIL, email(number))
    return list(rows.values_list("profile_id", flat=True))


def own_bytes() -> dict[UUID, bytes]:
    """The material of every data key."""
    return {
        row.id: material(
            WrappedKey(row.id.bytes, row.owner_id.bytes, row.controller_key_id.bytes, b"", None), bytes(row.wrapped)
        )
        for row in DataKey.objects.all()
    }


def half_done() -> list[str]:
    """What a rotation that has ended leaves behind: nothing."""
    left = {
        "retired controller keys": ControllerKey.objects.exclude(retired_at=None).count(),
        "data keys with old material": DataKey.objects.exclude(previous=None).count(),
        "retired data keys": DataKey.objects.exclude(retired_at=None).count(),
        "successors of index keys": IndexKey.objects.exclude(state=IndexKeyState.CURRENT).count(),
        "filled next columns": Identifier.objects.exclude(next_index=None).count(),
    }
    return [what for what, count in left.items() if count]


def _rows(model: type[models.Model]) -> Iterator[models.Model]:
    return iter(model._default_manager.all())
