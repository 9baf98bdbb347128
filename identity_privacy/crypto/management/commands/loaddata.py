"""`manage.py loaddata`, which takes sealed values as they are and seals open ones."""

import re

from django.apps import apps
from django.core.management.base import CommandError
from django.core.management.commands import loaddata
from django.core.serializers.base import DeserializationError, DeserializedObject
from django.db.models import Model

from identity_privacy.crypto.fields import encrypted_fields
from identity_privacy.crypto.fields.base import loads_sealed
from identity_privacy.errors import ServiceError


class Command(loaddata.Command):
    """Django's own; a sealed value is taken only by its own row and key, and no message shows a value."""

    def handle(self, *fixture_labels: str, **options: object) -> None:
        """Load the fixtures. Raises: WrongPlace, KeyDestroyed, with the row; CommandError."""
        token = loads_sealed.set(True)
        try:
            super().handle(*fixture_labels, **options)
        except DeserializationError as error:
            # Its message shows the value that could not be read.
            found = re.search(r"\(([\w.]+):pk=([^)]*)\)", str(error))
            model: type[Model] | None = apps.get_model(found[1]) if found else None
            if found is None or model is None or not encrypted_fields(model):
                raise
            raise CommandError(f"a value of {found[1]} {found[2]} cannot be read") from None
        finally:
            loads_sealed.reset(token)

    def save_obj(self, obj: DeserializedObject) -> bool:
        """Save one row. Raises: WrongPlace, KeyDestroyed, with the row."""
        try:
            return bool(super().save_obj(obj))
        except ServiceError as error:
            error.args = (f"{obj.object._meta.label} {obj.object.pk}: {str(error) or error.title}",)
            raise
