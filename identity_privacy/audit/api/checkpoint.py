"""The newest checkpoint, for witnesses and for whoever checks a certificate."""

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.models import Checkpoint


class CheckpointOutput(serializers.ModelSerializer[Checkpoint]):
    """A signed statement of the log's size and root hash."""

    class Meta:
        model = Checkpoint
        fields = ("size", "at", "note")


class CheckpointView(APIView):
    """Public: it says how many entries there are and commits us to them, and nothing of what they say."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="audit_checkpoint", responses=CheckpointOutput)
    def get(self, request: Request) -> Response:
        """The newest checkpoint as a signed note (C2SP tlog-checkpoint)."""
        checkpoint = latest_checkpoint()
        if checkpoint is None:
            raise Http404
        return Response(CheckpointOutput(checkpoint).data)
