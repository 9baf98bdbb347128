"""This floor's data about a person, for requests."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from dsar.models import SubjectRequest
from identity_privacy.subject_data import Section


class RequestStore:
    """The person's requests. Each has a key of its own, which ends with the request and not with the profile."""

    name = "requests"

    def collect(self, subject_id: UUID) -> Sequence[Section]:
        """What they asked for, and when it was answered."""
        rows = [
            {
                "reference": request.reference,
                "what": request.get_kind_display(),
                "asked": request.received_at.isoformat(timespec="seconds"),
                "state": request.get_state_display(),
            }
            for request in SubjectRequest.objects.by(subject_id)
        ]
        return [Section("Your requests", rows)]

    def erase(self, subject_id: UUID) -> Mapping[str, int]:
        """Nothing: the record of a request holds no personal data but what is under its own key (GDPR Art. 5(2))."""
        return {}

    def remaining(self, subject_id: UUID) -> Mapping[str, int]:
        """Nothing here outlives the request's own key."""
        return {}
