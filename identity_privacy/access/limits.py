"""How often somebody may do something.

Counted in the database by one statement each, so that it holds over all threads, processes and hosts; of whom, only a
hash under our secret key is stored, until the window of time is over.
"""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from django.utils.crypto import salted_hmac
from uuid_utils.compat import uuid7

from identity_privacy import clock
from identity_privacy.access.models import CacheEntry, RateTally
from identity_privacy.audit.origin import client_address
from identity_privacy.errors import TooOften

_COUNT: Final = """
    INSERT INTO access_ratetally (id, whose, ends_at, count) VALUES (%s, %s, %s, 1)
    ON CONFLICT (whose, ends_at) DO UPDATE SET count = access_ratetally.count + 1 RETURNING count
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most so many within a window, the windows one behind the other."""

    name: str
    most: int
    window: timedelta


# One person mistypes, a company sits behind one address: far from both.
SIGN_INS: Final = Limit(name="sign_in", most=60, window=timedelta(minutes=10))
CONSOLE_TRIES: Final = Limit(name="console_sign_in", most=30, window=timedelta(minutes=10))
TRIES_OF_A_NAME: Final = Limit(name="console_sign_in_name", most=10, window=timedelta(minutes=10))
# Of six digits three are right at any time: of a year of guessing one in thirty succeeds, who has the mailbox as well.
WRONG_APP_CODES: Final = Limit(name="wrong_app_code", most=30, window=timedelta(days=1))
# Each is valid for an hour.
TOKENS: Final = Limit(name="api_token", most=30, window=timedelta(minutes=10))
# Of reports that no linked system has signed.
BAD_SIGNATURES: Final = Limit(name="bad_signature", most=60, window=timedelta(minutes=10))


def calls() -> Limit:
    """Calls of the API by one caller."""
    return Limit(name="api", most=settings.API_CALLS_PER_MINUTE, window=timedelta(minutes=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where somebody stands against a limit."""

    limit: Limit
    count: int
    seconds_left: int

    @property
    def is_over(self) -> bool:
        """Whether it is once too often."""
        return self.count > self.limit.most

    @property
    def remaining(self) -> int:
        """How many more there may be until the window is over."""
        return max(0, self.limit.most - self.count)


def count_one(limit: Limit, whose: str) -> Standing:
    """Count one more."""
    key, ends_at = _tally_of(limit, whose)
    made = uuid7()
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT,
            [
                made if connection.features.has_native_uuid_field else made.hex,
                key,
                connection.ops.adapt_datetimefield_value(ends_at),
            ],
        )
        (count,) = cursor.fetchone()
    return Standing(limit=limit, count=count, seconds_left=_seconds_until(ends_at))


def refuse_beyond(limit: Limit, whose: str) -> None:
    """Count one more. Raises: TooOften, where that is too many."""
    standing = count_one(limit, whose)
    if standing.is_over:
        raise TooOften(retry_after_seconds=standing.seconds_left)


def refuse_if_reached(limit: Limit, whose: str) -> None:
    """Count nothing. Raises: TooOften, where there were as many as there may be."""
    key, ends_at = _tally_of(limit, whose)
    if RateTally.objects.filter(whose=key, ends_at=ends_at, count__gte=limit.most).exists():
        raise TooOften(retry_after_seconds=_seconds_until(ends_at))


def network_of(request: HttpRequest) -> str:
    """From where a request comes, for counting: an address, of IPv6 the 64 bits that one line has."""
    address = client_address(request).strip()
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def _tally_of(limit: Limit, whose: str) -> tuple[str, datetime]:
    """Under what somebody is counted, and until when."""
    key = salted_hmac("access.limits", f"{limit.name}:{whose}", algorithm="sha256").hexdigest()
    # By the machine's time, which a demonstration does not move.
    seconds = limit.window.total_seconds()
    return key, datetime.fromtimestamp((clock.machine_now().timestamp() // seconds + 1) * seconds, UTC)


def _seconds_until(moment: datetime) -> int:
    return max(1, round((moment - clock.machine_now()).total_seconds()))


def forget_tallies() -> None:
    """Delete those whose window is over, and what the packages counted until now."""
    RateTally.objects.filter(ends_at__lt=clock.machine_now()).delete()
    CacheEntry.objects.filter(expires__lt=clock.machine_now()).delete()


def cache_key(key: str, prefix: str, version: int) -> str:
    """Under what Django's cache keeps something (`CACHES`): a keyed hash, so that no row names whom it is about."""
    return salted_hmac("access.cache", f"{prefix}:{version}:{key}", algorithm="sha256").hexdigest()
