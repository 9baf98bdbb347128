"""How long there is left to answer, in words and colour."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dsar.admin.plan import day
from dsar.models import SubjectRequest

SOON_WORKING_DAYS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The words, their colour (bad when late, keep when soon), and the date under them."""

    words: str
    kind: str
    under: str


def due_of(request: SubjectRequest, today: date) -> Due:
    """Days left and the date while a request is open; after that, what became of it."""
    if not request.is_open():
        ended = request.closed_at or request.answered_at
        return Due(words=request.get_state_display(), kind="", under=day(ended))
    left = (request.due_on - today).days
    if left < 0:
        words = ngettext("%(days)d day late", "%(days)d days late", -left) % {"days": -left}
        return Due(words=words, kind="bad", under=day(request.due_on))
    kind = "keep" if request.due_on <= soon_until(today) else ""
    words = _("Due today") if left == 0 else ngettext("%(days)d day left", "%(days)d days left", left) % {"days": left}
    return Due(words=words, kind=kind, under=day(request.due_on))


def why_due(request: SubjectRequest) -> Sequence[str]:
    """The inputs of the date and the article of each step, a line each."""
    reasons = request.due_reason
    months = int(reasons["months"])
    lines = [
        ngettext(
            "Received on %(day)s; %(months)d month to answer: %(article)s.",
            "Received on %(day)s; %(months)d months to answer: %(article)s.",
            months,
        )
        % {"day": _iso(reasons["received_on"]), "months": months, "article": reasons["article"]},
        f"{reasons['counting']} {reasons['counting_article']}.",
    ]
    if reasons["roll_article"]:
        rolled = _("%(day)s is not a working day there, so the next one counts: %(article)s.")
        lines.append(rolled % {"day": _iso(reasons["unrolled_on"]), "article": reasons["roll_article"]})
    return lines


def soon_until(today: date) -> date:
    """The last day that counts as soon: three working days ahead.

    Public holidays are left out: this is a reminder, not one of the law's dates.
    """
    ahead, until = SOON_WORKING_DAYS, today
    while ahead:
        until += timedelta(days=1)
        ahead -= until.weekday() < 5
    return until


def _iso(text: str) -> str:
    return day(date.fromisoformat(text))
