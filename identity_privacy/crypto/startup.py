"""What the keys register: checks of the models that have encrypted fields."""

from django.core.checks import Tags, register

from identity_privacy.crypto.checks import check_encrypted_fields

register(check_encrypted_fields, Tags.models)
