"""This floor's data about a person, for requests, and who a typed address belongs to."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from identity_privacy import clock
from identity_privacy.access.directory import DirectoryEntry
from identity_privacy.actors import Actor
from identity_privacy.crypto.reading import Reading
from identity_privacy.errors import Invalid
from identity_privacy.subject_data import Section
from profiles.models import Attribute, Identifier, Profile
from profiles.terms import IdentifierKind


class ProfileStore:
    """Identifiers and attributes."""

    name = "profiles"

    def collect(self, subject_id: UUID) -> Sequence[Section]:
        """What names the person, and every fact with its source."""
        identifiers = Identifier.objects.filter(profile_id=subject_id).order_by("recorded_at", "id")
        return [
            Section("What names you", [_row(row.get_kind_display(), row.value, row) for row in identifiers]),
            Section(
                "What we know about you",
                [_row(row.definition.label, row.value, row) for row in Attribute.objects.about(subject_id)],
            ),
        ]

    def erase(self, subject_id: UUID) -> Mapping[str, int]:
        """Delete every value and index; the profile's row stays as a pseudonym without any."""
        counts = {
            "attributes": Attribute.objects.filter(profile_id=subject_id).delete()[0],
            "identifiers": Identifier.objects.filter(profile_id=subject_id).delete()[0],
        }
        Profile.objects.filter(id=subject_id, erased_at=None).update(erased_at=clock.now())
        return counts

    def remaining(self, subject_id: UUID) -> Mapping[str, int]:
        """Values and indexes that are still there."""
        return {
            "attributes": Attribute.objects.filter(profile_id=subject_id).count(),
            "identifiers": Identifier.objects.filter(profile_id=subject_id).count(),
        }


class ProfileDirectory:
    """Finds the person of an address for sign-in."""

    def find(self, controller_id: UUID, email: str) -> DirectoryEntry | None:
        """The living person whom the address names; None when it names nobody, or several and none exclusively."""
        try:
            named = Identifier.objects.naming(controller_id, IdentifierKind.EMAIL, email)
        except Invalid:
            return None
        living = named.filter(profile__erased_at=None).select_related("profile").order_by("-is_exclusive", "id")[:2]
        found = list(living)
        if not found or (len(found) > 1 and not found[0].is_exclusive):
            return None
        return DirectoryEntry(subject_id=found[0].profile_id, data_key_id=found[0].profile.data_key_id)

    def entry(self, subject_id: UUID) -> DirectoryEntry | None:
        """The living person with this id."""
        profile = Profile.objects.filter(id=subject_id, erased_at=None).first()
        return DirectoryEntry(subject_id=profile.id, data_key_id=profile.data_key_id) if profile else None

    def address_of(self, subject_id: UUID) -> str:
        """The address that the person has shown to be theirs, else any of theirs."""
        addresses = Identifier.objects.filter(profile_id=subject_id, kind=IdentifierKind.EMAIL).select_related(
            "profile"
        )
        address = addresses.exclude(verified_at=None).first() or addresses.first()
        if address is None:
            return ""
        with Reading(
            actor=Actor.subject(subject_id),
            purpose="portal.contact",
            subject_id=subject_id,
            controller_id=address.profile.controller_id,
            reason="To send a code or an answer",
        ):
            return str(address.value)


def _row(what: str, value: str, row: Identifier | Attribute) -> Mapping[str, str]:
    return {"what": what, "value": value, "source": row.source, "since": row.recorded_at.isoformat(timespec="seconds")}
