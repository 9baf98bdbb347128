"""What the packages for signing in do differently here: no address, name or secret in their tables, words of ours."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.stagekit import clear_login
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_variables

from identity_privacy.access import devices, presence, services
from identity_privacy.access.directory import directory
from identity_privacy.access.models import AuthenticatorSecret, Controller, ControllerGroupPermission, User
from identity_privacy.access.providers import provider_of
from identity_privacy.access.sessions import SECOND_FACTOR
from identity_privacy.access.single_sign_on import forget_sign_on, was_vouched_for
from identity_privacy.access.terms import Familiarity, SignInMethod
from identity_privacy.actors import Actor
from identity_privacy.audit.origin import client_address
from identity_privacy.crypto.keys import staff_key
from identity_privacy.crypto.reading import Reading
from identity_privacy.errors import NotFound


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # the package has no types
    """How a sign-in ends, whichever way it began."""

    def pre_login(self, request: HttpRequest, user: User, **kwargs: object) -> HttpResponse | None:
        """Let nobody begin who may not come in."""
        return None if _may_come_in(request, user) else _turned_away(request)

    def login(self, request: HttpRequest, user: User) -> None:
        """Let nobody end a sign-in who may not come in, here and now: it was begun a while ago, perhaps elsewhere."""
        if not _may_come_in(request, user):
            raise ImmediateHttpResponse(_turned_away(request))
        super().login(request, user)

    def post_login(self, request: HttpRequest, user: User, **kwargs: object) -> HttpResponse:
        """Enter the sign-in, and know a person's browser again next time."""
        answer: HttpResponse = super().post_login(request, user, **kwargs)
        records = get_authentication_records(request, user)
        has_app_code = any(one.get("type") in _OF_AN_APP for one in records)
        controller = request.controller  # type: ignore[attr-defined]  # set by our middleware
        if user.is_staff:
            has_second_factor = was_vouched_for(request, records) or has_app_code
            request.session[SECOND_FACTOR] = has_second_factor
            if any(one["method"] == "password" for one in records):
                forget_sign_on(request)
            by = "account" if any(one["method"] == "socialaccount" for one in records) else "password"
            services.enter_staff_sign_in(
                user=user, controller=controller, method=by, has_second_factor=has_second_factor
            )
            return answer
        device, method = devices.device_of(request), _method_of(records)
        request.session.save()  # so that there is a row to name
        row = services.enter_sign_in(
            user=user,
            controller=controller,
            method=method,
            has_app_code=has_app_code,
            device=device,
            session_id=request.session.row_id,  # type: ignore[attr-defined]  # of our own session store
        )
        is_as_before = method == SignInMethod.CODE and row.familiarity == Familiarity.KNOWN
        if is_as_before or has_app_code or method == SignInMethod.PASSKEY:
            presence.confirm(request)
        devices.remember(answer, device)
        return answer

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Where a sign-in leads that named no page."""
        is_staff = isinstance(request.user, User) and request.user.is_staff
        return reverse("admin:index") if is_staff else str(super().get_login_redirect_url(request))

    def is_safe_url(self, url: str | None) -> bool:
        """Whether a page may be gone on to: one of ours, under the same host name."""
        request = context.request
        return url_has_allowed_host_and_scheme(
            url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        )

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


def _may_come_in(request: HttpRequest, user: User) -> bool:
    """Whether this is a person of the controller, or a member of staff by their own door; not signed out meanwhile."""
    controller = getattr(request, "controller", None)
    records = get_authentication_records(request, user)
    is_person = controller is not None and user.controller_id == controller.id and user.subject_id is not None
    is_staff = user.is_staff and any(one["method"] == "password" or _is_of_staff(controller, one) for one in records)
    is_late = user.signed_out_at is not None and any(one["at"] < user.signed_out_at.timestamp() for one in records)
    return user.is_active and (is_person or is_staff) and not is_late


def _is_of_staff(controller: Controller | None, record: Mapping[str, object]) -> bool:
    provider = provider_of(controller.code, str(record.get("provider"))) if controller else None
    return record["method"] == "socialaccount" and provider is not None and provider.staff is not None


def _turned_away(request: HttpRequest) -> HttpResponse:
    clear_login(request)
    return redirect("access:sign-in")


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
        row = AuthenticatorSecret.objects.create(user=user, data_key_id=_key_of(user), secret=text)
        return str(row.id)

    def decrypt(self, encrypted_text: str) -> str:
        """The secret of whoever signs in or is signed in; nobody else's, whatever stands in the table."""
        user = _user()
        row = AuthenticatorSecret.objects.get(id=UUID(encrypted_text), user=user)
        with Reading(
            actor=Actor.subject(user.subject_id) if user.subject_id else Actor.user(user.id),
            purpose="portal.authenticator",
            subject_id=user.subject_id,
            controller_id=user.controller_id,
            reason="To check or show a code",
            what="sign_in_secret",
        ):
            return str(row.secret)

    def is_mfa_enabled(self, user: User | None, types: list[str] | None = None) -> bool:
        """Whether somebody has an authenticator of these kinds.

        Where a sign-in asks whether it needs a second step, passkeys do not count: each is a way in of its own.
        """
        if user is None:  # erased while they were signing in
            return False
        asked = set(types or Authenticator.Type.values)
        if asked != {Authenticator.Type.WEBAUTHN}:
            asked -= {Authenticator.Type.WEBAUTHN}
        return bool(Authenticator.objects.filter(user_id=user.pk, type__in=asked).exists())

    def get_totp_label(self, user: User) -> str:
        """What the app shows beside its code: of a person no address, which would stay in the app."""
        return user.username if user.is_staff else str(context.request.get_host())

    def get_totp_issuer(self) -> str:
        """Whose code it is."""
        controller = context.request.controller
        return str(controller.name if controller else context.request.get_host())

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """For whom a passkey is: this controller under its host name, and no other."""
        return {"id": context.request.get_host().partition(":")[0], "name": self.get_totp_issuer()}

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


def _key_of(user: User) -> UUID:
    """Under which key somebody's secrets are sealed. Raises: NotFound, for a person who was erased meanwhile."""
    if user.subject_id is None:
        held = ControllerGroupPermission.objects.filter(group__user=user).order_by("id")
        controller_id = held.values_list("content_object_id", flat=True).first() or user.broke_glass_at_id
        if controller_id is None:
            raise NotFound
        return staff_key(controller_id, user.id)
    entry = directory().entry(user.subject_id)
    if entry is None:
        raise NotFound
    return entry.data_key_id
