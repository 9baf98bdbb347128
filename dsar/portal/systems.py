"""Where each place stands with a request: its tag, its ladder and one sentence, and the bar over all of them.

"Says" is never "did": only our own read makes a place checked.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from dsar.models import SubjectRequest, Task
from dsar.portal.wording import listed, on_day, sentence, soon
from dsar.standing import Standing, standing_of
from dsar.terms import RequestKind
from identity_privacy.tags import Tag

_EMPTY: Final = ""
_RUNGS: Final[Mapping[Standing, int]] = {
    Standing.PLANNED: 0,
    Standing.ASKED: 1,
    Standing.ACCEPTED: 2,
    Standing.SENT_COPY: 3,
    Standing.SAYS_ERASED: 3,
    Standing.SAYS_SO_AGAIN: 3,
    Standing.NOTHING_FOUND: 3,
    Standing.CHECKED: 4,
}
_SEGMENTS: Final[Mapping[Standing, str]] = {
    Standing.PLANNED: _EMPTY,
    Standing.ASKED: _EMPTY,
    Standing.ACCEPTED: "wait half",
    Standing.SENT_COPY: "ok full",
    Standing.SAYS_ERASED: "ok half",
    Standing.SAYS_SO_AGAIN: "ok half",
    Standing.CHECKED: "ok full",
    Standing.CAME_BACK: "bad full",
    Standing.NOTHING_FOUND: "ok full",
    Standing.KEPT: "keep full",
    Standing.FAILED: "bad full",
}
# The four steps of a place; of a copy there is nothing to check, so it has three.
_STEPS: Final[Mapping[str, int]] = {RequestKind.ACCESS: 3, RequestKind.ERASURE: 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemRow:
    """One place on the request's page."""

    id: UUID
    name: str
    what_it_does: str
    standing: Standing
    tag: Tag
    ladder: Sequence[str]
    sentence: str


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One line of the bar's key."""

    segment: str
    words: str


@dataclass(frozen=True, slots=True)
class Bar:
    """All places of a request at one look."""

    segments: Sequence[str]
    key: Sequence[KeyEntry]
    sentence: str


def row_of(
    task: Task, request: SubjectRequest, *, what_it_does: str = "", next_try: datetime | None = None
) -> SystemRow:
    """One place in words: what happened, what comes next, when, who; inside a Reading where the system said why."""
    standing = standing_of(task, request.kind)
    return SystemRow(
        id=task.id,
        name=task.system_name,
        what_it_does=what_it_does,
        standing=standing,
        tag=_own_tag(task, request, standing) if task.is_own() else standing.value,
        ladder=[] if task.is_own() else _ladder(standing, _STEPS[request.kind]),
        sentence=_own_sentence(task, request) if task.is_own() else _sentence(task, request, standing, next_try),
    )


def bar_of(tasks: Sequence[Task], kind: str) -> Bar:
    """The bar of the home page, its key, and the sentence that a screen reader gets instead."""
    standings = [standing_of(task, kind) for task in tasks]
    # Grouped by what they look like, so that the key has one line for each kind of segment.
    standings.sort(key=lambda standing: list(_KEY_ORDER).index(standing))
    counts = Counter(standings)
    key = [
        KeyEntry(_SEGMENTS[standing], _KEY_ORDER[standing](counts[standing]))
        for standing in _KEY_ORDER
        if counts[standing]
    ]
    words = ngettext("%(count)s place: %(parts)s", "%(count)s places: %(parts)s", len(tasks)) % {
        "count": len(tasks),
        "parts": listed([entry.words for entry in key]),
    }
    return Bar([_SEGMENTS[standing] for standing in standings], key, sentence(words))


_KEY_ORDER: Final[Mapping[Standing, Callable[[int], str]]] = {
    Standing.CHECKED: lambda n: gettext("%(n)s checked by us") % {"n": n},
    Standing.SENT_COPY: lambda n: ngettext("%(n)s has sent its part", "%(n)s have sent their part", n) % {"n": n},
    Standing.NOTHING_FOUND: lambda n: ngettext("%(n)s has nothing", "%(n)s have nothing", n) % {"n": n},
    Standing.SAYS_SO_AGAIN: lambda n: ngettext("%(n)s says so again", "%(n)s say so again", n) % {"n": n},
    Standing.SAYS_ERASED: lambda n: ngettext("%(n)s says erased", "%(n)s say erased", n) % {"n": n},
    Standing.KEPT: lambda n: ngettext("%(n)s keeps something", "%(n)s keep something", n) % {"n": n},
    Standing.ACCEPTED: lambda n: gettext("%(n)s accepted") % {"n": n},
    Standing.ASKED: lambda n: gettext("%(n)s asked, no answer yet") % {"n": n},
    Standing.PLANNED: lambda n: gettext("%(n)s not asked yet") % {"n": n},
    Standing.CAME_BACK: lambda n: gettext("%(n)s asked once more") % {"n": n},
    Standing.FAILED: lambda n: gettext("%(n)s failed") % {"n": n},
}


