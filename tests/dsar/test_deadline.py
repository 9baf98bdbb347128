"""The last day to answer is the law's, and every date can say why it is what it is."""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from hypothesis import assume, given
from hypothesis import strategies as st

from dsar import law
from dsar.errors import UnknownHolidays
from dsar.models import SubjectRequest
from dsar.rules import add_months, response_due
from dsar.terms import RequestKind
from identity_privacy.access.models import Controller
from tests.factories import make_controller, make_person, make_request

GDPR = law.laws()["gdpr"]
LINDWERK = Controller(code="lindwerk", country="DE")  # never saved: only its country is asked for

ONE_MONTH = "Art. 12(3) GDPR, Art. 3(2)(c) Reg. 1182/71"
MONTH_END = "Art. 3(2)(c) Reg. 1182/71: a month without that day ends on its last"
ROLLS = "Art. 3(4) Reg. 1182/71: Saturday, Sunday or public holiday"

# Received, due, the day before it rolled, why.
TABLE = [
    ("2026-03-05", "2026-04-07", "2026-04-05", ROLLS),  # Easter Sunday, Easter Monday
    ("2026-03-10", "2026-04-10", "2026-04-10", ONE_MONTH),
    ("2026-08-31", "2026-09-30", "2026-09-30", MONTH_END),
    ("2026-10-31", "2026-11-30", "2026-11-30", MONTH_END),
    ("2027-01-31", "2027-03-01", "2027-02-28", ROLLS),  # month end on a Sunday
    ("2028-01-31", "2028-02-29", "2028-02-29", MONTH_END),  # leap year
    ("2028-01-29", "2028-02-29", "2028-02-29", ONE_MONTH),
    ("2027-01-29", "2027-03-01", "2027-02-28", ROLLS),  # no leap year
    ("2028-02-29", "2028-03-29", "2028-03-29", ONE_MONTH),
    ("2100-01-31", "2100-03-01", "2100-02-28", ROLLS),  # divisible by 100: no leap year
    ("2026-11-24", "2026-12-24", "2026-12-24", ONE_MONTH),  # Christmas Eve is a working day
    ("2026-12-31", "2027-02-01", "2027-01-31", ROLLS),  # over the year's end
    ("2025-09-03", "2025-10-06", "2025-10-03", ROLLS),  # Friday, German Unity Day, then a weekend
    ("2025-11-25", "2025-12-29", "2025-12-25", ROLLS),  # both days of Christmas, then a weekend
    ("2026-11-26", "2026-12-28", "2026-12-26", ROLLS),
    ("2026-12-01", "2027-01-04", "2027-01-01", ROLLS),  # New Year
    ("2026-04-01", "2026-05-04", "2026-05-01", ROLLS),  # Labour Day on a Friday
    ("2026-02-28", "2026-03-30", "2026-03-28", ROLLS),  # the same day of the month, not its end
]


@pytest.mark.parametrize(("received", "due", "unrolled", "why"), TABLE)
def test_the_last_day_to_answer(received: str, due: str, unrolled: str, why: str) -> None:
    deadline = law.deadline(LINDWERK, law="gdpr", received_on=date.fromisoformat(received))
    assert (deadline.due_on.isoformat(), deadline.unrolled_on.isoformat()) == (due, unrolled), why
    reasons = deadline.reasons()
    assert reasons["article"] == "Art. 12(3) GDPR"
    assert reasons["counting_article"] == "Art. 3(1) and 3(2)(c) Regulation (EEC, Euratom) 1182/71"
    assert reasons["roll_article"] == ("Art. 3(4) Regulation (EEC, Euratom) 1182/71" if why is ROLLS else "")


def test_the_holidays_are_those_of_the_controllers_country() -> None:
    french = Controller(code="fr", country="FR")
    received = date(2026, 6, 14)  # 14 July is a holiday in France only
    assert law.deadline(french, law="gdpr", received_on=received).due_on == date(2026, 7, 15)
    assert law.deadline(LINDWERK, law="gdpr", received_on=received).due_on == date(2026, 7, 14)


def test_a_date_beyond_the_known_holidays_is_refused_and_not_guessed() -> None:
    with pytest.raises(UnknownHolidays):
        law.deadline(LINDWERK, law="gdpr", received_on=date(2100, 12, 31))


DAYS = st.dates(date(1995, 1, 1), date(2099, 12, 31))


@given(DAYS)
def test_it_is_never_earlier_than_a_month_and_always_a_working_day(received: date) -> None:
    deadline = law.deadline(LINDWERK, law="gdpr", received_on=received)
    assert deadline.unrolled_on <= deadline.due_on
    assert deadline.due_on.weekday() < 5
    # No German run of days off is longer than Good Friday to Easter Monday, or Christmas with a weekend.
    assert deadline.due_on - deadline.unrolled_on <= timedelta(days=4)


@given(DAYS, st.sets(st.integers(0, 30)))
def test_it_rolls_over_days_off_only_and_over_no_working_day(received: date, off: set[int]) -> None:
    start = add_months(received, 1)
    holidays = {start + timedelta(days=days) for days in off}
    deadline = response_due(received, rule=GDPR, is_holiday=holidays.__contains__)

    def is_off(day: date) -> bool:
        return day.weekday() >= 5 or day in holidays

    assert not is_off(deadline.due_on)
    passed = [start + timedelta(days=days) for days in range((deadline.due_on - start).days)]
    assert all(is_off(day) for day in passed)
    assert len(passed) <= 45


@given(DAYS, st.integers(0, 36))
def test_a_month_later_is_the_same_day_or_that_months_last(day: date, months: int) -> None:
    later = add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or later.day == monthrange(later.year, later.month)[1] < day.day


@given(DAYS, DAYS)
def test_who_asks_later_is_never_answered_earlier(one: date, other: date) -> None:
    assume(one <= other)
    assert (
        law.deadline(LINDWERK, law="gdpr", received_on=one).due_on
        <= law.deadline(LINDWERK, law="gdpr", received_on=other).due_on
    )


@pytest.mark.django_db
def test_the_day_of_receipt_is_the_controllers_own_and_the_reasons_are_kept_with_the_request() -> None:
    lindwerk = make_controller()
    person = make_person(lindwerk, email="alice@example.org", given_name="alice")
    with time_machine.travel(datetime(2026, 8, 30, 22, 30, tzinfo=UTC), tick=False):  # half past midnight in Berlin
        request = make_request(lindwerk, person, RequestKind.ERASURE)
    request = SubjectRequest.objects.get(id=request.id)
    assert request.due_on == date(2026, 9, 30)
    assert request.due_reason == {
        "law": "GDPR",
        "article": "Art. 12(3) GDPR",
        "received_on": "2026-08-31",
        "months": "1",
        "unrolled_on": "2026-09-30",
        "roll_article": "",
        "counting": GDPR.counting,
        "counting_article": GDPR.counting_article,
    }
