"""Where a system stands is named by what is proven: it "says erased" until we have looked ourselves."""

import pytest

from dsar.admin.plan import Step, holds_up
from dsar.models import SubjectRequest, Task
from dsar.terms import Check, Outcome, RequestKind, RequestState, TaskState
from identity_privacy.clock import now
from identity_privacy.delivery.models import Message
from identity_privacy.delivery.terms import MessageState

DEAD = Message(state=MessageState.DEAD, dead_at=now(), last_error="410", attempt_count=1)
FAILING = Message(state=MessageState.PENDING, failure_count=2, due_at=now(), last_error="503", attempt_count=2)


def _step(
    *,
    state: TaskState = TaskState.REPORTED,
    outcome: Outcome | str = "",
    check: Check | str = "",
    kind: RequestKind = RequestKind.ERASURE,
    message: Message | None = None,
) -> Step:
    task = Task(
        request=SubjectRequest(kind=kind),
        system_name="Parcels",
        state=state,
        outcome=outcome,
        check_result=check,
    )
    return Step(task=task, message=message)


@pytest.mark.parametrize(
    ("step", "words", "kind"),
    [
        (_step(state=TaskState.PLANNED), "Planned", "wait"),
        (_step(state=TaskState.ASKED), "Asked", "wait"),
        (_step(state=TaskState.ACCEPTED), "Accepted", "wait"),
        (_step(outcome=Outcome.DONE), "Says erased", "ok"),
        (_step(outcome=Outcome.DONE, kind=RequestKind.ACCESS), "Sent its copy", "ok"),
        (_step(outcome=Outcome.NOTHING_FOUND), "Nothing found", "ok"),
        (_step(outcome=Outcome.KEPT), "Kept, and why", "keep"),
        (_step(outcome=Outcome.FAILED), "Failed", "bad"),
        (_step(outcome=Outcome.DONE, check=Check.CONFIRMED_AGAIN), "Says so again", "ok"),
        (_step(outcome=Outcome.DONE, check=Check.CHECKED), "Checked by us", "ok"),
        (_step(outcome=Outcome.DONE, check=Check.CAME_BACK), "Came back", "bad"),
        (_step(state=TaskState.ASKED, message=DEAD), "Not reached", "bad"),
    ],
)
def test_a_step_is_named_by_what_is_proven(step: Step, words: str, kind: str) -> None:
    tag = step.tag()
    assert (str(tag.words), tag.kind) == (words, kind)


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ([_step(outcome=Outcome.DONE)], "Every system has answered. We put the answer together."),
        ([_step(state=TaskState.PLANNED)], "Parcels is asked next."),
        ([_step(state=TaskState.ASKED, message=FAILING)], "Parcels cannot be reached: 503. We try again at "),
        (
            [_step(state=TaskState.ASKED), _step(outcome=Outcome.FAILED)],
            "Parcels says that it failed. 1 more is not done.",
        ),
    ],
)
def test_what_holds_a_request_up_is_the_most_pressing_thing_first(steps: list[Step], sentence: str) -> None:
    request = SubjectRequest(kind=RequestKind.ERASURE, state=RequestState.FULFILLING)
    assert holds_up(request, steps).startswith(sentence)


def test_an_ended_request_is_held_up_by_nothing() -> None:
    request = SubjectRequest(kind=RequestKind.ERASURE, state=RequestState.WITHDRAWN)
    assert holds_up(request, [_step(state=TaskState.PLANNED)]) == "The person withdrew it."
