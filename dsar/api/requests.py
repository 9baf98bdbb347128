"""Requests and where they stand, for staff: no personal data, not even a pseudonym."""

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dsar.models import SubjectRequest, Task
from identity_privacy.access.api.staff import SeesRequests
from identity_privacy.access.roles import controllers_for
from identity_privacy.access.terms import Permission
from identity_privacy.paging import NewestFirst


class TaskOutput(serializers.ModelSerializer[Task]):
    """One system's part in a request."""

    system = serializers.CharField(source="system_code")
    check = serializers.CharField(source="check_result")

    class Meta:
        model = Task
        fields = (
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


class RequestDetailOutput(RequestOutput):
    """The same with the reason of its date, and its plan."""

    due_reason = serializers.DictField(child=serializers.CharField(allow_blank=True))
    tasks = TaskOutput(many=True)

    class Meta(RequestOutput.Meta):
        fields = (*RequestOutput.Meta.fields, "due_reason", "tasks")


class RequestListView(ListAPIView[SubjectRequest]):
    """The requests of the controllers that the caller works for."""

    permission_classes = (SeesRequests,)
    serializer_class = RequestOutput
    pagination_class = NewestFirst

    def get_queryset(self) -> QuerySet[SubjectRequest]:
        """Theirs and nobody else's."""
        return _visible(self.request)

    @extend_schema(operation_id="requests_list")
    def get(self, request: Request, *args: object, **kwargs: object) -> Response:
        """All requests, the newest first."""
        return super().get(request, *args, **kwargs)


class RequestView(APIView):
    """One request."""

    permission_classes = (SeesRequests,)

    @extend_schema(operation_id="request", responses=RequestDetailOutput)
    def get(self, request: Request, reference: str) -> Response:
        """Where a request stands, with its plan and the reason of its date."""
        found = get_object_or_404(_visible(request).prefetch_related("tasks"), reference=reference)
        return Response(RequestDetailOutput(found).data)


def _visible(request: Request) -> QuerySet[SubjectRequest]:
    mine = SubjectRequest.objects.filter(controller__in=controllers_for(request, Permission.SEE_REQUESTS))
    return mine.select_related("controller")
