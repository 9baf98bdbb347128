"""When a failed message is tried again, when it is given up, and what of an answer may be kept: pure functions."""

import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_WAIT = timedelta(hours=12)
TRIED_FOR = timedelta(days=3)
# The named parts of an answer that hold no personal data by their meaning, if their values look like codes.
_SAFE_PARTS = ("task", "outcome", "code", "status")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def wait_after(failures: int, *, base_seconds: float) -> timedelta:
    """The wait after so many failures in a row, before jitter: base × 2^(failures - 1), 12 hours at most.

    >>> [wait_after(n, base_seconds=5).total_seconds() for n in (1, 2, 3, 10, 20)]
    [5.0, 10.0, 20.0, 2560.0, 43200.0]
    """
    doubled = base_seconds * 2 ** min(failures - 1, 60)
    return min(timedelta(seconds=min(doubled, LONGEST_WAIT.total_seconds())), LONGEST_WAIT)


def failures_allowed(*, base_seconds: float) -> int:
    """After how many failures three days are over even if each wait was cut by its jitter.

    >>> failures_allowed(base_seconds=5)
    20
    """
    failures, waited = 0, timedelta(0)
    while waited < TRIED_FOR:
        failures += 1
        waited += wait_after(failures, base_seconds=base_seconds) * 0.8
    return failures


def after_failure(
    *,
    failures: int,
    trying_since: datetime,
    now: datetime,
    base_seconds: float,
    jitter: float,
    retry_after: timedelta | None = None,
) -> datetime | None:
    """When a message is tried again after its latest failure; None when it is given up.

    The wait is `wait_after`, times 0.8 to 1.2 by `jitter` (0 to 1), so that what failed together does not come back
    together; a longer `Retry-After` wins. Given up only when both the number of tries and three days are used up:
    neither a moved clock nor a crashing worker shortens a message's life.

    Source: Standard Webhooks 1.0, "Deliverability and reliability"; RFC 9110 section 10.2.3.
    """
    if failures >= failures_allowed(base_seconds=base_seconds) and now - trying_since >= TRIED_FOR:
        return None
    wait = wait_after(failures, base_seconds=base_seconds) * (0.8 + 0.4 * jitter)
    return now + max(wait, retry_after or timedelta(0))


def read_retry_after(value: str, *, now: datetime) -> timedelta | None:
    """The wait that a Retry-After header asks for, 12 hours at most; None for one that cannot be read.

    Source: RFC 9110 section 10.2.3.
    """
    if value.isascii() and value.isdigit():
        return min(timedelta(seconds=min(int(value[:9]), 43_200)), LONGEST_WAIT)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(at - now, timedelta(0)), LONGEST_WAIT)


def excerpt(body: bytes) -> str:
    """What of an answer's body may be kept beside the attempt: parts that are codes by name and by look, nothing else.

    >>> excerpt(b'{"outcome": "done", "reason": "Alice called", "code": "Alice Smith"}')
    '{"outcome": "done"}'
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(answer, dict):
        return ""
    kept = {part: answer[part] for part in _SAFE_PARTS if _is_code(answer.get(part))}
    return json.dumps(kept) if kept else ""


def _is_code(value: object) -> bool:
    if isinstance(value, str):
        return _CODE.fullmatch(value) is not None
    return type(value) is int and 100 <= value < 600
