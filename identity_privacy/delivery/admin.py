"""The console's pages of linked systems and of messages to them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.admin import SimpleListFilter, register
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from identity_privacy.access.roles import controllers_for
from identity_privacy.access.terms import Permission
from identity_privacy.console import ConsoleAdmin, actor_of, back
from identity_privacy.delivery.errors import NotDead
from identity_privacy.delivery.health import Health, health_of, systems_needing_person, tries_of
from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.services import replay_message
from identity_privacy.delivery.terms import MessageState
from identity_privacy.errors import Refused
from identity_privacy.tags import Tag

# What a message is about, in words; a topic that is not here is shown as it is.
TOPICS = {
    "task.erase": gettext_lazy("Erase a person's data"),
    "task.access": gettext_lazy("Send a copy of a person's data"),
    "task.recheck": gettext_lazy("Say again what is still there"),
    "consent.changed": gettext_lazy("A person changed a choice"),
    "sign_in_code": gettext_lazy("Sign-in code for a person"),
    "mail.request_answered": gettext_lazy("Tell a person the answer"),
}

STATES = {
    MessageState.PENDING: Tag(kind="wait", icon="clock", words=gettext_lazy("On its way")),
    MessageState.DELIVERED: Tag(kind="ok", icon="check", words=gettext_lazy("Delivered")),
    MessageState.DEAD: Tag(kind="bad", icon="triangle", words=gettext_lazy("Given up")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """A message and where it stands."""

    message: Message
    about: str
    tag: Tag

    @property
    def tries(self) -> str:
        """How often it went out, and why it failed last."""
        return tries_of(self.message)

    @property
    def is_pending(self) -> bool:
        """Whether it is still to be sent."""
        return self.message.state == MessageState.PENDING

    @property
    def is_dead(self) -> bool:
        """Whether somebody has to send it again."""
        return self.message.state == MessageState.DEAD


def message_row(message: Message) -> MessageRow:
    """What the lists show of a message; never its body."""
    state = MessageState(message.state)
    tag = STATES[state]
    if state == MessageState.PENDING and message.failure_count:
        tag = Tag(kind="keep", icon="clock", words=_("Tried again soon"))
    return MessageRow(message=message, about=str(TOPICS.get(message.topic, message.topic)), tag=tag)


@register(System)
class SystemAdmin(ConsoleAdmin[System]):
    """Linked systems and their health."""

    heading = gettext_lazy("Systems")
    icon = "share"
    position = 2
    permission = Permission.SEE_SYSTEMS
    list_display = ("name", "kind")
    ordering = ("name",)

    def count(self, request: HttpRequest) -> int | None:
        """How many need a person."""
        return systems_needing_person(self.controllers(request))

    def rows(self, request: HttpRequest, objects: Sequence[System]) -> Sequence[Health]:
        """The health of each, the troubled first."""
        shown = {system.pk for system in objects}
        return [health for health in health_of(self.controllers(request)) if health.system.pk in shown]

    def page(self, request: HttpRequest, row: System) -> Mapping[str, object]:
        """Its health, what it is, and its last messages."""
        health = next(found for found in health_of(self.controllers(request)) if found.system.pk == row.pk)
        latest = row.messages.select_related("system").order_by("-id")[:20]
        return {
            "title": row.name,
            "health": health,
            "messages_of_it": [message_row(message) for message in latest],
        }


class StateFilter(SimpleListFilter):
    """Given up, on its way, delivered."""

    title = gettext_lazy("where it stands")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> Sequence[tuple[str, str]]:
        """The three states."""
        return [(state.value, str(tag.words)) for state, tag in reversed(STATES.items())]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """Those in the state that was chosen."""
        return queryset.filter(state=self.value()) if self.value() else queryset


class SystemFilter(SimpleListFilter):
    """To which system."""

    title = gettext_lazy("system")
    parameter_name = "system"

    def lookups(self, request: HttpRequest, model_admin: object) -> Sequence[tuple[str, str]]:
        """The systems that this member of staff sees."""
        seen = controllers_for(request, Permission.SEE_SYSTEMS)
        return [(system.code, system.name) for system in System.objects.filter(controller__in=seen).order_by("name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        """Those to the system that was chosen."""
        return queryset.filter(system__code=self.value()) if self.value() else queryset


@register(Message)
class MessageAdmin(ConsoleAdmin[Message]):
    """The outbox: what was sent, what is on its way, what was given up and why."""

    heading = gettext_lazy("Messages")
    icon = "message"
    position = 3
    permission = Permission.SEE_SYSTEMS
    list_display = ("topic", "state")
    list_filter = (StateFilter, SystemFilter)
    list_select_related = ("system",)
    ordering = ("-id",)

    def count(self, request: HttpRequest) -> int | None:
        """How many were given up."""
        return self.get_queryset(request).filter(state=MessageState.DEAD).count()

    def rows(self, request: HttpRequest, objects: Sequence[Message]) -> Sequence[MessageRow]:
        """Each with its state in words."""
        return [message_row(message) for message in objects]

    def page(self, request: HttpRequest, row: Message) -> Mapping[str, object]:
        """Where it stands, and every attempt."""
        shown = message_row(row)
        return {"title": shown.about, "row": shown, "attempts": row.attempts.order_by("-number")}

    def acts(self) -> Sequence[URLPattern]:
        """Sending again: one message, or all that were given up for one cause."""
        return (
            path(
                "send-again/",
                self.act(self.send_group_again, Permission.SEND_AGAIN),
                name="delivery_message_send_group_again",
            ),
            path(
                "<uuid:object_id>/send-again/",
                self.act_on(self.send_again, Permission.SEND_AGAIN),
                name="delivery_message_send_again",
            ),
        )

    def send_again(self, request: HttpRequest, message: Message) -> HttpResponse:
        """Send one message again that was given up."""
        try:
            replay_message(actor=actor_of(request), message=message)
        except Refused as refusal:
            messages.warning(request, refusal.title)
        else:
            messages.success(request, _("It is on its way again."))
        return back(request, reverse("admin:delivery_message_changelist"))

    def send_group_again(self, request: HttpRequest) -> HttpResponse:
        """Send every message again that was given up for one cause on the way to one system."""
        mine = self.rows_for(request, Permission.SEND_AGAIN)
        dead = mine.filter(state=MessageState.DEAD, last_error=request.POST.get("cause", ""))
        code = request.POST.get("system", "")
        dead = dead.filter(system__code=code) if code else dead.filter(system=None)
        sent = 0
        for message in dead:
            # Somebody else pressed at the same moment: it is on its way, and so are the rest.
            with suppress(NotDead):
                replay_message(actor=actor_of(request), message=message)
                sent += 1
        words = ngettext("%(count)d message is on its way again.", "%(count)d messages are on their way again.", sent)
        messages.success(request, words % {"count": sent})
        return back(request, reverse("admin:delivery_message_changelist"))
