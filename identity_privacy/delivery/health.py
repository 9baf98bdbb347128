"""How linked systems do, and which messages are stuck: what the console tells of delivery."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.terms import MessageState
from identity_privacy.tags import Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many messages to a system wait, wait after a failure, or were given up."""

    waiting: int
    failing: int
    dead: int


_NONE = Counts(waiting=0, failing=0, dead=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How one system does."""

    system: System
    counts: Counts
    answered_at: datetime | None
    cause: str

    @property
    def needs_person(self) -> bool:
        """Whether it does not mend by itself: a message was given up, or the system was switched off."""
        return bool(self.counts.dead) or not self.system.is_active

    @property
    def is_well(self) -> bool:
        """Whether it has answered, and nothing is the matter with it."""
        return self.answered_at is not None and not self.needs_person and not self.counts.failing

    def tag(self) -> Tag:
        """Its state in a word or two."""
        if not self.system.is_active:
            return Tag(kind="bad", icon="triangle", words=_("Switched off"))
        if self.counts.dead:
            return Tag(kind="bad", icon="triangle", words=_("Needs a person"))
        if self.counts.failing:
            return Tag(kind="keep", icon="clock", words=_("Does not answer"))
        if self.answered_at:
            return Tag(kind="ok", icon="check", words=_("Well"))
        return Tag(kind="wait", icon="clock", words=_("No answer yet") if self.counts.waiting else _("Not asked yet"))

    def sentence(self) -> str:
        """Its state in a sentence, with the cause and what happens next."""
        if not self.system.is_active:
            return _("It said that it wants no more messages, so we send it none.")
        if self.counts.dead:
            given_up = ngettext("We gave up on %(count)d message", "We gave up on %(count)d messages", self.counts.dead)
            return f"{given_up % {'count': self.counts.dead}}: {self.cause}." if self.cause else f"{given_up}."
        if self.counts.failing:
            tried = ngettext(
                "%(count)d message did not arrive and is tried again",
                "%(count)d messages did not arrive and are tried again",
                self.counts.failing,
            )
            return f"{tried % {'count': self.counts.failing}}: {self.cause}."
        if self.counts.waiting:
            on_the_way = ngettext(
                "%(count)d message is on its way.", "%(count)d messages are on their way.", self.counts.waiting
            )
            return on_the_way % {"count": self.counts.waiting}
        return _("It takes what we send.") if self.answered_at else _("We have not sent it anything yet.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """Messages that were given up for the same cause on the way to the same system (none: e-mail to people)."""

    system_code: str | None
    system_name: str | None
    cause: str
    count: int
    since: datetime


def tries_of(message: Message) -> str:
    """How often a message went out, and why it failed last."""
    if not message.attempt_count:
        return _("Not tried yet")
    tried = ngettext("%(count)d try", "%(count)d tries", message.attempt_count) % {"count": message.attempt_count}
    return f"{tried}; {message.last_error}" if message.last_error else tried


def health_of(controllers: Set[UUID]) -> Sequence[Health]:
    """The health of every system that is linked to these controllers, the troubled first; three queries."""
    systems = System.objects.filter(controller__in=controllers).order_by("name")
    waiting = _undelivered(systems)
    latest = Message.objects.filter(system=OuterRef("pk")).order_by("-id")
    last_words = systems.values_list(
        "pk",
        Subquery(latest.filter(state=MessageState.DELIVERED).values("delivered_at")[:1]),
        Subquery(latest.dead().values("last_error")[:1]),
        Subquery(latest.pending().filter(failure_count__gt=0).values("last_error")[:1]),
    )
    answers = {pk: (at, given_up_for or failed_for or "") for pk, at, given_up_for, failed_for in last_words}
    found = [
        Health(
            system=system,
            counts=waiting.get(system.pk, _NONE),
            answered_at=answers[system.pk][0],
            cause=answers[system.pk][1],
        )
        for system in systems
    ]
    return sorted(found, key=lambda health: (not health.needs_person, health.is_well))


def systems_needing_person(controllers: Set[UUID]) -> int:
    """How many linked systems do not mend by themselves; one query."""
    systems = System.objects.filter(controller__in=controllers)
    return systems.filter(Q(is_active=False) | Exists(Message.objects.dead().filter(system=OuterRef("pk")))).count()


def stuck_messages(controllers: Set[UUID]) -> Sequence[Stuck]:
    """Given-up messages by system and cause, the most first."""
    groups = (
        Message.objects.dead()
        .filter(controller__in=controllers)
        .order_by()
        .values_list("system__code", "system__name", "last_error")
        .annotate(count=Count("id"), since=Min("dead_at"))
        .order_by("-count", "since")
    )
    return [
        Stuck(system_code=code, system_name=name, cause=cause, count=count, since=since)
        for code, name, cause, count, since in groups
    ]


def _undelivered(systems: QuerySet[System]) -> Mapping[UUID | None, Counts]:
    # Only what has not arrived is counted: that stays small, however much was ever delivered.
    rows = (
        Message.objects.exclude(state=MessageState.DELIVERED)
        .filter(system__in=systems.order_by().values("pk"))
        .order_by()
        .values_list("system_id")
        .annotate(
            waiting=Count("id", filter=Q(state=MessageState.PENDING)),
            failing=Count("id", filter=Q(state=MessageState.PENDING, failure_count__gt=0)),
            dead=Count("id", filter=Q(state=MessageState.DEAD)),
        )
    )
    return {pk: Counts(waiting=waiting, failing=failing, dead=dead) for pk, waiting, failing, dead in rows}
