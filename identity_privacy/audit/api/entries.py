"""What was done, for staff of the controller for which it was done: by pseudonyms, as every entry is."""

from typing import Final
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from identity_privacy.actors import ActorKind
from identity_privacy.audit.api.examples import ENTRY
from identity_privacy.audit.canonical import entry_object
from identity_privacy.audit.entry_access import entries_seen_by
from identity_privacy.audit.finding import Wanted, matching
from identity_privacy.audit.models import Entry
from identity_privacy.conditional import Conditional
from identity_privacy.errors import Invalid
from identity_privacy.paging import PARAMETERS, NewestFirst
from identity_privacy.parsing import refuse_unknown

ACTOR_KINDS: Final = [(kind.value, kind.value) for kind in ActorKind]
ENTRY_ID: Final = OpenApiParameter(
    "entry_id", OpenApiTypes.UUID, OpenApiParameter.PATH, examples=[OpenApiExample("An entry", ENTRY["id"])]
)


class EntriesInput(serializers.Serializer[Wanted]):
    """Which entries; several filters narrow one another down."""

    subject = serializers.UUIDField(required=False, help_text="The person whom it concerns, by pseudonym")
    actor = serializers.CharField(required=False, max_length=64, help_text="The id of who did it")
    actor_kind = serializers.ChoiceField(
        ACTOR_KINDS, required=False, help_text="What kind of party that is; with `actor` only"
    )
    action = serializers.CharField(
        required=False, max_length=64, help_text="`request.accepted`; `request.*` for all that begin so"
    )
    target = serializers.CharField(required=False, max_length=64, help_text="The id of what it was done to")
    target_kind = serializers.CharField(
        required=False, max_length=64, help_text="What kind of thing that is; with `target` only"
    )
    request = serializers.CharField(
        required=False,
        max_length=64,
        help_text="The web request, task or command that did it; of a web request, its answer's `X-Request-ID`",
    )
    since = serializers.DateTimeField(required=False, help_text="Not before this time")
    until = serializers.DateTimeField(required=False, help_text="Before this time")


class ActorOutput(serializers.Serializer[object]):
    """Who did it."""

    kind = serializers.ChoiceField(ACTOR_KINDS)
    id = serializers.CharField(help_text="An id, or of a service or a witness its name; never a person's name")


class TargetOutput(serializers.Serializer[object]):
    """What it was done to."""

    kind = serializers.CharField()
    id = serializers.CharField()


class OriginOutput(serializers.Serializer[object]):
    """From where it was done."""

    request = serializers.CharField(help_text="Which web request, task or command it was")
    network = serializers.CharField(help_text="The network that it came from, never the address")


class EntryObjectOutput(serializers.Serializer[object]):
    """The entry itself: its canonical JSON (RFC 8785) is what the leaf hash is made of."""

    id = serializers.UUIDField()
    at = serializers.CharField(help_text="2027-03-04T21:36:00.000000Z")
    actor = ActorOutput()
    action = serializers.CharField()
    target = TargetOutput()
    controller = serializers.UUIDField(allow_null=True)
    subject = serializers.UUIDField(allow_null=True, help_text="The person whom it concerns, by pseudonym")
    reason = serializers.CharField()
    purpose = serializers.CharField()
    origin = OriginOutput()
    details = serializers.DictField(help_text="Ids, counts and codes")
    commitments = serializers.DictField(help_text="To values, under a key of the person's")


@extend_schema_serializer(examples=[OpenApiExample("A request was accepted", {"entry": ENTRY, "epoch": 1, "index": 2})])
class EntryOutput(serializers.Serializer[Entry]):
    """An entry and its place in the log."""

    entry = serializers.SerializerMethodField()
    epoch = serializers.SerializerMethodField(help_text="Null while it waits for its place, for seconds")
    index = serializers.SerializerMethodField(help_text="From 0 within the epoch; null as above")

    @extend_schema_field(EntryObjectOutput)
    def get_entry(self, entry: Entry) -> dict[str, object]:
        """As it is hashed, not a character else."""
        return entry_object(entry)

    def get_epoch(self, entry: Entry) -> int | None:
        """Which epoch of the log it stands in."""
        place = getattr(entry, "sequenced", None)
        return place.epoch if place else None

    def get_index(self, entry: Entry) -> int | None:
        """Where it stands there."""
        place = getattr(entry, "sequenced", None)
        return place.index if place else None


class EntryListView(ListAPIView[Entry]):
    """The entries of the controllers that the caller works for."""

    serializer_class = EntryOutput
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[Entry]:
        """Those that are wanted, of theirs and of nobody else's."""
        return matching(entries_seen_by(self.request), _wanted(self.request)).select_related("sequenced")

    @extend_schema(operation_id="audit_entries", summary="Audit entries", parameters=[EntriesInput])
    def get(self, request: Request, *args: object, **kwargs: object) -> Response:
        """What was done, the newest first."""
        return super().get(request, *args, **kwargs)


class EntryView(Conditional):
    """One entry."""

    @extend_schema(operation_id="audit_entry", summary="One audit entry", parameters=[ENTRY_ID], responses=EntryOutput)
    def get(self, request: Request, entry_id: UUID) -> Response:
        """An entry with its place in the log; what proves that place is under `proof/`."""
        entry = get_object_or_404(entries_seen_by(request).select_related("sequenced"), pk=entry_id)
        return Response(EntryOutput(entry).data)


def _wanted(request: Request) -> Wanted:
    asked = EntriesInput(data=request.query_params.dict())
    refuse_unknown(request.query_params, {*asked.fields, *PARAMETERS})
    asked.is_valid(raise_exception=True)
    found = asked.validated_data
    for kind, of in (("actor_kind", "actor"), ("target_kind", "target")):
        if kind in found and of not in found:
            raise Invalid(f"give the id as `{of}` too", field=kind)
    return Wanted(**found)
