"""Authenticator apps and passkeys: the package's forms (`MFA_FORMS`), with our words, our limit and our log."""

import struct
from typing import Any, Final

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm, LoginWebAuthnForm, ReauthenticateWebAuthnForm
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from identity_privacy.access import presence, services
from identity_privacy.access.limits import WRONG_APP_CODES, count_one, refuse_if_reached
from identity_privacy.access.models import User

_NEEDED: Final = _("Enter the six digits that your app shows")
_WRONG: Final = _("This code does not work. Enter the one that your app shows now, or one of your recovery codes")
_WRONG_AT_FIRST: Final = _("This code does not work. Enter the one that your app shows now")
_UNKNOWN_PASSKEY: Final = _("This passkey does not work here. Use a code instead")


# What the packages let through of a credential that is no credential.
_UNREADABLE: Final = (ValidationError, ValueError, TypeError, KeyError, AttributeError, struct.error)


class _ChecksCode:
    """A code of the app, or a recovery code: at most so many wrong ones a day, each of them in the log."""

    user: User
    authenticator: Authenticator

    def clean_code(self) -> str:
        """The code, once it is one of this person's. Raises: TooOften."""
        refuse_if_reached(WRONG_APP_CODES, str(self.user.pk))
        try:
            return str(super().clean_code())  # type: ignore[misc]  # of the form that it is mixed into
        except ValidationError:
            count_one(WRONG_APP_CODES, str(self.user.pk))
            services.enter_refusal(user=self.user, controller=context.request.controller, method="app_code")
            raise ValidationError(_WRONG) from None

    def save(self) -> None:
        """Remember that they have shown who they are."""
        super().save()  # type: ignore[misc]  # as above
        presence.confirm(context.request)


class AppCodeForm(_ChecksCode, AuthenticateForm):  # type: ignore[misc]  # the package has no types
    """The second step of a sign-in."""

    code = forms.CharField(error_messages={"required": _NEEDED}, max_length=20)


class ConfirmByAppForm(_ChecksCode, ReauthenticateForm):  # type: ignore[misc]  # as above
    """Showing once more who one is, by the app."""

    code = forms.CharField(error_messages={"required": _NEEDED}, max_length=20)

    def save(self) -> None:
        """Enter it."""
        super().save()
        services.enter_confirmation(
            user=self.user, controller=context.request.controller, method=self.authenticator.type
        )


class ActivateAppForm(ActivateTOTPForm):  # type: ignore[misc]  # as above
    """The first code of a new app."""

    code = forms.CharField(error_messages={"required": _NEEDED}, max_length=20)

    def clean_code(self) -> str:
        """The code, once it is the new app's."""
        try:
            return str(super().clean_code())
        except ValidationError:
            raise ValidationError(_WRONG_AT_FIRST) from None


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]  # as above
    """A new passkey; it has no name, in which people would write their own."""

    def clean_name(self) -> str:
        """None."""
        return ""

    def clean(self) -> dict[str, Any]:
        """The passkey, once it is one that was made just now for this page."""
        try:
            return dict(super().clean())
        except _UNREADABLE:
            raise ValidationError(_UNKNOWN_PASSKEY) from None


class PasskeyForm(LoginWebAuthnForm):  # type: ignore[misc]  # as above
    """Signing in by a passkey."""

    def clean_credential(self) -> Authenticator:
        """The passkey that was shown, and whose it is."""
        try:
            return super().clean_credential()
        except _UNREADABLE:
            services.enter_refusal(user=None, controller=context.request.controller, method="passkey")
            raise ValidationError(_UNKNOWN_PASSKEY) from None


class ConfirmByPasskeyForm(ReauthenticateWebAuthnForm):  # type: ignore[misc]  # as above
    """Showing once more who one is, by a passkey."""

    def clean_credential(self) -> Authenticator:
        """The passkey, once it is one of this person's."""
        controller = context.request.controller
        try:
            passkey: Authenticator = super().clean_credential()
        except _UNREADABLE:
            services.enter_refusal(user=self.user, controller=controller, method="passkey")
            raise ValidationError(_UNKNOWN_PASSKEY) from None
        services.enter_confirmation(user=self.user, controller=controller, method="passkey")
        presence.confirm(context.request)
        return passkey
