"""What this floor tells the one below: why each fact is kept, in words for the person."""

from collections.abc import Mapping
from uuid import UUID

from django.utils.translation import gettext as _

from consent.models import ConsentState, Purpose
from consent.rules import decide
from consent.terms import ConsentAction, LegalBasis


class PurposeReasons:
    """Purposes by name; one that rests on a yes counts only while the yes stands."""

    def of(self, controller_id: UUID, subject_id: UUID) -> Mapping[str, str]:
        """Purpose code to words, of the purposes that may be pursued for this person now."""
        standing = {state.purpose_id: ConsentAction(state.action) for state in ConsentState.objects.of(subject_id)}
        reasons = {}
        for purpose in Purpose.objects.of(controller_id):
            basis = LegalBasis(purpose.legal_basis)
            if not decide(basis, standing.get(purpose.id)).allowed:
                continue
            is_agreed = basis is LegalBasis.CONSENT
            reasons[purpose.code] = (
                _("%(use)s, because you said yes") % {"use": purpose.name} if is_agreed else purpose.name
            )
        return reasons
