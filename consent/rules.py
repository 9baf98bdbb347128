"""Where a person stands after an event, and whether a use is allowed: pure functions."""

from dataclasses import dataclass
from datetime import datetime

from consent.terms import ConsentAction, LegalBasis

# Of two events at one moment the restrictive one counts.
RESTRICTIVE = {ConsentAction.GIVEN: 0, ConsentAction.REFUSED: 1, ConsentAction.WITHDRAWN: 2, ConsentAction.OBJECTED: 3}


def comes_after(action: ConsentAction, at: datetime, event_id: str, than: tuple[ConsentAction, datetime, str]) -> bool:
    """Whether an event decides over another: the later one; on a tie the restrictive one, then the larger event id."""
    other_action, other_at, other_id = than
    return (at, RESTRICTIVE[action], event_id) > (other_at, RESTRICTIVE[other_action], other_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """May this be done now, and why."""

    allowed: bool
    reason: str
    legal_basis: LegalBasis


def decide(basis: LegalBasis, action: ConsentAction | None) -> Decision:
    """Whether a purpose may be pursued for a person whose last word on it is `action`.

    Without a word a use that rests on consent is not allowed; any other use is, until the person objects.

    Source: GDPR Art. 6(1), 7(3), 21(1).
    """
    if basis is LegalBasis.CONSENT:
        if action is None:
            return Decision(allowed=False, reason="never_asked", legal_basis=basis)
        return Decision(allowed=action is ConsentAction.GIVEN, reason=action.value, legal_basis=basis)
    if action is ConsentAction.OBJECTED:
        return Decision(allowed=False, reason="objected", legal_basis=basis)
    return Decision(allowed=True, reason="lawful_basis", legal_basis=basis)
