"""Authenticator apps and passkeys: the package's forms (`MFA_FORMS`), with our words, our limit and our log."""

import struct
from typing import Any, Final

from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from identity_privacy.access import presence, services
from identity_privacy.access.limits import WRONG_APP_CODES, count_one, refuse_if_reached
from identity_privacy.access.models import User

_NEEDED: Final = _("Enter the six digits that your app shows")
_WRONG: Final = _("This code does not work. Enter the one that your app shows now, or one of your recovery codes")
_WRONG_AT_FIRST: Final = _("This code does not work. Enter the one that your app shows now")
_UNKNOWN_PASSKEY: Final = _("This passkey does not work here. Use a code instead")
_WAIT: Final = _("That was too often. Wait five minutes and enter the code that your app shows then")
_TOO_MANY: Final = "too_many_login_attempts"
# For as long as the app's clock and ours may differ a code is right; it is used once all the same.
_CODE_SECONDS: Final = 30 * (2 * settings.MFA_TOTP_TOLERANCE + 2)
# What the packages let through of a credential that is no credential.
_UNREADABLE: Final = (ValidationError, ValueError, TypeError, LookupError, AttributeError, struct.error)


def _refuse_used(user: User, code: str) -> None:
    """Raises: ValidationError, for a code that was shown before; the package forgets it while it is right still."""
    if not cache.add(f"app code used: {user.pk} {code}", "y", timeout=_CODE_SECONDS):
        raise ValidationError(_WRONG)


class _ChecksCode:
    """A code of the app, or a recovery code: at most so many wrong ones a day, each of them in the log."""

    user: User
    authenticator: Authenticator

    def clean_code(self) -> str:
        """The code, once it is one of this person's. Raises: TooOften."""
        refuse_if_reached(WRONG_APP_CODES, str(self.user.pk))
        try:
            code = str(super().clean_code())  # type: ignore[misc]  # of the form that it is mixed into
            _refuse_used(self.user, code)
        except ValidationError as error:
            if error.code == _TOO_MANY:
                raise ValidationError(_WAIT) from None
            count_one(WRONG_APP_CODES, str(self.user.pk))
            services.enter_refusal(user=self.user, controller=context.request.controller, method="app_code")
            raise ValidationError(_WRONG) from None
        return code

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
            code = str(super().clean_code())
            _refuse_used(self.user, code)
        except ValidationError as error:
            if error.code == _TOO_MANY:
                raise ValidationError(_WAIT) from None
            raise ValidationError(_WRONG_AT_FIRST) from None
        return code


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]  # as above
    """A new passkey; it has no name, in which people would write their own."""

    def clean_name(self) -> str:
        """None."""
        return ""

    def clean(self) -> dict[str, Any]:
        """The passkey, once it is one that was made just now for this page."""
        # The package passes over what counts as false, such as the number nought, and would keep it as a passkey.
        if not isinstance(self.cleaned_data.get("credential"), dict):
            raise ValidationError(_UNKNOWN_PASSKEY)
        try:
            return dict(super().clean())
        except _UNREADABLE:
            raise ValidationError(_UNKNOWN_PASSKEY) from None


class _ChecksPasskey:
    """A passkey; one that does not hold is in the log. `user` is None where it says itself whose it is."""

    user: User | None

    def clean_credential(self) -> Authenticator:
        """The passkey that was shown, once it is right."""
        try:
            return super().clean_credential()  # type: ignore[misc]  # of the form that it is mixed into
        except _UNREADABLE:
            services.enter_refusal(user=self.user, controller=context.request.controller, method="passkey")
            raise ValidationError(_UNKNOWN_PASSKEY) from None


class PasskeyStepForm(_ChecksPasskey, AuthenticateWebAuthnForm):  # type: ignore[misc]  # the package has no types
    """A passkey as the second step of a sign-in, in place of the app."""


class PasskeyForm(_ChecksPasskey, LoginWebAuthnForm):  # type: ignore[misc]  # as above
    """Signing in by a passkey."""


class ConfirmByPasskeyForm(_ChecksPasskey, ReauthenticateWebAuthnForm):  # type: ignore[misc]  # as above
    """Showing once more who one is, by a passkey."""

    user: User

    def clean_credential(self) -> Authenticator:
        """The passkey, once it is one of this person's."""
        passkey = super().clean_credential()
        services.enter_confirmation(user=self.user, controller=context.request.controller, method="passkey")
        presence.confirm(context.request)
        return passkey
