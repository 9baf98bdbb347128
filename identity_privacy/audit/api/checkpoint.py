"""The newest checkpoint, for witnesses and for whoever checks a certificate."""

from datetime import UTC

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from identity_privacy.audit.api.examples import COSIGNED
from identity_privacy.audit.checkpoints import cosigned_note, latest_checkpoint, latest_cosigned_checkpoint
from identity_privacy.audit.models import Checkpoint
from identity_privacy.conditional import Conditional
from identity_privacy.errors import NotFound
from identity_privacy.parsing import refuse_unknown
from identity_privacy.problems import MEDIA_TYPE
from identity_privacy.schema import refusal


class CheckpointInput(serializers.Serializer[Checkpoint]):
    """Which of them."""

    cosigned = serializers.BooleanField(
        default=False, help_text="The newest one that a witness has cosigned, which may be a little older"
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample("Cosigned by one witness", {"size": 5, "at": "2026-05-06T15:00:54.102000Z", "note": COSIGNED})
    ]
)
class CheckpointOutput(serializers.ModelSerializer[Checkpoint]):
    """A signed statement of the log's size and root hash."""

    at = serializers.DateTimeField(default_timezone=UTC)
    note = serializers.SerializerMethodField(
        help_text="The signed note (C2SP tlog-checkpoint); the lines of witnesses follow ours (tlog-cosignature)"
    )

    class Meta:
        model = Checkpoint
        fields = ("size", "at", "note")

    def get_note(self, checkpoint: Checkpoint) -> str:
        """With every cosignature."""
        return cosigned_note(checkpoint)


class CheckpointView(Conditional):
    """Public: it says how many entries there are and commits us to them, and nothing of what they say."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="audit_checkpoint",
        summary="The newest checkpoint",
        parameters=[CheckpointInput],
        responses={200: CheckpointOutput, (404, MEDIA_TYPE): refusal("There is none yet.")},
    )
    def get(self, request: Request) -> Response:
        """The newest checkpoint as a signed note, with what witnesses have signed on it."""
        asked = CheckpointInput(data=request.query_params.dict())
        refuse_unknown(request.query_params, asked.fields)
        asked.is_valid(raise_exception=True)
        checkpoint = latest_cosigned_checkpoint() if asked.validated_data["cosigned"] else latest_checkpoint()
        if checkpoint is None:
            raise NotFound("there is none yet that a witness has cosigned, or none at all")
        return Response(CheckpointOutput(checkpoint).data)
