"""Requests and where they stand, for staff: no personal data, not even a pseudonym."""

from typing import Final

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from dsar.models import SubjectRequest, Task
from dsar.terms import Check, EvidenceKind, Outcome
from identity_privacy.access.api.staff import SeesRequests
from identity_privacy.access.roles import controllers_for
from identity_privacy.access.terms import Permission
from identity_privacy.conditional import Conditional
from identity_privacy.paging import PARAMETERS, NewestFirst
from identity_privacy.parsing import refuse_unknown

_REQUEST: Final[dict[str, object]] = {
    "reference": "LI-3DM3WN",
    "controller": "lindwerk",
    "kind": "erasure",
    "state": "fulfilling",
    "law": "gdpr",
    "channel": "portal",
    "received_at": "2026-05-06T16:56:44.532000+02:00",
    "due_on": "2026-06-08",
    "answered_at": None,
    "recheck_on": None,
    "closed_at": None,
}
_PLAN: Final[dict[str, object]] = {
    "due_reason": {
        "law": "GDPR",
        "article": "Art. 12(3) GDPR",
        "received_on": "2026-05-06",
        "months": "1",
        "unrolled_on": "2026-06-06",
        "roll_article": "Art. 3(4) Regulation (EEC, Euratom) 1182/71",
        "counting": "The day of receipt is not counted; a month ends on the same day of the next month, or on its "
        "last day if it has none.",
        "counting_article": "Art. 3(1) and 3(2)(c) Regulation (EEC, Euratom) 1182/71",
    },
    "tasks": [
        {
            "id": "019dfdce-5bab-7f64-90e3-7b2d4c8a1f56",
            "system": "this-service",
            "state": "reported",
            "outcome": "done",
            "check": "checked",
            "counts": {"profiles.attributes": 5, "profiles.identifiers": 2},
            "evidence_kind": "row_counts",
            "asked_at": "2026-05-06T17:00:53.119000+02:00",
            "accepted_at": None,
            "reported_at": "2026-05-06T17:00:53.148000+02:00",
            "checked_at": "2026-05-06T17:00:53.148000+02:00",
        },
        {
            "id": "019dfdce-5bab-7f64-90e3-7b2e51d09c88",
            "system": "shop",
            "state": "accepted",
            "outcome": "",
            "check": "",
            "counts": {},
            "evidence_kind": "",
            "asked_at": "2026-05-06T17:00:53.151000+02:00",
            "accepted_at": "2026-05-06T17:00:53.902000+02:00",
            "reported_at": None,
            "checked_at": None,
        },
    ],
}


class TaskOutput(serializers.ModelSerializer[Task]):
    """One system's part in a request."""

    system = serializers.CharField(source="system_code")
    outcome = serializers.ChoiceField(Outcome.choices, allow_blank=True)
    check = serializers.ChoiceField(Check.choices, allow_blank=True, source="check_result")
    evidence_kind = serializers.ChoiceField(EvidenceKind.choices, allow_blank=True)
    counts = serializers.DictField(
        child=serializers.IntegerField(), help_text="How many records of each kind the system speaks of"
    )

    class Meta:
        model = Task
        fields = read_only_fields = (
            "id",
            "system",
            "state",
            "outcome",
            "check",
            "counts",
            "evidence_kind",
            "asked_at",
            "accepted_at",
            "reported_at",
            "checked_at",
        )


@extend_schema_serializer(examples=[OpenApiExample("An erasure", _REQUEST)])
class RequestOutput(serializers.ModelSerializer[SubjectRequest]):
    """A request without its person."""

    controller = serializers.CharField(source="controller.code")

    class Meta:
        model = SubjectRequest
        fields: tuple[str, ...] = (
            "reference",
            "controller",
            "kind",
            "state",
            "law",
            "channel",
            "received_at",
            "due_on",
            "answered_at",
            "recheck_on",
            "closed_at",
        )
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("An erasure that one system has not done yet", _REQUEST | _PLAN)])
class RequestDetailOutput(RequestOutput):
    """The same with the reason of its date, and its plan."""

    due_reason = serializers.DictField(child=serializers.CharField(allow_blank=True))
    tasks = TaskOutput(many=True)

    class Meta(RequestOutput.Meta):
        fields = read_only_fields = (*RequestOutput.Meta.fields, "due_reason", "tasks")


class RequestListView(ListAPIView[SubjectRequest]):
    """The requests of the controllers that the caller works for."""

    permission_classes = (SeesRequests,)
    serializer_class = RequestOutput
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[SubjectRequest]:
        """Theirs and nobody else's."""
        refuse_unknown(self.request.query_params, PARAMETERS)
        return _visible(self.request)

    @extend_schema(operation_id="requests_list", summary="Subject requests")
    def get(self, request: Request, *args: object, **kwargs: object) -> Response:
        """All requests, the newest first."""
        return super().get(request, *args, **kwargs)


class RequestView(Conditional):
    """One request."""

    permission_classes = (SeesRequests,)

    @extend_schema(
        operation_id="request",
        summary="One subject request",
        parameters=[
            OpenApiParameter(
                "reference",
                OpenApiTypes.STR,
                OpenApiParameter.PATH,
                pattern="^[-a-zA-Z0-9_]+$",
                examples=[OpenApiExample("A request", _REQUEST["reference"])],
            )
        ],
        responses=RequestDetailOutput,
    )
    def get(self, request: Request, reference: str) -> Response:
        """Where a request stands, with its plan and the reason of its date."""
        found = get_object_or_404(_visible(request).prefetch_related("tasks"), reference=reference)
        return Response(RequestDetailOutput(found).data)


def _visible(request: Request) -> QuerySet[SubjectRequest]:
    mine = SubjectRequest.objects.filter(controller__in=controllers_for(request, Permission.SEE_REQUESTS))
    return mine.select_related("controller")
