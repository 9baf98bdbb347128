"""The states of a request: the rules, the verbs and the published table say the same."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dsar.errors import NotNow
from dsar.models import SubjectRequest
from dsar.rules import FOLLOWS, step
from dsar.services import accept_request, answer_request, start_recheck, withdraw_request
from dsar.terms import Check, RequestKind, RequestState, TaskState
from tests.factories import SERVICE, make_controller, make_person, make_request

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "states.md").read_text()


def tables() -> list[dict[str, list[str]]]:
    """Each table of the page: the code that a row begins with, and its other cells."""
    found: list[dict[str, list[str]]] = [{}]
    for line in PAGE.splitlines():
        if match := re.fullmatch(r"\| `(\w+)` \|(.*)\|", line):
            found[-1][match[1]] = [cell.strip() for cell in match[2].split("|")]
        elif found[-1]:
            found.append({})
    return [table for table in found if table]


REQUESTS, TASKS, CHECKS = tables()
PUBLISHED = {state: set(re.findall(r"`(\w+)`", cells[-1])) for state, cells in REQUESTS.items()}


def test_the_page_shows_every_state_with_its_meaning_next_act_and_owner() -> None:
    assert set(REQUESTS) == set(RequestState.values)
    assert set(TASKS) == set(TaskState.values)
    assert set(CHECKS) == set(Check.values)
    assert all(cell for table in (REQUESTS, TASKS) for cells in table.values() for cell in cells[:3])


def test_the_page_shows_the_table_of_the_rules() -> None:
    assert {state.value: set(following) for state, following in FOLLOWS.items()} == PUBLISHED


class Life(RuleBasedStateMachine):
    """One request is pushed to any state at any time; the page's table and words are the model."""

    def __init__(self) -> None:
        super().__init__()
        self.kind, self.state, self.past = RequestKind.ERASURE, RequestState.RECEIVED, [RequestState.RECEIVED]

    @precondition(lambda self: len(self.past) == 1)
    @rule(kind=st.sampled_from(RequestKind))
    def is_of_kind(self, kind: RequestKind) -> None:
        self.kind = kind

    @rule(wanted=st.sampled_from(RequestState))
    def push(self, wanted: RequestState) -> None:
        has_begun = self.kind is RequestKind.ERASURE and self.state is RequestState.FULFILLING
        allowed = wanted.value in PUBLISHED[self.state] and not (has_begun and wanted is RequestState.WITHDRAWN)
        try:
            self.state = step(self.kind, self.state, wanted)
        except NotNow:
            assert not allowed
        else:
            assert allowed
            assert self.state is wanted
            self.past.append(wanted)

    @invariant()
    def nothing_happens_twice(self) -> None:
        assert len(set(self.past)) == len(self.past)

    @invariant()
    def nothing_is_closed_that_was_not_answered(self) -> None:
        assert RequestState.CLOSED not in self.past or RequestState.ANSWERED in self.past

    @invariant()
    def an_erasure_that_has_begun_is_answered_and_never_withdrawn(self) -> None:
        begun = self.kind is RequestKind.ERASURE and RequestState.FULFILLING in self.past
        assert not (begun and RequestState.WITHDRAWN in self.past)


TestLife = Life.TestCase

# The verbs and the state that each leads to.
VERBS: dict[str, tuple[RequestState, Callable[[SubjectRequest], object]]] = {
    "accept": (RequestState.FULFILLING, lambda row: accept_request(actor=SERVICE, request=row)),
    "withdraw": (RequestState.WITHDRAWN, lambda row: withdraw_request(actor=SERVICE, request=row)),
    "answer": (RequestState.ANSWERED, lambda row: answer_request(request_id=row.id)),
    "re-check": (RequestState.RECHECKING, lambda row: start_recheck(request_id=row.id)),
}


REFUSED = [
    (state, verb) for state in RequestState for verb, (target, _) in VERBS.items() if target not in PUBLISHED[state]
]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", RequestKind)
@pytest.mark.parametrize(("state", "verb"), REFUSED)
def test_a_verb_is_refused_where_the_table_does_not_allow_it(state: RequestState, verb: str, kind: RequestKind) -> None:
    lindwerk = make_controller()
    person = make_person(lindwerk, email="alice@example.org", given_name="alice")
    request = make_request(lindwerk, person, kind, accepted=False)
    SubjectRequest.objects.filter(id=request.id).update(state=state)
    _, act = VERBS[verb]
    with pytest.raises(NotNow):
        act(request)
    assert SubjectRequest.objects.get(id=request.id).state == state
