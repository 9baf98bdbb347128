"""How counts, lists and dates read in a sentence."""

from collections.abc import Sequence
from datetime import date, datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, pgettext

from identity_privacy.clock import now


def number(count: int) -> str:
    """A small count as a word, as it stands before "place"; others as figures."""
    words = [
        pgettext("places", "none"),
        pgettext("places", "one"),
        pgettext("places", "two"),
        pgettext("places", "three"),
        pgettext("places", "four"),
        pgettext("places", "five"),
        pgettext("places", "six"),
        pgettext("places", "seven"),
        pgettext("places", "eight"),
        pgettext("places", "nine"),
    ]
    return words[count] if count < len(words) else str(count)


def listed(parts: Sequence[str]) -> str:
    """One sentence part of several: "a, b and c"."""
    if len(parts) < 2:
        return "".join(parts)
    return gettext("%(others)s and %(last)s") % {"others": ", ".join(parts[:-1]), "last": parts[-1]}


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def on_day(moment: date | datetime) -> str:
    """A date: "5 April 2027"; of a moment, the day in the controller's zone."""
    return date_format(timezone.localtime(moment) if isinstance(moment, datetime) else moment)


def on_weekday(day: date) -> str:
    """A date whose weekday matters: "Monday, 5 April 2027"."""
    return date_format(day, pgettext("date with weekday", "l, j F Y"))


def at_moment(moment: datetime) -> str:
    """A day and a time: "5 April 2027, 16:20"."""
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")


def soon(moment: datetime) -> str:
    """When something comes: "today at 18:00", "on 5 April 2027"."""
    local = timezone.localtime(moment)
    if local.date() <= timezone.localtime(now()).date():
        return gettext("today at %(time)s") % {"time": date_format(local, "TIME_FORMAT")}
    return gettext("on %(date)s") % {"date": date_format(local)}
