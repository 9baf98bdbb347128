"""Start-up checks: what must not go into production, each with what to do."""

from collections.abc import Mapping, Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from identity_privacy.crypto.router import KEYS


def check_settings(*, app_configs: Sequence[AppConfig] | None = None, **_: object) -> list[CheckMessage]:
    """E001 to E005: the development's conveniences, refused where `PRODUCTION` is set; E006 always."""
    findings: list[tuple[bool, str, str, str]] = [
        (
            settings.SECRET_KEY == settings.DEVELOPMENT_SECRET_KEY,
            "E001",
            "SECRET_KEY is the development's",
            "Set SECRET_KEY to 50 random characters.",
        ),
        (
            settings.CLOCK_OFFSET_SECONDS != 0,
            "E002",
            "the clock is moved",
            "Unset CLOCK_OFFSET_SECONDS: the law's dates are reckoned by it.",
        ),
        (
            settings.ALLOW_LOOPBACK_PARTNERS,
            "E003",
            "linked systems on this machine are allowed",
            "Unset ALLOW_LOOPBACK_PARTNERS: it opens this machine's own services to whoever names an endpoint.",
        ),
        (settings.DEBUG, "E004", "DEBUG is on", "Unset DEBUG: its error pages show what they must not."),
        (
            settings.CELERY_BROKER_URL.startswith("embedded://"),
            "E005",
            "the broker is the embedded one",
            "Set CELERY_BROKER_URL to RabbitMQ or Redis.",
        ),
    ]
    errors: list[CheckMessage] = [
        Error(f"{message} in production", hint=hint, id=f"identity_privacy.{number}")
        for wrong, number, message, hint in findings
        if settings.PRODUCTION and wrong
    ]
    if _names_one_database(settings.DATABASES["default"], settings.DATABASES[KEYS]):
        errors.append(
            Error(
                "data and keys are in one database",
                hint="Set DATABASE_KEYS_URL to a database of its own: who holds both needs only the root key.",
                id="identity_privacy.E006",
            )
        )
    return errors


def _names_one_database(data: Mapping[str, object], keys: Mapping[str, object]) -> bool:
    def place(database: Mapping[str, object]) -> tuple[object, ...]:
        return tuple(database.get(part) or "" for part in ("ENGINE", "HOST", "PORT", "NAME"))

    return place(data) == place(keys)
