"""Start-up checks of delivery's settings."""

from collections.abc import Sequence

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error


def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: object) -> list[CheckMessage]:
    """Refuse settings under which a message would be sent twice as a rule, or to a private network."""
    found: list[CheckMessage] = []
    if settings.DELIVERY_LEASE_SECONDS < 2 * settings.DELIVERY_TIMEOUT_SECONDS:
        found.append(
            Error(
                "A lease may run out while its message is still being sent.",
                hint="Set DELIVERY_LEASE_SECONDS to at least twice DELIVERY_TIMEOUT_SECONDS.",
                id="delivery.E001",
            )
        )
    if settings.PRODUCTION and settings.ALLOW_LOOPBACK_PARTNERS:
        found.append(
            Error(
                "Linked systems on this machine are allowed in production.",
                hint="Unset ALLOW_LOOPBACK_PARTNERS.",
                id="delivery.E002",
            )
        )
    if settings.DELIVERY_RETRY_BASE_SECONDS <= 0 or settings.DELIVERY_SWEEP_SECONDS <= 0:
        found.append(
            Error(
                "Retries and sweeps need a time above zero.",
                hint="Set DELIVERY_RETRY_BASE_SECONDS and DELIVERY_SWEEP_SECONDS to seconds, such as 5 and 10.",
                id="delivery.E003",
            )
        )
    return found
