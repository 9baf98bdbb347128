"""This floor's data about a person, for requests."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from consent.models import ConsentEvent
from identity_privacy.subject_data import Section


class ConsentStore:
    """The ledger about a person. It holds no value that names them, and stays as the proof of Art. 7(1)."""

    name = "consent"

    def collect(self, subject_id: UUID) -> Sequence[Section]:
        """What they agreed to and when, newest first."""
        rows = [
            {
                "purpose": event.purpose.name,
                "choice": event.get_action_display(),
                "when": event.occurred_at.isoformat(timespec="seconds"),
                "where": event.get_channel_display(),
                "text": event.notice.text if event.notice else "",
            }
            for event in ConsentEvent.objects.about(subject_id)
        ]
        return [Section("Your choices", rows)]

    def erase(self, subject_id: UUID) -> Mapping[str, int]:
        """Nothing: what is kept is the proof of consent, by pseudonym (GDPR Art. 7(1), 17(3)(e))."""
        return {}

    def remaining(self, subject_id: UUID) -> Mapping[str, int]:
        """Nothing here names the person."""
        return {}
