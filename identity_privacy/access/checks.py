"""Start-up checks of signing in."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from identity_privacy.access.providers import configured
from identity_privacy.errors import Invalid


def check_providers(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Refuse a file of providers that cannot be so, before somebody wants to sign in by it."""
    try:
        if settings.SIGN_IN_PROVIDERS:
            configured(settings.SIGN_IN_PROVIDERS)
    except Invalid as error:
        message = f"the file of SIGN_IN_PROVIDERS {error}"
        return [Error(message, hint="docs/howto/other-accounts.md says how it is written.", id="access.E001")]
    return []


def check_second_factor(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Refuse a console that opens by a password alone, where it is more than a trial."""
    if not settings.PRODUCTION or settings.STAFF_SECOND_FACTOR:
        return []
    return [
        Error(
            "the console opens by a password alone in production",
            hint="Unset STAFF_SECOND_FACTOR: each member of staff sets up an authenticator app at the next sign-in.",
            id="access.E002",
        )
    ]
