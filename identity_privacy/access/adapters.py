"""What the packages for signing in do differently here: no address, name or secret in their tables, words of ours."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.stagekit import clear_login
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.debug import sensitive_variables

from identity_privacy.access import devices, presence, services
from identity_privacy.access.directory import directory
from identity_privacy.access.models import AuthenticatorSecret, User
from identity_privacy.access.rules import AS_BEFORE
from identity_privacy.access.terms import Familiarity, SignInMethod
from identity_privacy.actors import Actor
from identity_privacy.audit.origin import client_address
from identity_privacy.crypto.reading import Reading
from identity_privacy.errors import NotFound


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # the package has no types
    """How a sign-in ends, whichever way it began."""

    def pre_login(self, request: HttpRequest, user: User, **kwargs: object) -> HttpResponse | None:
        """Let nobody in who is not a person of this controller."""
        controller = getattr(request, "controller", None)
        is_here = controller is not None and user.controller_id == controller.id
        if not (is_here and user.is_active and user.subject_id):
            clear_login(request)
            return redirect("access:sign-in")
        return None

    def post_login(self, request: HttpRequest, user: User, **kwargs: object) -> HttpResponse:
        """Enter the sign-in, and know the browser again next time."""
        answer: HttpResponse = super().post_login(request, user, **kwargs)
        device = devices.device_of(request)
        records = get_authentication_records(request, user)
        row = services.enter_sign_in(
            user=user,
            controller=request.controller,  # type: ignore[attr-defined]  # set by our middleware
            method=_method_of(records),
            has_app_code=any(one.get("type") in _OF_AN_APP for one in records),
            device=device,
            session_id=request.session.row_id,  # type: ignore[attr-defined]  # of our own session store
        )
        if Familiarity(row.familiarity) in AS_BEFORE or row.has_app_code or row.method == SignInMethod.PASSKEY:
            presence.confirm(request)
        devices.remember(answer, device)
        return answer

    def get_client_ip(self, request: HttpRequest) -> str:
        """For the package's limits: as the last of our own proxies saw it."""
        return client_address(request) or "0.0.0.0"  # noqa: S104  # all of whom nothing is known count as one

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: object = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        """Say what went wrong; that something went well the page itself shows."""
        if level >= messages.ERROR and message:
            messages.add_message(request, level, message)

    def send_notification_mail(self, *args: object, **kwargs: object) -> None:
        """Nothing: the verb that enters a change tells the person of it, through the outbox."""


def _method_of(records: Sequence[Mapping[str, object]]) -> SignInMethod:
    """By what a sign-in began, as the package has recorded it."""
    if any(one.get("passwordless") for one in records):
        return SignInMethod.PASSKEY
    return SignInMethod.ACCOUNT if any(one["method"] == "socialaccount" for one in records) else SignInMethod.CODE


_OF_AN_APP: Final = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # the package has no types
    """Second factors and passkeys, with secrets sealed under their person's key."""

    @sensitive_variables("text")
    def encrypt(self, text: str) -> str:
        """Seal a secret in a row of ours, whose id the package keeps in its place."""
        user = _user()
        entry = directory().entry(_subject_of(user))
        if entry is None:
            raise NotFound
        row = AuthenticatorSecret.objects.create(user=user, data_key_id=entry.data_key_id, secret=text)
        return str(row.id)

    def decrypt(self, encrypted_text: str) -> str:
        """The secret of the person who signs in or is signed in; nobody else's, whatever stands in the table."""
        user = _user()
        row = AuthenticatorSecret.objects.get(id=UUID(encrypted_text), user=user)
        with Reading(
            actor=Actor.subject(_subject_of(user)),
            purpose="portal.authenticator",
            subject_id=user.subject_id,
            controller_id=user.controller_id,
            reason="To check or show a code",
            what="sign_in_secret",
        ):
            return str(row.secret)

    def is_mfa_enabled(self, user: User, types: list[str] | None = None) -> bool:
        """Whether somebody has an authenticator of these kinds.

        Where a sign-in asks whether it needs a second step, passkeys do not count: each is a way in of its own.
        """
        asked = set(types or Authenticator.Type.values)
        if asked != {Authenticator.Type.WEBAUTHN}:
            asked -= {Authenticator.Type.WEBAUTHN}
        return bool(Authenticator.objects.filter(user_id=user.pk, type__in=asked).exists())

    def get_totp_label(self, user: User) -> str:
        """What the app shows beside its code: no address, which would stay in the app."""
        return str(context.request.controller.host)

    def get_totp_issuer(self) -> str:
        """Whose code it is."""
        return str(context.request.controller.name)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """For whom a passkey is: this controller under its host name, and no other."""
        return {"id": context.request.get_host().partition(":")[0], "name": context.request.controller.name}

    def get_public_key_credential_user_entity(self, user: User) -> dict[str, str | bytes]:
        """What the browser shows when a passkey is used: no address, which would stay on the device."""
        controller = context.request.controller
        return {"id": str(user.pk).encode(), "display_name": controller.name, "name": controller.host}

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # its name there
        """None: the page calls a passkey by its day."""
        return ""


def _user() -> User:
    """Who is signed in, or about to be."""
    request = context.request
    user: User = request.user if request.user.is_authenticated else request._login_stage.login.user
    return user


def _subject_of(user: User) -> UUID:
    if user.subject_id is None:
        raise NotFound
    return user.subject_id
