"""What each system did for a request, and what holds a request up, in sentences for staff."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dsar.models import SubjectRequest, Task
from dsar.standing import standing_of
from dsar.terms import Check, Outcome, RequestState, TaskState
from identity_privacy.clock import now
from identity_privacy.delivery.health import tries_of
from identity_privacy.delivery.models import Message
from identity_privacy.delivery.terms import MessageState
from identity_privacy.tags import Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One system's part in a request, with the message that went to it for this."""

    task: Task
    message: Message | None

    @property
    def is_stuck(self) -> bool:
        """Whether a person must act: our message was given up, or the system says that it failed."""
        return self.dead_message is not None or self.task.outcome == Outcome.FAILED

    @property
    def dead_message(self) -> Message | None:
        """The message to send again, if it was given up."""
        return self.message if self.message and self.message.state == MessageState.DEAD else None

    @property
    def is_failing(self) -> bool:
        """Whether our message did not arrive and is tried again."""
        return bool(self.message and self.message.state == MessageState.PENDING and self.message.failure_count)

    @property
    def is_answered(self) -> bool:
        """Whether the system has said what it did."""
        return self.task.state == TaskState.REPORTED

    def urgency(self) -> int:
        """What to tell first of several; the lower number."""
        ranks = (
            self.dead_message is not None,
            self.task.outcome == Outcome.FAILED,
            self.task.check_result == Check.CAME_BACK,
            self.is_failing,
            self.task.state == TaskState.ACCEPTED,
            self.task.state == TaskState.ASKED,
        )
        return ranks.index(True) if True in ranks else len(ranks)

    def tag(self) -> Tag:
        """Where it stands, by the state's own name; "checked" only after our own read."""
        if self.dead_message:
            return Tag(kind="bad", icon="triangle", words=_("Not reached"))
        tag: Tag = standing_of(self.task, self.task.request.kind).value
        return tag

    def sentence(self) -> str:
        """What happened, and what comes."""
        task, name = self.task, self.task.system_name
        if self.dead_message:
            return _("%(system)s has not got our message: %(cause)s. We gave up on %(day)s.") % {
                "system": name,
                "cause": self.dead_message.last_error or _("no cause known"),
                "day": day(self.dead_message.dead_at),
            }
        if task.outcome == Outcome.FAILED:
            return _("%(system)s says that it failed.") % {"system": name}
        if task.check_result:
            return str(_CHECK_SENTENCES[Check(task.check_result)]) % {"system": name, "day": day(task.checked_at)}
        if task.outcome == Outcome.KEPT:
            return _("%(system)s keeps some of it.") % {"system": name}
        if task.outcome:
            return _("Said so on %(day)s.") % {"day": day(task.reported_at)}
        if self.is_failing and self.message:
            return _("%(system)s cannot be reached: %(cause)s. We try again at %(time)s.") % {
                "system": name,
                "cause": self.message.last_error,
                "time": clock_time(self.message.due_at),
            }
        if task.state == TaskState.ACCEPTED:
            return _("%(system)s accepted on %(day)s and has not reported yet.") % {
                "system": name,
                "day": day(task.accepted_at),
            }
        if task.state == TaskState.ASKED:
            return _("We asked %(system)s on %(day)s. No answer yet.") % {"system": name, "day": day(task.asked_at)}
        return _("%(system)s is asked next.") % {"system": name}

    def tries(self) -> str:
        """How often our message went out, and why it failed last."""
        return tries_of(self.message) if self.message else ""


_CHECK_SENTENCES: Final[Mapping[Check, str | Promise]] = {
    Check.CHECKED: gettext_lazy("On %(day)s we looked ourselves and found nothing."),
    Check.CONFIRMED_AGAIN: gettext_lazy("Said so again on %(day)s."),
    Check.CAME_BACK: gettext_lazy("%(system)s had data once more on %(day)s; we asked it to act again."),
}


def steps_of(requests: Iterable[SubjectRequest]) -> Mapping[UUID, Sequence[Step]]:
    """Each request's steps in the order of its plan; two queries, however many requests."""
    found = {request.pk: request for request in requests}
    tasks = list(
        Task.objects.filter(request__in=found).order_by("position", "id").defer("evidence", "answer", "reason")
    )
    # Of several messages about one task, such as a request and its re-check, the latest counts.
    sent = Message.objects.filter(about_id__in=[task.pk for task in tasks]).order_by("id").defer("body")
    messages = {message.about_id: message for message in sent}
    steps: dict[UUID, list[Step]] = {pk: [] for pk in found}
    for task in tasks:
        task.request = found[task.request_id]
        steps[task.request_id].append(Step(task=task, message=messages.get(task.pk)))
    return steps


def holds_up(request: SubjectRequest, steps: Sequence[Step]) -> str:
    """What stands between a request and its answer, in one sentence; what comes next, where nothing does."""
    if request.state == RequestState.RECEIVED:
        return _("We have not begun yet.")
    open_steps = sorted((step for step in steps if step.is_stuck or not step.is_answered), key=Step.urgency)
    if is_over(request) or (not request.is_open() and not any(step.is_stuck for step in steps)):
        return _after_answer(request)
    if not open_steps:
        return _("Every system has answered. We put the answer together.")
    first, others = open_steps[0], len(open_steps) - 1
    if not others:
        return first.sentence()
    more = ngettext("%(count)d more is not done.", "%(count)d more are not done.", others)
    return f"{first.sentence()} {more % {'count': others}}"


def is_over(request: SubjectRequest) -> bool:
    """Whether nothing can come of it any more."""
    return request.state in {RequestState.CLOSED, RequestState.WITHDRAWN}


def day(moment: date | datetime | None) -> str:
    """A date as it is read; of a moment, the day in the controller's zone."""
    if moment is None:
        return ""
    return date_format(timezone.localtime(moment) if isinstance(moment, datetime) else moment, "j F Y")


def clock_time(moment: datetime) -> str:
    """A time of today, or a day and a time."""
    local = timezone.localtime(moment)
    is_today = local.date() == timezone.localtime(now()).date()
    return date_format(local, "H:i" if is_today else "j F Y, H:i")


def _after_answer(request: SubjectRequest) -> str:
    if request.state == RequestState.WITHDRAWN:
        return _("The person withdrew it.")
    if request.state == RequestState.CLOSED:
        return _("It ended on %(day)s.") % {"day": day(request.closed_at)}
    if request.state == RequestState.RECHECKING:
        return _("We ask every system once more.")
    if request.recheck_on:
        return _("We ask again on %(day)s to make sure.") % {"day": day(request.recheck_on)}
    return _("The person has the answer.")
