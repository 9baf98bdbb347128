"""What delivery itself knows about a person."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from identity_privacy.delivery.models import Link
from identity_privacy.subject_data import Section


class LinkStore:
    """Which linked systems know the person, and by which account."""

    name = "delivery"

    def collect(self, subject_id: UUID) -> Sequence[Section]:
        """The linked systems and the person's account in each."""
        links = Link.objects.of_subject(subject_id).order_by("system__name")
        rows = [{"system": link.system.name, "account": str(link.account_id)} for link in links]
        return [Section(title="Linked systems", rows=rows)] if rows else []

    def erase(self, subject_id: UUID) -> Mapping[str, int]:
        """Cut all links; a message under way keeps what it needs under its own key."""
        count, _ = Link.objects.filter(subject_id=subject_id).delete()
        return {"links": count}

    def remaining(self, subject_id: UUID) -> Mapping[str, int]:
        """How many links are left."""
        return {"links": Link.objects.filter(subject_id=subject_id).count()}
