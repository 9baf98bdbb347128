"""Witnesses hand in what they signed."""

from typing import Final

from django.core.exceptions import RequestDataTooBig
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from identity_privacy.audit.api.examples import COSIGNED
from identity_privacy.audit.services import accept_cosignature
from identity_privacy.problems import MEDIA_TYPE
from identity_privacy.schema import refusal

# A note with sixteen signatures is 3,000 characters.
LONGEST_NOTE: Final = 16_384
LARGEST_BODY: Final = 4 * LONGEST_NOTE


@extend_schema_serializer(examples=[OpenApiExample("Signed by one witness", {"note": COSIGNED})])
class CosignedNoteInput(serializers.Serializer[object]):
    """A checkpoint of this log as it was signed, with a witness's line behind ours."""

    note = serializers.CharField(max_length=LONGEST_NOTE, trim_whitespace=False, help_text="C2SP tlog-cosignature")


@extend_schema_serializer(examples=[OpenApiExample("One witness", {"size": 5, "witnesses": ["witness.example/w1"]})])
class CosignedOutput(serializers.Serializer[object]):
    """Whose cosignatures of which checkpoint stand."""

    size = serializers.IntegerField()
    witnesses = serializers.ListField(child=serializers.CharField())


class CosignaturesView(APIView):
    """Public: the signatures are all the proof that is needed, ours and that of a witness that is trusted here."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="audit_cosign",
        summary="Hand in a witness's signature",
        request=CosignedNoteInput,
        responses={
            200: CosignedOutput,
            (403, MEDIA_TYPE): refusal("No witness that is trusted here has signed it."),
            (409, MEDIA_TYPE): refusal("The log does not hold this checkpoint, although it is signed by us."),
        },
    )
    def post(self, request: Request) -> Response:
        """Add a witness's signature to a checkpoint; the same once more changes nothing.

        A checkpoint that we have signed and the log does not hold is noted (409).
        """
        if len(request.body) > LARGEST_BODY:
            raise RequestDataTooBig
        sent = CosignedNoteInput(data=request.data)
        sent.is_valid(raise_exception=True)
        standing = accept_cosignature(note=sent.validated_data["note"])
        names = [cosignature.witness for cosignature in standing]
        return Response(CosignedOutput({"size": standing[0].size, "witnesses": names}).data)
