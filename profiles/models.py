"""People as one controller knows them; every personal value is sealed under the person's own key."""

from django.db import models
from uuid_utils.compat import uuid7

from identity_privacy.access.models import Controller
from identity_privacy.crypto.fields import BlindIndexField, DataKeyField, EncryptedTextField, NextBlindIndexField
from identity_privacy.crypto.rows import SealedModel
from profiles.querysets import AttributeQuerySet, IdentifierQuerySet, ProfileQuerySet
from profiles.terms import Category, IdentifierKind, Stage


class Profile(models.Model):
    """One person at one controller; its id is the `subject_id` that every other floor knows."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    controller = models.ForeignKey(Controller, on_delete=models.PROTECT)
    data_key_id = DataKeyField()
    stage = models.CharField(max_length=16, choices=Stage, default=Stage.LITE)
    created_at = models.DateTimeField()
    restricted_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(null=True)

    objects = ProfileQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(fields=["controller", "id"], name="profile_by_controller"),)

    def __str__(self) -> str:
        return f"person {self.id.hex[-8:]}"


class Identifier(SealedModel):
    """Something that names a person: an address, a number, a record id in another system."""

    controller = models.ForeignKey(Controller, on_delete=models.PROTECT)
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="identifiers")
    kind = models.CharField(max_length=16, choices=IdentifierKind)
    value = EncryptedTextField(place="profiles.identifier.value")
    index = BlindIndexField(of="value", kind_field="kind")
    next_index = NextBlindIndexField(of="index")
    source = models.CharField(max_length=64)
    is_exclusive = models.BooleanField(default=False, help_text="Shown to be this person's alone")
    verified_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField()

    objects = IdentifierQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["controller", "kind", "index"],
                condition=models.Q(is_exclusive=True),
                name="one_person_per_exclusive_identifier",
            ),
            models.UniqueConstraint(
                fields=["controller", "kind", "next_index"],
                condition=models.Q(is_exclusive=True),
                name="one_person_per_exclusive_identifier_next",
            ),
        )
        indexes = (models.Index(fields=["controller", "kind", "index"], name="identifier_by_index"),)


class AttributeDefinition(models.Model):
    """What a controller may know about people: its label, its category and what it is for."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    controller = models.ForeignKey(Controller, on_delete=models.PROTECT)
    code = models.SlugField()
    label = models.CharField(max_length=80)
    category = models.CharField(max_length=16, choices=Category)
    is_sensitive = models.BooleanField(default=False, help_text="Shown only after a fresh sign-in")
    purposes = models.JSONField(default=list, help_text="Codes of the purposes that it is used for")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["controller", "code"], name="one_definition_per_code"),)

    def __str__(self) -> str:
        return self.label


class Attribute(SealedModel):
    """One fact about a person, with where it came from."""

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="attributes")
    definition = models.ForeignKey(AttributeDefinition, on_delete=models.PROTECT)
    value = EncryptedTextField(place="profiles.attribute.value")
    source = models.CharField(max_length=64)
    recorded_at = models.DateTimeField()

    objects = AttributeQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["profile", "definition"], name="one_current_value_per_definition"),
        )
