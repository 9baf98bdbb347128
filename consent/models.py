"""Purposes, the notices people were shown, the ledger of what they did, and the projection of where they stand."""

from django.db import models
from uuid_utils.compat import uuid7

from consent.querysets import ConsentEventQuerySet, ConsentStateQuerySet, NoticeQuerySet, PurposeQuerySet
from consent.terms import Channel, ConsentAction, LegalBasis
from identity_privacy.access.models import Controller


class Purpose(models.Model):
    """One use of personal data and its legal basis (GDPR Art. 5(1)(b), 6(1))."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    controller = models.ForeignKey(Controller, on_delete=models.PROTECT)
    code = models.SlugField()
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=300)
    legal_basis = models.CharField(max_length=32, choices=LegalBasis)
    systems = models.JSONField(default=list, blank=True, help_text="Codes of the linked systems that act on it")
    position = models.PositiveSmallIntegerField(default=0)

    objects = PurposeQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["controller", "code"], name="one_purpose_per_code"),)

    def __str__(self) -> str:
        return self.name


class Notice(models.Model):
    """The exact text that people agree to; a version never changes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    purpose = models.ForeignKey(Purpose, on_delete=models.PROTECT, related_name="notices")
    version = models.PositiveIntegerField()
    locale = models.CharField(max_length=10)
    text = models.TextField()
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of the text in UTF-8, in hex")
    published_at = models.DateTimeField()

    objects = NoticeQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["purpose", "version", "locale"], name="one_text_per_version"),)


class ConsentEvent(models.Model):
    """One line of the ledger: append-only, refused by the database to change or delete."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject_id = models.UUIDField()
    purpose = models.ForeignKey(Purpose, on_delete=models.PROTECT)
    action = models.CharField(max_length=16, choices=ConsentAction)
    notice = models.ForeignKey(Notice, on_delete=models.PROTECT, null=True)
    channel = models.CharField(max_length=16, choices=Channel)
    method = models.CharField(max_length=64, help_text="How it was shown: switch, refuse-all, accept-all, import")
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    objects = ConsentEventQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(occurred_at__lte=models.F("recorded_at")), name="nothing_occurs_after_it_is_recorded"
            ),
        )
        indexes = (models.Index(fields=["subject_id", "purpose", "occurred_at"], name="event_by_subject"),)


class ConsentState(models.Model):
    """Where a person stands on a purpose now: the ledger's projection, written in the same transaction."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject_id = models.UUIDField()
    purpose = models.ForeignKey(Purpose, on_delete=models.PROTECT)
    action = models.CharField(max_length=16, choices=ConsentAction)
    since = models.DateTimeField()
    event = models.ForeignKey(ConsentEvent, on_delete=models.PROTECT)

    objects = ConsentStateQuerySet.as_manager()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["subject_id", "purpose"], name="one_state_per_purpose"),)
