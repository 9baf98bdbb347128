"""A linked system reports what it did for a task."""

from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dsar.models import Task
from dsar.services import record_result
from dsar.terms import Outcome
from identity_privacy.access.limits import BAD_SIGNATURES, count_one, network_of, refuse_if_reached
from identity_privacy.errors import NotAuthenticated


class TaskResultInput(serializers.Serializer[object]):
    """What is sent, for the schema; it is read by `dsar.rules`, after its signature was verified over the raw bytes."""

    type = serializers.ChoiceField(["task.access", "task.erase", "task.recheck"], help_text="As it was asked")
    task = serializers.UUIDField()
    outcome = serializers.ChoiceField(Outcome.choices)
    counts = serializers.DictField(child=serializers.IntegerField(min_value=0), required=False)
    reason = serializers.CharField(max_length=200, required=False, help_text="Why it was kept or failed")
    data = serializers.JSONField(  # type: ignore[assignment]  # a field of the body, taken off the class by DRF
        required=False, help_text="Of an access task: the person's data"
    )


class TaskStateOutput(serializers.ModelSerializer[Task]):
    """Where the task stands now."""

    check = serializers.CharField(source="check_result")

    class Meta:
        model = Task
        fields = ("id", "state", "outcome", "check", "reported_at")


class TaskResultView(APIView):
    """The signature is all the proof that is needed: no session, no token."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    # A system may report as much as it was asked; what nobody has signed is counted instead.
    throttle_classes = ()

    @extend_schema(
        operation_id="task_result",
        request=TaskResultInput,
        responses=TaskStateOutput,
        auth=[{"webhookSignature": []}],  # type: ignore[list-item]  # the package types it too narrowly
        parameters=[
            OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.HEADER, required=True, description=words)
            for name, words in (
                ("webhook-id", "Yours to choose; the same on every try"),
                ("webhook-timestamp", "Unix seconds, at most five minutes from now"),
            )
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
