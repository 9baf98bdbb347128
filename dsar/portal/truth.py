"""Where a whole request stands, in one sentence of truth; what happened and what comes."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import groupby
from typing import Final

from django.utils import timezone
from django.utils.translation import gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _

from dsar.models import SubjectRequest, Task
from dsar.portal.wording import at_moment, listed, number, on_day, on_weekday, sentence
from dsar.standing import Standing, standing_of
from dsar.terms import Channel, RequestKind, RequestState, TaskState
from identity_privacy.tags import Tag


@dataclass(frozen=True, slots=True)
class Truth:
    """What is so, and beside it what is not yet so."""

    bold: str
    rest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the timeline."""

    words: str
    when: str
    is_to_come: bool


_SAID: Final[Mapping[Standing, Callable[[int], str]]] = {
    Standing.CHECKED: lambda n: ngettext("%(n)s is checked by us", "%(n)s are checked by us", n),
    Standing.SAYS_SO_AGAIN: lambda n: ngettext(
        "%(n)s says again that it has erased your data", "%(n)s say again that they have erased your data", n
    ),
    Standing.SAYS_ERASED: lambda n: ngettext(
        "%(n)s says it has erased your data", "%(n)s say they have erased your data", n
    ),
    Standing.SENT_COPY: lambda n: ngettext("%(n)s has sent its part", "%(n)s have sent their part", n),
    Standing.NOTHING_FOUND: lambda n: ngettext("%(n)s has nothing about you", "%(n)s have nothing about you", n),
}
_NOT_SAID: Final[Mapping[Standing, Callable[[int], str]]] = {
    Standing.ACCEPTED: lambda n: ngettext("%(n)s is working on it", "%(n)s are working on it", n),
    Standing.ASKED: lambda n: ngettext("%(n)s has not answered yet", "%(n)s have not answered yet", n),
    Standing.PLANNED: lambda n: ngettext("%(n)s is asked next", "%(n)s are asked next", n),
    Standing.KEPT: lambda n: ngettext("%(n)s keeps something and says why", "%(n)s keep something and say why", n),
    Standing.CAME_BACK: lambda n: ngettext(
        "%(n)s had data of yours once more and was asked again",
        "%(n)s had data of yours once more and were asked again",
        n,
    ),
    Standing.FAILED: lambda n: ngettext("%(n)s could not do it", "%(n)s could not do it", n),
}


def tag_of(request: SubjectRequest, *, today: date) -> Tag:
    """The request's state as a pill."""
    match RequestState(request.state):
        case RequestState.WITHDRAWN:
            return Tag(kind="wait", icon="info", words=_("Withdrawn"))
        case RequestState.CLOSED:
            return Tag(kind="ok", icon="check", words=_("Ended"))
        case RequestState.ANSWERED | RequestState.RECHECKING:
            return Tag(kind="ok", icon="check", words=_("Answered"))
        case _ if request.due_on < today:
            return Tag(kind="bad", icon="triangle", words=_("Late"))
        case _:
            return Tag(kind="wait", icon="clock", words=_("In progress"))


def truth_of(request: SubjectRequest, tasks: Sequence[Task]) -> Truth:
    """One bold sentence that claims no more than is proven, and the rest of the picture."""
    if request.state == RequestState.WITHDRAWN:
        return Truth(_withdrawn(request), "")
    if request.state == RequestState.RECEIVED:
        return Truth(gettext("We have your request."), gettext("You do not need to do anything."))
    standings = Counter(standing_of(task, request.kind) for task in tasks if not task.is_own())
    bold = " ".join(part for part in (_own(request, tasks), _said(standings)) if part)
    waiting = [
        words(count) % {"n": number(count)} for standing, words in _NOT_SAID.items() if (count := standings[standing])
    ]
    rest = " ".join([*([sentence(listed(waiting))] if waiting else []), *_last_words(request)])
    return Truth(bold, rest)


def timeline_of(request: SubjectRequest, tasks: Sequence[Task], *, today: date) -> list[Step]:
    """What comes and what happened, newest first."""
    zone = timezone.get_current_timezone()
    to_come = sorted(_to_come(request, today), reverse=True, key=lambda step: step[0])
    # What happened at one moment keeps its order, read upwards like the rest.
    happened = reversed(sorted(_happened(request, tasks, today), key=lambda step: step[0]))
    return [
        *(Step(words=words, when=on_weekday(day), is_to_come=True) for day, words in to_come),
        *(Step(words=words, when=at_moment(moment.astimezone(zone)), is_to_come=False) for moment, words in happened),
    ]


def why_this_date(request: SubjectRequest) -> list[str]:
    """The inputs and the article behind the day of the answer, a line each."""
    reasons = request.due_reason
    months = int(reasons["months"])
    lines = [
        ngettext(
            "Your request came on %(received)s. The law gives us one month from then.",
            "Your request came on %(received)s. The law gives us %(months)s months from then.",
            months,
        )
        % {"received": on_day(date.fromisoformat(reasons["received_on"])), "months": months}
    ]
    if reasons.get("roll_article"):
        lines.append(
            gettext("That is %(day)s, which is not a working day, so the next one counts.")
            % {"day": on_weekday(date.fromisoformat(reasons["unrolled_on"]))}
        )
    lines.append(
        sentence(listed([article for article in (reasons["article"], reasons.get("roll_article")) if article]))
    )
    return lines


def what_we_keep() -> list[str]:
    """What stays here after an erasure, and why, a line each."""
    return [
        gettext(
            "Proof of your choices: what you agreed to and when, because we must be able to prove it (Art. 7(1) GDPR)."
        ),
        gettext("The audit record: that you asked, and what we did (Art. 5(2) GDPR). It holds no personal data."),
        gettext(
            "Your e-mail, until 30 days after this request has ended, so that we can tell you how it ended. Then it "
            "goes too, and with it what each place said and the certificate."
        ),
    ]


