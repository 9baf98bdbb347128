"""What the keys register: checks of the models that have encrypted fields, and of who owns the tables of keys."""

from django.core.checks import Tags, register

from identity_privacy.crypto.checks import check_encrypted_fields
from identity_privacy.crypto.destruction import check_tables_owner

register(check_encrypted_fields, Tags.models)
register(check_tables_owner, Tags.database)
