"""The same rows twice: as any Django app would store them, and sealed."""

from django.db import models
from uuid_utils.compat import uuid7

from identity_privacy.crypto.fields import BlindIndexField, EncryptedTextField
from identity_privacy.crypto.querysets import SealedQuerySet
from identity_privacy.crypto.rows import SealedModel


class PlainRow(models.Model):
    """Five texts, readable."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    one = models.TextField()
    two = models.TextField()
    three = models.TextField()
    four = models.TextField()
    five = models.TextField()


class SealedRow(SealedModel):
    """Five texts, sealed under a key of the row's own."""

    one = EncryptedTextField(place="benchmarks.sealedrow.one")
    two = EncryptedTextField(place="benchmarks.sealedrow.two")
    three = EncryptedTextField(place="benchmarks.sealedrow.three")
    four = EncryptedTextField(place="benchmarks.sealedrow.four")
    five = EncryptedTextField(place="benchmarks.sealedrow.five")

    objects = SealedQuerySet.as_manager()

    objects = SealedQuerySet.as_manager()


class PlainAttribute(models.Model):
    """One value of a profile, readable."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    profile_id = models.UUIDField(db_index=True)
    value = models.TextField()


class SealedAttribute(SealedModel):
    """One value of a profile, sealed under the profile's key: what the product stores most of."""

    profile_id = models.UUIDField(db_index=True)
    value = EncryptedTextField(place="benchmarks.sealedattribute.value")

    objects = SealedQuerySet.as_manager()

    objects = SealedQuerySet.as_manager()


class PlainAddress(models.Model):
    """An e-mail address, readable and indexed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    controller_id = models.UUIDField()
    value = models.CharField(max_length=254, db_index=True)


class SealedAddress(SealedModel):
    """An e-mail address, sealed, found by its blind index."""

    controller_id = models.UUIDField()
    value = EncryptedTextField(place="benchmarks.sealedaddress.value")
    index = BlindIndexField(of="value", kind="email", db_index=True)

    objects = SealedQuerySet.as_manager()

    objects = SealedQuerySet.as_manager()


class PlainEntry(models.Model):
    """The row of an ordinary audit table: the facts of an entry, found by the same columns, unproven."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=16)
    actor_id = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=64)
    target_kind = models.CharField(max_length=64)
    target_id = models.CharField(max_length=64)
    controller_id = models.UUIDField(null=True)
    subject_id = models.UUIDField(null=True)
    reason = models.CharField(max_length=200, blank=True)
    purpose = models.CharField(max_length=100, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    network = models.CharField(max_length=43, blank=True)
    details = models.JSONField(default=dict)

    class Meta:
        indexes = (
            models.Index(fields=["subject_id", "id"]),
            models.Index(fields=["target_id", "id"]),
            models.Index(fields=["controller_id", "id"]),
            models.Index(fields=["actor_id", "id"]),
            models.Index(fields=["action", "id"]),
            models.Index(fields=["request_id", "id"]),
        )