def _own(request: SubjectRequest, tasks: Sequence[Task]) -> str:
    is_ready = any(task.is_own() and task.state == TaskState.REPORTED for task in tasks)
    if request.kind == RequestKind.ACCESS:
        if request.forgotten_at:
            return gettext("Your copy is no longer here.")
        if request.package_name:
            return gettext("Your copy is ready.")
        return (
            gettext("We have put our own part together.") if is_ready else gettext("We are putting your copy together.")
        )
    return gettext("Our own copy is erased.") if is_ready else gettext("We are about to erase our own copy.")


def _said(standings: Counter[Standing]) -> str:
    places = standings.total()
    said = [
        words(count) % {"n": _of_all(count, places)}
        for standing, words in _SAID.items()
        if (count := standings[standing])
    ]
    if not places or not said:
        return ""
    return ngettext("Of the one place we asked, %(said)s.", "Of the %(places)s places we asked, %(said)s.", places) % {
        "places": number(places),
        "said": listed(said),
    }


def _last_words(request: SubjectRequest) -> Iterator[str]:
    if request.state == RequestState.CLOSED and request.closed_at:
        yield gettext("This request ended on %(date)s.") % {"date": on_day(request.closed_at)}
    elif not request.package_name:
        yield gettext("You do not need to do anything.")


def _of_all(count: int, places: int) -> str:
    return pgettext("places", "all %(n)s") % {"n": number(count)} if count == places > 1 else number(count)


def _withdrawn(request: SubjectRequest) -> str:
    facts = {"date": on_day(request.closed_at) if request.closed_at else ""}
    if request.kind == RequestKind.ERASURE:
        return gettext("You withdrew this request on %(date)s. Nothing was erased.") % facts
    return gettext("You withdrew this request on %(date)s.") % facts


def _to_come(request: SubjectRequest, today: date) -> Iterator[tuple[date, str]]:
    if request.is_open():
        yield request.due_on, gettext("You hear from us at the latest")
    if request.recheck_on and request.state not in {RequestState.CLOSED, RequestState.WITHDRAWN}:
        yield request.recheck_on, gettext("We ask each place again, to make sure")
    if request.keys_backup_ends_on and request.keys_backup_ends_on > today:
        yield request.keys_backup_ends_on, gettext("The last backups of the key to your data end")


def _happened(request: SubjectRequest, tasks: Sequence[Task], today: date) -> Iterator[tuple[datetime, str]]:
    # What came another way than through this portal was shown to others, if at all.
    is_shown = request.channel == Channel.PORTAL
    asked = gettext("You asked us, and showed that it was you") if is_shown else gettext("You asked us")
    yield request.received_at, asked
    if request.accepted_at:
        yield (
            request.accepted_at,
            (
                gettext("We accepted your request and stopped all use of your data")
                if request.kind == RequestKind.ERASURE
                else gettext("We accepted your request")
            ),
        )
    for done_at in (task.reported_at for task in tasks if task.is_own() and task.reported_at):
        yield (
            done_at,
            (
                gettext("We erased our own copy")
                if request.kind == RequestKind.ERASURE
                else gettext("We put our own part together")
            ),
        )
    places = [task for task in tasks if not task.is_own()]
    yield from _asked(places)
    for task in places:
        yield from _of_place(task, request)
    if request.answered_at:
        yield request.answered_at, gettext("All places had answered, and we told you")
    if request.keys_backup_ends_on and request.keys_backup_ends_on <= today:
        ended = timezone.make_aware(datetime.combine(request.keys_backup_ends_on, time.min))
        yield ended, gettext("The last backups of the key to your data ended")
    if request.closed_at:
        yield (
            request.closed_at,
            (
                gettext("You withdrew this request")
                if request.state == RequestState.WITHDRAWN
                else gettext("This request ended")
            ),
        )


def _asked(places: Sequence[Task]) -> Iterator[tuple[datetime, str]]:
    """Places asked within the same minute are one step."""
    asked = sorted((task.asked_at, task.system_name) for task in places if task.asked_at)
    for _minute, together in groupby(asked, key=lambda place: place[0].replace(second=0, microsecond=0)):
        (moment, name), *others = together
        if others:
            yield moment, gettext("We asked %(places)s places") % {"places": number(1 + len(others))}
        else:
            yield moment, gettext("We asked %(name)s") % {"name": name}


def _of_place(task: Task, request: SubjectRequest) -> Iterator[tuple[datetime, str]]:
    facts = {"name": task.system_name}
    if task.accepted_at and task.accepted_at != task.reported_at:
        yield task.accepted_at, gettext("%(name)s accepted our message") % facts
    if task.reported_at:
        yield task.reported_at, _reported(standing_of(task, request.kind)) % facts
    if task.checked_at:
        yield task.checked_at, _checked(standing_of(task, request.kind)) % facts


def _reported(standing: Standing) -> str:
    match standing:
        case Standing.SENT_COPY:
            return gettext("%(name)s sent its part of your copy")
        case Standing.NOTHING_FOUND:
            return gettext("%(name)s says it has nothing about you")
        case Standing.KEPT:
            return gettext("%(name)s says what it keeps, and why")
        case Standing.FAILED:
            return gettext("%(name)s could not do it")
        case _:
            return gettext("%(name)s says it has erased your data")


def _checked(standing: Standing) -> str:
    match standing:
        case Standing.CHECKED:
            return gettext("We looked in %(name)s's database ourselves and found nothing")
        case Standing.CAME_BACK:
            return gettext("%(name)s had data of yours once more, and we asked it again")
        case _:
            return gettext("%(name)s says again that it has erased your data")
