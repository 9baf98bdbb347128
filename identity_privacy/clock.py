"""The only place that reads the time."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings


def now() -> datetime:
    """The time by which the law's dates and our own are reckoned, in UTC.

    `CLOCK_OFFSET_SECONDS` moves it forward for a demonstration; a start-up check refuses that in production.
    """
    return machine_now() + timedelta(seconds=settings.CLOCK_OFFSET_SECONDS)


def machine_now() -> datetime:
    """The machine's own time, never moved: for what other machines compare with theirs, as a webhook's timestamp."""
    return datetime.now(UTC)


def today(zone: ZoneInfo) -> date:
    """The calendar day in `zone`, usually that of the controller's establishment."""
    return now().astimezone(zone).date()
