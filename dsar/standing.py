"""Where a place stands with a request, under the name and in the colour that every page shows."""

from enum import Enum

from django.utils.translation import gettext_lazy as _

from dsar.models import Task
from dsar.terms import Check, Outcome, RequestKind, TaskState
from identity_privacy.tags import Tag


class Standing(Enum):
    """The last step that is known of a place; "says" is never "did", and only our own read makes it checked."""

    PLANNED = Tag(kind="wait", icon="clock", words=_("Planned"))
    ASKED = Tag(kind="wait", icon="info", words=_("Asked"))
    ACCEPTED = Tag(kind="wait", icon="clock", words=_("Accepted"))
    SENT_COPY = Tag(kind="ok", icon="check", words=_("Sent its copy"))
    SAYS_ERASED = Tag(kind="ok", icon="check", words=_("Says erased"))
    SAYS_SO_AGAIN = Tag(kind="ok", icon="check", words=_("Says so again"))
    CHECKED = Tag(kind="ok", icon="double-check", words=_("Checked by us"))
    CAME_BACK = Tag(kind="bad", icon="triangle", words=_("Came back"))
    NOTHING_FOUND = Tag(kind="ok", icon="check", words=_("Nothing found"))
    KEPT = Tag(kind="keep", icon="lock", words=_("Kept, and why"))
    FAILED = Tag(kind="bad", icon="triangle", words=_("Failed"))


def standing_of(task: Task, kind: str) -> Standing:
    """The last step that is known of a place."""
    if task.state != TaskState.REPORTED:
        return {
            TaskState.PLANNED: Standing.PLANNED,
            TaskState.ASKED: Standing.ASKED,
            TaskState.ACCEPTED: Standing.ACCEPTED,
        }[TaskState(task.state)]
    if task.check_result:
        return {
            Check.CHECKED: Standing.CHECKED,
            Check.CONFIRMED_AGAIN: Standing.SAYS_SO_AGAIN,
            Check.CAME_BACK: Standing.CAME_BACK,
        }[Check(task.check_result)]
    return {
        Outcome.DONE: Standing.SAYS_ERASED if kind == RequestKind.ERASURE else Standing.SENT_COPY,
        Outcome.NOTHING_FOUND: Standing.NOTHING_FOUND,
        Outcome.KEPT: Standing.KEPT,
        Outcome.FAILED: Standing.FAILED,
    }[Outcome(task.outcome)]
