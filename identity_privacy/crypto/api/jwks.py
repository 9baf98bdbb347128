"""The public halves of our signing keys, at `/.well-known/jwks.json`.

{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfV…", "kid": "0192…", "use": "sig", "alg": "EdDSA",
"signs": "checkpoint", "valid_from": "2026-11-24T09:14:00Z", "valid_until": null}]}
"""

import base64
from typing import Final

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from identity_privacy.conditional import Conditional
from identity_privacy.crypto.signing import PublicKey, public_keys


class KeyOutput(serializers.Serializer[PublicKey]):
    """One key as a JSON Web Key (RFC 7517, RFC 8037), with what it signs and when it was valid."""

    kty = serializers.CharField()
    crv = serializers.CharField()
    x = serializers.CharField(help_text="The public key, base64url without padding")
    kid = serializers.UUIDField()
    use = serializers.CharField()
    alg = serializers.CharField()
    signs = serializers.CharField()
    valid_from = serializers.DateTimeField()
    valid_until = serializers.DateTimeField(allow_null=True)

    def to_representation(self, instance: PublicKey) -> dict[str, object]:
        """The key's members by their registered names."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": base64.urlsafe_b64encode(instance.public_key).rstrip(b"=").decode(),
            "kid": str(instance.id),
            "use": "sig",
            "alg": "EdDSA",
            "signs": instance.use.value,
            "valid_from": instance.valid_from,
            "valid_until": instance.valid_until,
        }


_KEY: Final[dict[str, object]] = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "_xucJjzg2zFaGp2uwJxijI1sz-SDA3_Z9p64vyr88QU",
    "kid": "019d2f60-4c39-7a12-b5e8-1f7d3c9a6b04",
    "use": "sig",
    "alg": "EdDSA",
    "signs": "checkpoint",
    "valid_from": "2026-03-27T12:58:53.339000Z",
    "valid_until": None,
}


@extend_schema_serializer(examples=[OpenApiExample("One key", {"keys": [_KEY]})])
class KeySetOutput(serializers.Serializer[object]):
    """The key set (RFC 7517, 5)."""

    keys = KeyOutput(many=True)


class KeySetView(Conditional):
    """Public: every offline check starts from a key that was pinned, and this is where it is published."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="signing_keys", summary="Our public signing keys", tags=["keys"], responses=KeySetOutput
    )
    def get(self, request: Request) -> Response:
        """Every key that ever signed."""
        return Response(KeySetOutput({"keys": public_keys()}).data)
