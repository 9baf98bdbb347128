"""Whether a person's data may be used for a purpose now, and why."""

from uuid import UUID

from consent.models import ConsentState, Purpose
from consent.rules import Decision, decide
from consent.terms import ConsentAction, LegalBasis
from profiles.models import Profile
from profiles.querysets import ProfileQuerySet


def decision(*, subject_id: UUID, purpose: Purpose) -> Decision:
    """May this person's data be used for this purpose now, and why; the safe answer for the erased and restricted."""
    basis = LegalBasis(purpose.legal_basis)
    if not people_to_write_about(purpose).filter(id=subject_id).exists():
        return Decision(allowed=False, reason="unknown_or_barred", legal_basis=basis)
    state = ConsentState.objects.filter(subject_id=subject_id, purpose=purpose).first()
    return decide(basis, ConsentAction(state.action) if state else None)


def people_to_write_about(purpose: Purpose) -> ProfileQuerySet:
    """Whose choices may be recorded and relied on: neither the erased nor the restricted."""
    return Profile.objects.of(purpose.controller_id).living().filter(restricted_at=None)
