"""Where a person stands does not depend on the order in which events arrive, and what follows from it is the law's."""

from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.rules import RESTRICTIVE, comes_after, decide
from consent.terms import ConsentAction, LegalBasis

MOMENT = datetime(2026, 11, 24, 12, tzinfo=UTC)
Event = tuple[ConsentAction, datetime, str]

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(ConsentAction),
        # Few moments, so that ties are frequent.
        st.integers(0, 2).map(lambda seconds: MOMENT + timedelta(seconds=seconds)),
        st.uuids().map(str),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda event: event[2],
)


def standing(events: list[Event]) -> Event:
    def later(held: Event, event: Event) -> Event:
        action, at, event_id = event
        return event if comes_after(action, at, event_id, held) else held

    return reduce(later, events)


@given(st.data(), EVENTS)
def test_any_order_of_events_gives_the_same_standing(data: st.DataObject, events: list[Event]) -> None:
    shuffled = data.draw(st.permutations(events))
    assert standing(shuffled) == standing(events)


@given(EVENTS)
def test_the_latest_event_decides_and_of_several_at_one_moment_the_most_restrictive(events: list[Event]) -> None:
    action, at, _ = standing(events)
    assert at == max(moment for _, moment, _ in events)
    assert RESTRICTIVE[action] == max(RESTRICTIVE[one] for one, moment, _ in events if moment == at)


@pytest.mark.parametrize("restrictive", [action for action in ConsentAction if action is not ConsentAction.GIVEN])
def test_on_a_tie_a_no_wins_over_a_yes(restrictive: ConsentAction) -> None:
    yes, no = (ConsentAction.GIVEN, MOMENT, "b"), (restrictive, MOMENT, "a")
    assert standing([yes, no]) == standing([no, yes]) == no


# Purpose's legal basis, the person's last word on it, may it be done, the reason that is given.
OTHER_THAN_CONSENT = [basis for basis in LegalBasis if basis is not LegalBasis.CONSENT]
TABLE = [
    (LegalBasis.CONSENT, None, False, "never_asked"),  # Art. 4(11): a clear affirmative act
    (LegalBasis.CONSENT, ConsentAction.GIVEN, True, "given"),  # Art. 6(1)(a)
    (LegalBasis.CONSENT, ConsentAction.REFUSED, False, "refused"),
    (LegalBasis.CONSENT, ConsentAction.WITHDRAWN, False, "withdrawn"),  # Art. 7(3)
    (LegalBasis.CONSENT, ConsentAction.OBJECTED, False, "objected"),
    *[(basis, None, True, "lawful_basis") for basis in OTHER_THAN_CONSENT],  # Art. 6(1)(b)-(f)
    *[(basis, ConsentAction.OBJECTED, False, "objected") for basis in OTHER_THAN_CONSENT],  # Art. 21(1)
]


@pytest.mark.parametrize(("basis", "word", "allowed", "reason"), TABLE)
def test_the_decision_and_its_reason(basis: LegalBasis, word: ConsentAction | None, allowed: bool, reason: str) -> None:
    decision = decide(basis, word)
    assert (decision.allowed, decision.reason, decision.legal_basis) == (allowed, reason, basis)
