"""From where the log goes on, for witnesses that followed it under its name before."""

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from identity_privacy.audit.api.entries import EntryObjectOutput
from identity_privacy.audit.api.examples import HAND_OVER, NEXT_CHECKPOINT, NEXT_INCLUSION
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.models import Sequenced
from identity_privacy.audit.proofs import InclusionProof, prove_inclusion
from identity_privacy.errors import NotFound
from identity_privacy.problems import MEDIA_TYPE
from identity_privacy.schema import refusal


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "After a restore",
            {"entry": HAND_OVER, "index": 0, "hashes": NEXT_INCLUSION, "checkpoint": NEXT_CHECKPOINT},
        )
    ]
)
class HandOverOutput(serializers.Serializer[InclusionProof]):
    """The first entry of the newest epoch, and the hashes that lead from it to the root of the newest checkpoint."""

    entry = EntryObjectOutput(
        help_text="Its `details` hold the checkpoints from which the log goes on, and name the entries that are missing"
    )
    index = serializers.IntegerField(help_text="0")
    hashes = serializers.ListField(child=serializers.CharField(), help_text="Base64, from the leaf upwards (RFC 6962)")
    checkpoint = serializers.CharField(help_text="The signed note (C2SP tlog-checkpoint)")


class HandOverView(APIView):
    """Public: the entry is about the log alone, and about no controller and no person."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="audit_hand_over",
        summary="From where the log goes on",
        responses={200: HandOverOutput, (404, MEDIA_TYPE): refusal("It goes by its first name.")},
    )
    def get(self, request: Request) -> Response:
        """Prove from where the log goes on under its newest name; 404 while it has its first."""
        checkpoint = latest_checkpoint()
        if checkpoint is None or checkpoint.epoch == 1:
            raise NotFound("the log goes by its first name: it was not handed over")
        first = Sequenced.objects.get(epoch=checkpoint.epoch, index=0)
        return Response(HandOverOutput(prove_inclusion(first.entry_id, checkpoint)).data)
