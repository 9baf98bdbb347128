"""The encrypted fields by what they hold, each with its field on forms."""

import datetime
import json
from base64 import b64decode, b64encode
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.fields.mixins import CheckFieldDefaultMixin
from django.utils.functional import Promise

from identity_privacy.crypto.blind_index import normalise
from identity_privacy.crypto.fields.base import SEALED_TEXT, EncryptedField, Sealed, loads_sealed
from identity_privacy.crypto.fields.indexes import BlindIndexField
from identity_privacy.errors import Invalid

# Up to how many characters a text is typed into a single line.
MAX_LINE: Final = 255
_SEALED: Final = SEALED_TEXT.encode()


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
            # What is left empty is null where that can be: two empty addresses are not the same one.
            empty = {"empty_value": None} if self.null else {}
            kwargs = {"max_length": self.max_length, "widget": widget, **empty, **kwargs}
        return super().formfield(**kwargs)

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        """The text, if it can be sealed and its blind indexes computed. Raises: ValidationError."""
        text = super().clean(value, model_instance)
        if isinstance(text, str) and model_instance is not None:
            for index in model_instance._meta.concrete_fields:
                if isinstance(index, BlindIndexField) and index.of == self.name:
                    try:
                        normalise(index.kind_of(model_instance), text)
                    except Invalid as error:
                        raise ValidationError(str(error), code="invalid") from None
        return text

    def to_bytes(self, value: Any) -> bytes:
        """UTF-8. Raises: Invalid, for what is no text or cannot be written in UTF-8."""
        if isinstance(value, Promise):
            value = str(value)
        if not isinstance(value, str):
            raise Invalid("this is no text", field=self.name)
        try:
            encoded = value.encode()
        except UnicodeEncodeError:  # its message would show the text
            raise Invalid("this text holds half of a character", field=self.name) from None
        if encoded.startswith(_SEALED):
            raise Invalid("a text cannot begin as a sealed value does in a fixture", field=self.name)
        return encoded

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


class EncryptedJSONField(CheckFieldDefaultMixin, EncryptedField):
    """Anything that JSON can hold, sealed."""

    _default_hint = ("dict", "{}")

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
