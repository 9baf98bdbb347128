"""Taking in people from a file: every good row is kept, each bad one named, and repeating it changes nothing.

1. Rows are taken in chunks. What is already known by its record id in the source is passed over.
2. The chunk's data keys are committed to the keys database, before any value is sealed under them.
3. Profiles, identifiers, attributes, links and the audit entry are written in one transaction.
A kill at any moment loses at most a chunk that the next run takes in again; it leaves at most keys that seal nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from django.db import IntegrityError, transaction
from uuid_utils.compat import uuid7

from identity_privacy import clock
from identity_privacy.access.models import Controller
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.crypto.blind_index import blind_indexes, normalise
from identity_privacy.crypto.keys import create_data_keys
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.delivery.models import System
from identity_privacy.delivery.services import NewLink, link_subjects
from identity_privacy.errors import Invalid
from profiles.errors import MappingInvalid, RowInvalid
from profiles.models import Attribute, AttributeDefinition, Identifier, Profile
from profiles.rules import BadRow, ImportMapping, Row, record_id_of, value_of
from profiles.terms import IdentifierKind, Stage

CHUNK = 250
# The fields of the values that an import writes.
_IDENTIFIER = (
    "id",
    "data_key_id",
    "controller_id",
    "profile_id",
    "kind",
    "value",
    "source",
    "is_exclusive",
    "recorded_at",
)
_ATTRIBUTE = ("id", "data_key_id", "profile_id", "definition_id", "value", "source", "recorded_at")


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What became of a file's rows."""

    read: int = 0
    created: int = 0
    known: int = 0
    rejected: list[BadRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A row that can be read."""

    row: Row
    source_id: str
    identifiers: tuple[tuple[IdentifierKind, str], ...]


@transaction.atomic
def define_attributes(
    *, actor: Actor, controller: Controller, mapping: ImportMapping
) -> Mapping[str, AttributeDefinition]:
    """Make the controller's attribute definitions that a mapping names and that are missing, by code."""
    known = set(AttributeDefinition.objects.filter(controller=controller).values_list("code", flat=True))
    new = [
        AttributeDefinition(
            controller=controller,
            code=attribute.code,
            label=attribute.label,
            category=attribute.category,
            is_sensitive=attribute.is_sensitive,
            purposes=list(attribute.purposes),
            position=len(known) + position,
        )
        for position, attribute in enumerate(mapping.attributes)
        if attribute.code not in known
    ]
    # Of two first imports at once one makes a definition, and both use it.
    AttributeDefinition.objects.bulk_create(new, ignore_conflicts=True)
    record(
        actor=actor,
        action="attributes.defined",
        target=("controller", controller.id),
        controller_id=controller.id,
        details={"codes": [row.code for row in new]},
    )
    return {row.code: row for row in AttributeDefinition.objects.filter(controller=controller)}


def import_profiles(
    *,
    actor: Actor,
    controller: Controller,
    rows: Iterable[Row | BadRow],
    mapping: ImportMapping,
    progress: Callable[[int], object] = lambda count: None,
) -> ImportReport:
    """Take in the rows of one file as encrypted profiles; `progress` is told after each chunk how many rows it had.

    Raises: MappingInvalid, when the mapping names a linked system that does not exist.
    """
    definitions = define_attributes(actor=actor, controller=controller, mapping=mapping)
    importer = _Importer(actor, controller, mapping, definitions)
    report = ImportReport()
    remaining = iter(rows)
    while chunk := list(islice(remaining, CHUNK)):
        report.read += len(chunk)
        report.rejected += [row for row in chunk if isinstance(row, BadRow)]
        candidates = list(importer.readable((row for row in chunk if isinstance(row, Row)), report))
        created = importer.take_in(candidates)
        report.created += created
        report.known += len(candidates) - created
        progress(len(chunk))
    report.rejected.sort(key=lambda row: row.line)
    return report


class _Importer:
    """What stays the same from chunk to chunk."""

    def __init__(
        self,
        actor: Actor,
        controller: Controller,
        mapping: ImportMapping,
        definitions: Mapping[str, AttributeDefinition],
    ) -> None:
        self._actor, self._controller, self._mapping, self._definitions = actor, controller, mapping, definitions
        self._systems = {row.code: row for row in System.objects.filter(controller=controller, code__in=mapping.links)}
        self._lines: dict[str, int] = {}
        if missing := mapping.links.keys() - self._systems.keys():
            raise MappingInvalid(f"no linked system {', '.join(sorted(missing))}", field="links")

    def readable(self, rows: Iterable[Row], report: ImportReport) -> Iterator[_Candidate]:
        """The rows that can be read; the others go to the report with their reason."""
        for row in rows:
            try:
                candidate = self._candidate(row)
            except Invalid as error:
                text = ",".join(row.values.values())
                report.rejected.append(BadRow(line=row.line, reason=f"{error.field}: {error}", text=text))
            else:
                self._lines[candidate.source_id] = row.line
                yield candidate

    def take_in(self, candidates: list[_Candidate]) -> int:
        """Write a chunk's new people; says how many."""
        for _ in range(3):
            try:
                return self._write(candidates)
            except IntegrityError:
                continue  # another import of the same source came first with some of them: look again who is known
        return self._write(candidates)

    def _candidate(self, row: Row) -> _Candidate:
        record_id = record_id_of(row, self._mapping)
        source_id = normalise(IdentifierKind.SOURCE_RECORD, f"{self._mapping.source}:{record_id}")
        if source_id in self._lines:
            message = f"stands already on line {self._lines[source_id]}"
            raise RowInvalid(message, field=self._mapping.record_id)
        identifiers = [(IdentifierKind.SOURCE_RECORD, source_id)]
        for kind, column in self._mapping.identifiers.items():
            if value := value_of(row, column):
                normalise(kind, value)  # refuse the row here, with its line, rather than the chunk when it is written
                identifiers.append((kind, value))
        return _Candidate(row=row, source_id=source_id, identifiers=tuple(identifiers))

    def _write(self, candidates: list[_Candidate]) -> int:
        kind, controller_id = IdentifierKind.SOURCE_RECORD, self._controller.id
        hashes = [set(blind_indexes(controller_id, kind, candidate.source_id)) for candidate in candidates]
        known = Identifier.objects.filter(controller=self._controller, kind=kind, index__in=set().union(*hashes))
        known_hashes = {bytes(index) for index in known.values_list("index", flat=True)}
        new = [candidate for candidate, own in zip(candidates, hashes, strict=True) if not own & known_hashes]
        if not new:
            return 0
        ids = [uuid7() for _ in new]
        keys = create_data_keys(kind=KeyKind.PROFILE, controller_id=controller_id, owners=[(one, one) for one in ids])
        with transaction.atomic():
            self._insert(new, [self._profile(one, key_id) for one, key_id in zip(ids, keys, strict=True)])
        return len(new)

    def _insert(self, new: list[_Candidate], profiles: list[Profile]) -> None:
        people = list(zip(new, profiles, strict=True))
        Profile.objects.bulk_create(profiles)
        Identifier.objects.copy_values(
            _IDENTIFIER, [row for candidate, profile in people for row in self._identifiers(candidate, profile)]
        )
        Attribute.objects.copy_values(
            _ATTRIBUTE, [row for candidate, profile in people for row in self._attributes(candidate, profile)]
        )
        for code, column in self._mapping.links.items():
            links = [
                NewLink(
                    subject_id=profile.id,
                    data_key_id=profile.data_key_id,
                    account_id=value_of(candidate.row, column),
                )
                for candidate, profile in people
                if value_of(candidate.row, column)
            ]
            link_subjects(actor=self._actor, system=self._systems[code], links=links)
        record(
            actor=self._actor,
            action="profiles.imported",
            target=("controller", self._controller.id),
            controller_id=self._controller.id,
            details={"source": self._mapping.source, "count": len(profiles)},
        )

    def _profile(self, subject_id: UUID, key_id: UUID) -> Profile:
        stage = Stage.LINKED if self._mapping.links else Stage.LITE
        return Profile(
            id=subject_id, controller=self._controller, data_key_id=key_id, stage=stage, created_at=clock.now()
        )

    def _identifiers(self, candidate: _Candidate, profile: Profile) -> Iterator[tuple[object, ...]]:
        for kind, value in candidate.identifiers:
            is_exclusive = kind is IdentifierKind.SOURCE_RECORD
            bound_to = (uuid7(), profile.data_key_id, self._controller.id, profile.id)
            yield (*bound_to, kind.value, value, self._mapping.source, is_exclusive, profile.created_at)

    def _attributes(self, candidate: _Candidate, profile: Profile) -> Iterator[tuple[object, ...]]:
        for attribute in self._mapping.attributes:
            if value := value_of(candidate.row, attribute.column):
                bound_to = (uuid7(), profile.data_key_id, profile.id, self._definitions[attribute.code].id)
                yield (*bound_to, value, self._mapping.source, profile.created_at)
