"""The proof that an audit entry stands in the log."""

from dataclasses import asdict
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from identity_privacy.audit.api.entries import ENTRY_ID, EntryObjectOutput
from identity_privacy.audit.api.examples import CHECKPOINT, ENTRY, INCLUSION
from identity_privacy.audit.canonical import canonical_json
from identity_privacy.audit.entry_access import entries_seen_by
from identity_privacy.audit.proofs import InclusionProof, prove_inclusion


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "The third of five entries",
            {"checkpoint": CHECKPOINT, "entry": ENTRY, "hashes": INCLUSION, "index": 2},
        )
    ]
)
class ProofOutput(serializers.Serializer[InclusionProof]):
    """An entry and the hashes that lead from it to the root of a signed checkpoint (RFC 6962, 2.1.1)."""

    entry = EntryObjectOutput(help_text="The entry, of which the leaf hash is made as canonical JSON (RFC 8785)")
    index = serializers.IntegerField()
    hashes = serializers.ListField(child=serializers.CharField(), help_text="Base64, from the leaf upwards")
    checkpoint = serializers.CharField(help_text="The signed note (C2SP tlog-checkpoint)")


class EntryProofView(APIView):
    """One entry's inclusion proof, for staff of the entry's controller."""

    @extend_schema(
        operation_id="audit_entry_proof",
        summary="A proof that an entry is in the log",
        parameters=[ENTRY_ID],
        responses=ProofOutput,
    )
    def get(self, request: Request, entry_id: UUID) -> HttpResponse:
        """Prove that the entry is in the log, under the newest checkpoint; saved as it comes, `offline.py` takes it."""
        entry = get_object_or_404(entries_seen_by(request), pk=entry_id)
        return HttpResponse(canonical_json(asdict(prove_inclusion(entry.id))), content_type="application/json")
