"""A linked system reports what it did for a task."""

from typing import Final
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dsar.models import Task
from dsar.services import record_result
from dsar.terms import Check, Outcome
from identity_privacy.access.limits import BAD_SIGNATURES, count_one, network_of, refuse_if_reached
from identity_privacy.errors import NotAuthenticated
from identity_privacy.problems import MEDIA_TYPE
from identity_privacy.schema import refusal

ASKED: Final = [(kind, kind) for kind in ("task.access", "task.erase", "task.recheck")]
_TASK: Final = "019dfdce-5bab-7f64-90e3-7b2e51d09c88"


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Everything was erased",
            {"type": "task.erase", "task": _TASK, "outcome": "done", "counts": {"orders": 3, "newsletters": 1}},
        ),
        OpenApiExample(
            "Something must be kept",
            {
                "type": "task.erase",
                "task": _TASK,
                "outcome": "kept",
                "counts": {"invoices": 2},
                "reason": "Invoices are kept for ten years (section 147 AO)",
            },
        ),
    ]
)
class TaskResultInput(serializers.Serializer[object]):
    """What is sent, for the schema; it is read by `dsar.rules`, after its signature was verified over the raw bytes."""

    type = serializers.ChoiceField(ASKED, help_text="As it was asked")
    task = serializers.UUIDField()
    outcome = serializers.ChoiceField(Outcome.choices)
    counts = serializers.DictField(child=serializers.IntegerField(min_value=0), required=False)
    reason = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="Why it was kept or failed"
    )
    data = serializers.JSONField(  # type: ignore[assignment]  # a field of the body, taken off the class by DRF
        required=False, help_text="Of an access task: the person's data"
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Reported",
            {
                "id": _TASK,
                "state": "reported",
                "outcome": "done",
                "check": "",
                "reported_at": "2026-05-06T17:04:10.025000+02:00",
            },
        )
    ]
)
class TaskStateOutput(serializers.ModelSerializer[Task]):
    """Where the task stands now."""

    outcome = serializers.ChoiceField(Outcome.choices, allow_blank=True)
    check = serializers.ChoiceField(Check.choices, allow_blank=True, source="check_result")

    class Meta:
        model = Task
        fields = read_only_fields = ("id", "state", "outcome", "check", "reported_at")


class TaskResultView(APIView):
    """The signature is all the proof that is needed: no session, no token."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    # A system may report as much as it was asked; what nobody has signed is counted instead.
    throttle_classes = ()

    @extend_schema(
        operation_id="task_result",
        request=TaskResultInput,
        summary="Report what was done for a task",
        responses={
            200: TaskStateOutput,
            (409, MEDIA_TYPE): refusal("The system was not asked to do this yet."),
        },
        auth=[{"webhookSignature": []}],  # type: ignore[list-item]  # the package types it too narrowly
        parameters=[
            OpenApiParameter(
                "task_id", OpenApiTypes.UUID, OpenApiParameter.PATH, examples=[OpenApiExample("A task", _TASK)]
            ),
            *(
                OpenApiParameter(
                    name,
                    OpenApiTypes.STR,
                    OpenApiParameter.HEADER,
                    required=True,
                    description=words,
                    examples=[OpenApiExample("A report", example)],
                )
                for name, words, example in (
                    ("webhook-id", "Yours to choose; the same on every try", "msg_2f9c1b"),
                    ("webhook-timestamp", "Unix seconds, at most five minutes from now", "1778079850"),
                )
            ),
        ],
    )
    def post(self, request: Request, task_id: UUID) -> Response:
        """Record a result; sending the same one again changes nothing (Standard Webhooks 1.0)."""
        whose = network_of(request._request)
        refuse_if_reached(BAD_SIGNATURES, whose)
        try:
            task = record_result(task_id=task_id, headers=request.headers, body=request.body)
        except NotAuthenticated:
            count_one(BAD_SIGNATURES, whose)
            raise
        return Response(TaskStateOutput(task).data)
