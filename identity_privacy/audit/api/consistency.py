"""That the log only grew between two sizes, for witnesses and for whoever kept an older checkpoint."""

from django.http import Http404
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from identity_privacy.audit.api.examples import CONSISTENCY
from identity_privacy.audit.checkpoints import latest_checkpoint
from identity_privacy.audit.proofs import ConsistencyProof, prove_consistency
from identity_privacy.errors import Invalid
from identity_privacy.parsing import refuse_unknown
from identity_privacy.problems import MEDIA_TYPE
from identity_privacy.schema import refusal


class ConsistencyInput(serializers.Serializer[ConsistencyProof]):
    """The two sizes, as checkpoints state them."""

    old = serializers.IntegerField(min_value=1)
    new = serializers.IntegerField(min_value=1, required=False, help_text="The newest checkpoint's, if none is given")


@extend_schema_serializer(
    examples=[OpenApiExample("From three entries to five", {"old": 3, "new": 5, "hashes": CONSISTENCY})]
)
class ConsistencyOutput(serializers.Serializer[ConsistencyProof]):
    """The hashes that lead from the older root to the newer one (RFC 6962, 2.1.2)."""

    old = serializers.IntegerField()
    new = serializers.IntegerField()
    hashes = serializers.ListField(child=serializers.CharField(), help_text="Base64, in the order of RFC 6962")


class ConsistencyView(APIView):
    """Public, as the checkpoints are: hashes say nothing of what the entries say."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="audit_consistency",
        summary="A proof that the log only grew",
        parameters=[ConsistencyInput],
        examples=[OpenApiExample("An older checkpoint's", 3, parameter_only=("old", "query"))],
        responses={200: ConsistencyOutput, (404, MEDIA_TYPE): refusal("No checkpoint is signed yet.")},
    )
    def get(self, request: Request) -> Response:
        """Prove that the log of `old` entries is the beginning of that of `new`."""
        asked = ConsistencyInput(data=request.query_params.dict())
        refuse_unknown(request.query_params, asked.fields)
        asked.is_valid(raise_exception=True)
        checkpoint = latest_checkpoint()
        if checkpoint is None:
            raise Http404
        old, new = asked.validated_data["old"], asked.validated_data.get("new", checkpoint.size)
        if new > checkpoint.size:
            raise Invalid(f"the newest checkpoint is of {checkpoint.size} entries", field="new")
        if old > new:
            raise Invalid(f"a log of {old} entries is not the beginning of one of {new}", field="old")
        return Response(ConsistencyOutput(prove_consistency(checkpoint.epoch, old, new)).data)
