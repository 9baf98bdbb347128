"""The laws' clocks, read from `jurisdictions/*.toml`, and calendars of public holidays."""

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path

import holidays

from dsar.errors import UnknownHolidays
from dsar.rules import Deadline, ResponseRule, response_due
from identity_privacy.access.models import Controller

JURISDICTIONS = Path(__file__).parent / "jurisdictions"
LAST_YEAR = 2100


@cache
def laws() -> Mapping[str, ResponseRule]:
    """The clock for the answer of every law that we know, by its id."""
    found = {}
    for path in sorted(JURISDICTIONS.glob("*.toml")):
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        respond = document["respond"]
        found[document["id"]] = ResponseRule(
            law=document["id"],
            name=document["name"],
            months=respond["months"],
            article=respond["article"],
            rolls=respond["roll"] == "next_working_day",
            roll_article=respond["roll_article"],
            counting=respond["counting"],
            counting_article=respond["counting_article"],
        )
    return found


def deadline(controller: Controller, *, law: str, received_on: date) -> Deadline:
    """The last day to answer a request to this controller, by the public holidays of its establishment.

    Raises: UnknownHolidays.
    """
    calendar = holidays.country_holidays(controller.country)

    def is_holiday(day: date) -> bool:
        if day.year > LAST_YEAR:
            raise UnknownHolidays(f"{controller.country} {day.year}")
        return day in calendar

    return response_due(received_on, rule=laws()[law], is_holiday=is_holiday)
