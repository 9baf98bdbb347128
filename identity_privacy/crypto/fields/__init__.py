"""Model fields whose values are sealed at rest, and the blind indexes that find them by equality.

    class Identifier(SealedModel):
        kind = models.CharField(max_length=16)
        controller = models.ForeignKey(Controller, on_delete=models.PROTECT)
        value = EncryptedTextField(place="profiles.identifier.value")
        index = BlindIndexField(of="value", kind_field="kind")
        next_index = NextBlindIndexField(of="index")

A value is sealed when its row is saved, and opened when the attribute is read inside a `Reading`. It cannot be
filtered, ordered, grouped or computed with in the database: each of these raises FieldError.
"""

from identity_privacy.crypto.fields.base import EncryptedField, Sealed, encrypted_fields
from identity_privacy.crypto.fields.indexes import BlindIndexField, DataKeyField, NextBlindIndexField
from identity_privacy.crypto.fields.values import (
    EncryptedBinaryField,
    EncryptedDateField,
    EncryptedJSONField,
    EncryptedTextField,
)

__all__ = [
    "BlindIndexField",
    "DataKeyField",
    "EncryptedBinaryField",
    "EncryptedDateField",
    "EncryptedField",
    "EncryptedJSONField",
    "EncryptedTextField",
    "NextBlindIndexField",
    "Sealed",
    "encrypted_fields",
]
