"""When a failed message is tried again, and when it is given up."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_privacy.delivery import rules

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)


def next_try(
    failures: int, *, since: datetime = NOW, jitter: float = 0.5, base: float = 5, retry_after: timedelta | None = None
) -> datetime | None:
    return rules.after_failure(
        failures=failures, trying_since=since, now=NOW, base_seconds=base, jitter=jitter, retry_after=retry_after
    )


@pytest.mark.parametrize(("failures", "seconds"), [(1, 5), (2, 10), (3, 20), (8, 640), (14, 40_960), (15, 43_200)])
def test_each_wait_is_twice_the_one_before_up_to_twelve_hours(failures: int, seconds: int) -> None:
    assert next_try(failures) == NOW + timedelta(seconds=seconds)


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(0.01, 3600))
def test_a_wait_is_never_over_a_fifth_more_than_twelve_hours(failures: int, jitter: float, base: float) -> None:
    at = next_try(failures, jitter=jitter, base=base)

    assert at is not None
    assert NOW < at <= NOW + timedelta(hours=12) * 1.2


@given(st.floats(0.01, 3600), st.lists(st.floats(0, 1), min_size=60, max_size=60))
def test_a_message_is_tried_for_three_days_at_least(base: float, jitters: list[float]) -> None:
    now, failures = NOW, 0
    while failures < 60:
        failures += 1
        at = rules.after_failure(
            failures=failures, trying_since=NOW, now=now, base_seconds=base, jitter=jitters[failures - 1]
        )
        if at is None:
            break
        now = at

    assert now - NOW >= timedelta(days=3)
    assert failures < 60


def test_neither_a_moved_clock_nor_a_crashing_worker_shortens_a_messages_life() -> None:
    assert next_try(1, since=LONG_AGO) is not None
    assert next_try(10_000, since=NOW) is not None
    assert next_try(10_000, since=LONG_AGO) is None


def test_a_longer_retry_after_wins_and_a_shorter_one_does_not() -> None:
    assert next_try(1, retry_after=timedelta(minutes=5)) == NOW + timedelta(minutes=5)
    assert next_try(5, retry_after=timedelta(seconds=1)) == NOW + timedelta(seconds=80)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", timedelta(minutes=2)),
        ("Tue, 24 Nov 2026 12:01:00 GMT", timedelta(minutes=1)),
        ("Tue, 24 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("99999999999999999999", timedelta(hours=12)),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str, wait: timedelta | None) -> None:
    assert rules.read_retry_after(header, now=NOW) == wait


@given(st.text() | st.from_regex(r"\w{3}, \d{1,2} \w{3} \d{1,4} \d\d:\d\d:\d\d [A-Z+0-9]{0,5}"))
def test_a_retry_after_of_noise_never_harms(header: str) -> None:
    wait = rules.read_retry_after(header, now=NOW)

    assert wait is None or timedelta(0) <= wait <= timedelta(hours=12)


@given(st.binary() | st.text().map(str.encode))
def test_an_excerpt_of_noise_never_harms(body: bytes) -> None:
    assert len(rules.excerpt(body)) < 500


def test_an_excerpt_keeps_codes_and_no_words() -> None:
    body = (
        b'{"task": "0190", "outcome": "kept", "reason": "Alice owes us", "data": {"a": 1}, "code": "alice@example.org"}'
    )

    assert rules.excerpt(body) == '{"task": "0190", "outcome": "kept"}'
    assert rules.excerpt(b'{"outcome": "Alice Smith"}') == ""