def _ladder(standing: Standing, steps: int) -> list[str]:
    if standing not in _RUNGS:
        return []
    rungs = _RUNGS[standing]
    return [f"{standing.value.kind} full" if step < rungs else _EMPTY for step in range(steps)]


def _own_tag(task: Task, request: SubjectRequest, standing: Standing) -> Tag:
    if standing is Standing.SAYS_ERASED:
        return Tag(kind="ok", icon="check", words=_("Erased here"))
    if standing is Standing.SENT_COPY:
        return Tag(kind="ok", icon="check", words=_("Put together"))
    tag: Tag = standing.value
    return tag


def _own_sentence(task: Task, request: SubjectRequest) -> str:
    if request.kind == RequestKind.ACCESS:
        if task.reported_at:
            return gettext("We have put our own part together.")
        return gettext("We are putting our own part together.")
    if not task.reported_at:
        return gettext("We stop all use of your data, then erase our own copy.")
    if request.keys_backup_ends_on:
        return gettext("Our copy was erased on %(date)s; backups of the key end on %(end)s.") % {
            "date": on_day(task.reported_at),
            "end": on_day(request.keys_backup_ends_on),
        }
    return gettext("Our copy was erased on %(date)s.") % {"date": on_day(task.reported_at)}


def _sentence(task: Task, request: SubjectRequest, standing: Standing, next_try: datetime | None) -> str:
    facts = {
        "name": task.system_name,
        "asked": on_day(task.asked_at) if task.asked_at else "",
        "checked": on_day(task.checked_at) if task.checked_at else "",
        "recheck": on_day(request.recheck_on) if request.recheck_on else "",
        "again": soon(next_try) if next_try else "",
        "counts": listed([f"{count} {kind}" for kind, count in sorted(task.counts.items())]),
        "reason": (task.reason or "").rstrip("."),
    }
    return _template(task, standing, facts) % facts


def _template(task: Task, standing: Standing, facts: Mapping[str, str]) -> str:
    match standing:
        case Standing.PLANNED:
            return gettext("We ask %(name)s as soon as the places before it have answered.")
        case Standing.ASKED if facts["again"]:
            return gettext("We asked on %(asked)s. No answer yet. We try again %(again)s.")
        case Standing.ASKED:
            return gettext("We asked on %(asked)s. No answer yet.")
        case Standing.ACCEPTED:
            return gettext("%(name)s has our message and is working on it.")
        case Standing.SENT_COPY:
            return gettext("%(name)s has sent its part of your copy.")
        case Standing.SAYS_ERASED if facts["recheck"]:
            return gettext("%(name)s says it has erased your data. We ask again on %(recheck)s to make sure.")
        case Standing.SAYS_ERASED:
            return gettext("%(name)s says it has erased your data.")
        case Standing.SAYS_SO_AGAIN:
            return gettext("%(name)s says again that it has erased your data.")
        case Standing.CHECKED:
            return gettext("On %(checked)s we looked in %(name)s's database ourselves and found nothing.")
        case Standing.CAME_BACK:
            return gettext("We asked again and %(name)s had data of yours once more. We asked it to erase that too.")
        case Standing.NOTHING_FOUND:
            return gettext("%(name)s has nothing about you.")
        case Standing.KEPT if facts["counts"]:
            return gettext("%(name)s keeps %(counts)s: %(reason)s. Nobody uses them for anything else.")
        case Standing.KEPT:
            return gettext("%(name)s keeps some of your data: %(reason)s. Nobody uses it for anything else.")
        case Standing.FAILED if facts["reason"]:
            return gettext("%(name)s did not do it: %(reason)s. One of us takes it up with them.")
        case Standing.FAILED:
            return gettext("%(name)s cannot be reached. One of us takes it up with them.")
