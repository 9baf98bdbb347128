"""Notebooks with sealed notes, and contacts that are found by their e-mail address."""

from django.db import models

from identity_privacy.crypto.fields import (
    BlindIndexField,
    EncryptedBinaryField,
    EncryptedDateField,
    EncryptedJSONField,
    EncryptedTextField,
    NextBlindIndexField,
)
from identity_privacy.crypto.querysets import SealedQuerySet
from identity_privacy.crypto.rows import SealedModel


class Notebook(models.Model):
    """What notes stand in; nothing of it is secret."""

    title = models.CharField(max_length=80)
    controller_id = models.UUIDField()

    def __str__(self) -> str:
        return self.title


class Note(SealedModel):
    """A page: every kind of encrypted field beside plain ones."""

    notebook = models.ForeignKey(Notebook, on_delete=models.CASCADE, related_name="notes")
    text = EncryptedTextField(place="notebook.note.text", max_length=1_000_000, editable=True)
    day = EncryptedDateField(place="notebook.note.day", null=True, blank=True, editable=True)
    details = EncryptedJSONField(place="notebook.note.details", default=dict, blank=True, editable=True)
    drawing = EncryptedBinaryField(place="notebook.note.drawing", null=True)
    remark = EncryptedTextField(place="notebook.note.remark", null=True, blank=True)
    position = models.PositiveIntegerField(default=0)
    written_at = models.DateTimeField(null=True, editable=False)

    objects = SealedQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"


class Contact(SealedModel):
    """Somebody whom a notebook names; found by the address, which nobody reads from the index."""

    controller_id = models.UUIDField()
    note = models.ForeignKey(Note, on_delete=models.CASCADE, null=True, related_name="contacts")
    email = EncryptedTextField(place="notebook.contact.email")
    index = BlindIndexField(of="email", kind="email")
    next_index = NextBlindIndexField(of="index")

    objects = SealedQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["controller_id", "index"], name="one_contact_per_address"),
            models.UniqueConstraint(fields=["controller_id", "next_index"], name="one_contact_per_address_next"),
        )
