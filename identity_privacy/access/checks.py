"""Start-up checks of signing in."""

from collections.abc import Iterable, Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import DEFAULT_DB_ALIAS, DatabaseError

from identity_privacy.access.models import Controller, User
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


def check_superusers(*, databases: Iterable[str] | None = None, **_: object) -> list[CheckMessage]:
    """Refuse a superuser in production: the flag opens nothing here, and something else some day perhaps."""
    if not settings.PRODUCTION or DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    try:
        is_there = User.objects.filter(is_superuser=True).exists()
    except DatabaseError:  # not migrated yet
        return []
    hint = "Take the flag away; in an emergency there is `manage.py staff break-glass`."
    return [Error("there is a superuser in production", hint=hint, id="access.E003")] if is_there else []


def check_provider_controllers(*, databases: Iterable[str] | None = None, **_: object) -> list[CheckMessage]:
    """Refuse a provider of a controller that there is not: its button would stand nowhere."""
    if not settings.SIGN_IN_PROVIDERS or DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    try:
        wanted = {one.controller for one in configured(settings.SIGN_IN_PROVIDERS)}
        unknown = sorted(wanted - set(Controller.objects.values_list("code", flat=True)))
    except (Invalid, DatabaseError):  # said by another check, or not migrated yet
        return []
    hint = "Write the controller's code: `manage.py controller list` shows all."
    message = f"SIGN_IN_PROVIDERS names controllers that there are not: {', '.join(unknown)}"
    return [Error(message, hint=hint, id="access.E004")] if unknown else []


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
