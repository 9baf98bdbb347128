"""Controllers, the people who sign in, their sessions and codes, and the programs that call the API."""

import zoneinfo
from typing import ClassVar
from uuid import UUID

from allauth.idp.oidc.models import Client as OAuthClient
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from guardian.models import GroupObjectPermissionBase
from uuid_utils.compat import uuid7

from identity_privacy.access.querysets import ApiSecretQuerySet, SessionQuerySet
from identity_privacy.access.terms import Familiarity, Permission, SignInMethod
from identity_privacy.crypto.fields import EncryptedTextField
from identity_privacy.crypto.querysets import SealedQuerySet
from identity_privacy.crypto.rows import SealedModel


class Controller(models.Model):
    """The brand that decides why and how data is used (GDPR Art. 4(7)); every other row belongs to one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    host = models.CharField(max_length=253, unique=True, help_text="The host name of its portal")
    country = models.CharField(max_length=2, help_text="ISO 3166 code of its establishment, for its public holidays")
    time_zone = models.CharField(max_length=64, default="Europe/Berlin")
    privacy_email = models.EmailField()

    class Meta:
        permissions = tuple(Permission.choices)

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The zone of its establishment, in which the law's days are counted."""
        return zoneinfo.ZoneInfo(self.time_zone)


class ControllerGroupPermission(GroupObjectPermissionBase):
    """What a role may do for a controller."""

    content_object = models.ForeignKey(Controller, on_delete=models.CASCADE)


class UserManager(BaseUserManager["User"]):
    """Makes the kinds of user rows."""

    def create_staff(self, username: str, password: str) -> "User":
        """A member of staff, who may do nothing until given a role for a controller."""
        user = User(username=username, is_staff=True)
        user.set_password(password)
        user.save()
        return user

    def for_subject(self, controller: Controller, subject_id: UUID) -> "User":
        """The opaque user row of a person, made at their first sign-in; it holds no name and no address."""
        user, _ = self.get_or_create(
            subject_id=subject_id,
            defaults={"controller": controller, "username": f"{uuid7()}@subject.invalid", "password": "!"},
        )
        return user

    def create_program(self) -> "User":
        """The opaque user row of a program, which nobody can sign in as."""
        user = User(username=f"{uuid7()}@program.invalid")
        user.set_unusable_password()
        user.save()
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who signs in: staff by name, a data subject as an opaque UUID."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    username = models.CharField(max_length=150, unique=True)
    controller = models.ForeignKey(Controller, on_delete=models.PROTECT, null=True, blank=True)
    subject_id = models.UUIDField(null=True, blank=True, unique=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    signed_out_at = models.DateTimeField(null=True, help_text="Sign-ins that were begun before it end nowhere")

    broke_glass_at = models.ForeignKey(
        Controller, on_delete=models.SET_NULL, null=True, related_name="+", help_text="Where they act in an emergency"
    )
    broke_glass_until = models.DateTimeField(null=True, help_text="By the machine's own clock")

    objects = UserManager()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(is_staff=False) | models.Q(subject_id=None), name="nobody_is_staff_and_subject"
            ),
            models.CheckConstraint(
                condition=models.Q(broke_glass_until=None) | models.Q(broke_glass_at__isnull=False, is_staff=True),
                name="only_staff_break_glass_and_somewhere",
            ),
        )


class Session(models.Model):
    """One browser that was here. What it knows is sealed under its cookie, which is stored nowhere (`sessions`)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    lookup = models.CharField(max_length=64, unique=True, help_text="Reckoned from the cookie")
    user = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, help_text="Who has signed in with it")
    payload = models.BinaryField()
    begun_at = models.DateTimeField(help_text="By the machine's own clock, as the two below")
    seen_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    objects = SessionQuerySet.as_manager()


class SignIn(models.Model):
    """That somebody signed in: when, how, and with what, in a few coarse words; kept for 400 days.

    Device and network are keyed hashes of this person's alone, good for saying "as before" and for nothing else.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sign_ins")
    session = models.OneToOneField(Session, on_delete=models.SET_NULL, null=True, related_name="sign_in")
    at = models.DateTimeField(db_index=True)
    method = models.CharField(max_length=16, choices=SignInMethod)
    has_app_code = models.BooleanField(default=False, help_text="With a code of their authenticator app besides")
    familiarity = models.CharField(max_length=16, choices=Familiarity)
    browser = models.CharField(max_length=32, blank=True, help_text="Of a short list, such as Firefox")
    platform = models.CharField(max_length=32, blank=True, help_text="Of a short list, such as Windows")
    device = models.CharField(max_length=64)
    network = models.CharField(max_length=64)


class BarredAccount(models.Model):
    """An account elsewhere that a person has removed: it signs them in no more, until they let it in again."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="barred_accounts")
    provider = models.CharField(max_length=200)
    uid = models.CharField(max_length=191)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "provider", "uid"], name="barred_once"),)


class AuthenticatorSecret(SealedModel):
    """What an authenticator app or recovery codes are reckoned from, under the person's key.

    The package for second factors keeps this row's id where it would keep the secret.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="authenticator_secrets")
    secret = EncryptedTextField(place="access.authenticator_secret.secret")

    objects = SealedQuerySet.as_manager()


class SignInTally(models.Model):
    """What was asked and tried in one person's name; its row is locked while a code of theirs is made or tried.

    An unknown address has one as well, so that both cost the same: `who` is the person's id, or one that is reckoned
    from the address under our secret key.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    controller = models.ForeignKey(Controller, on_delete=models.CASCADE)
    who = models.UUIDField()
    asked_at = models.DateTimeField(db_index=True, help_text="When a code was last asked for")
    failures = models.PositiveSmallIntegerField(default=0, help_text="Wrong tries since the time below")
    failing_since = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["controller", "who"], name="one_tally_a_person"),)


class SignInCode(models.Model):
    """A code of six digits sent to an address; for an unknown address a decoy that no code can match."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    controller = models.ForeignKey(Controller, on_delete=models.CASCADE)
    tally = models.ForeignKey(SignInTally, on_delete=models.CASCADE, related_name="codes")
    subject_id = models.UUIDField(null=True)
    code_hash = models.CharField(max_length=128)
    expires_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    used_at = models.DateTimeField(null=True)


class ApiClient(models.Model):
    """A program that calls the API for one controller; what it may do is its role's, and its tokens' scopes'."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    controller = models.ForeignKey(Controller, on_delete=models.CASCADE)
    code = models.SlugField()
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="api_client")
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["controller", "code"], name="one_api_client_per_code"),)

    def __str__(self) -> str:
        return self.code


class ApiSecret(models.Model):
    """One of a program's secrets, which is an OAuth client of its own: so two are valid while it is rotated."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    client = models.ForeignKey(ApiClient, on_delete=models.CASCADE, related_name="secrets")
    oauth_client = models.OneToOneField(OAuthClient, on_delete=models.CASCADE, related_name="api_secret")
    valid_until = models.DateTimeField(null=True)

    objects = ApiSecretQuerySet.as_manager()


class RateTally(models.Model):
    """How often somebody did something within a window of time; of whom only a keyed hash is known."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    whose = models.CharField(max_length=64)
    ends_at = models.DateTimeField(db_index=True)
    count = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["whose", "ends_at"], name="one_rate_tally_a_window"),)


class CacheEntry(models.Model):
    """A row of Django's cache, in which the packages for signing in count tries and remember used codes."""

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)
