"""The API's published schema (OpenAPI 3.1), and what it says of every operation alike: problems and headers.

`complete` runs behind drf-spectacular, which has described each view by itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiResponse
from drf_spectacular.views import SpectacularAPIView
from rest_framework.views import APIView

from identity_privacy.conditional import Conditional
from identity_privacy.problems import MEDIA_TYPE


class SchemaView(Conditional, SpectacularAPIView):
    """The schema itself, as YAML or, with `?format=json`, as JSON."""


def refusal(description: str) -> OpenApiResponse:
    """A problem that is an operation's own, beside those that `complete` adds; of the media type `MEDIA_TYPE`."""
    return OpenApiResponse({"$ref": "#/components/schemas/Problem"}, description)


def complete(result: dict[str, object], generator: SchemaGenerator, **_: object) -> dict[str, object]:
    """Add to each operation the problems that its shape can bring about, and the headers of its answers."""
    components = _mapping(result.setdefault("components", {}))
    _mapping(components.setdefault("schemas", {}))["Problem"] = _PROBLEM
    components["headers"] = _HEADERS
    components["parameters"] = {"If-None-Match": _IF_NONE_MATCH}
    # The stubs have them as Django REST framework's own generator does, without the pattern.
    endpoints = cast("list[tuple[str, str, str, Any]]", generator.endpoints)
    views: dict[tuple[str, str], type[APIView]] = {
        (path, method.lower()): callback.cls for path, _, method, callback in endpoints
    }
    for path, methods in _mapping(result["paths"]).items():
        for method, found in _mapping(methods).items():
            _complete(path, _mapping(found), views[path, method])
    return result


def _complete(path: str, operation: dict[str, object], view: type[APIView]) -> None:
    responses = _mapping(operation.setdefault("responses", {}))
    if issubclass(view, Conditional):
        responses["304"] = {"description": "It is as `If-None-Match` says; there is no body."}
        operation["parameters"] = [
            *_list(operation.get("parameters")),
            {"$ref": "#/components/parameters/If-None-Match"},
        ]
    for status, meaning in _possible(path, operation):
        responses.setdefault(status, {"description": meaning, "content": _PROBLEM_CONTENT})
    for status, response in responses.items():
        described = _mapping(response)
        described["description"] = described["description"] or operation["summary"]
        described["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in _headers_of(status, view)}


def _possible(path: str, operation: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    body = operation.get("requestBody")
    # An empty one among them: nobody needs to say who they are.
    needs_proof = all(_list(operation.get("security")))
    if body or any(one.get("in") == "query" for one in _list(operation.get("parameters"))):
        yield "400", "What was sent cannot be read; `errors` names each field."
    if needs_proof:
        yield "401", "Nobody has signed in, or the signature is not right."
    if "{" in path or needs_proof:
        yield "404", "It does not exist, or not for you."
    yield "406", "The answer cannot be had in the format that was asked for."
    if body:
        yield "413", "What was sent is too large."
    if body and "application/json" in _mapping(_mapping(body)["content"]):
        yield "415", "What was sent is not JSON."
    yield "429", "That was too often; `Retry-After` says for how long to wait."
    yield "503", "A part of the service cannot be had at the moment."
    yield "default", "Any other error."


def _headers_of(status: str, view: type[APIView]) -> Iterator[str]:
    yield "X-Request-ID"
    yield "X-Client-Request-ID"
    if view.throttle_classes:
        yield "RateLimit"
        yield "RateLimit-Policy"
    if issubclass(view, Conditional) and status in {"200", "304"}:
        yield "ETag"
    if status == "401":
        yield "WWW-Authenticate"
    if status in {"429", "503"}:
        yield "Retry-After"


_PROBLEM: Final[Mapping[str, object]] = {
    "type": "object",
    "description": "What went wrong, as RFC 9457 has it.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "description": "Ends in the error's stable code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
    "example": {"type": "/problems/not-found", "title": "Not found", "status": 404},
}
_PROBLEM_CONTENT: Final[Mapping[str, object]] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
_HEADERS: Final[Mapping[str, object]] = {
    "X-Request-ID": {
        "description": "Our name for this call, by which its audit entries are found",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
        "example": "019dfdce-5b9f-7e10-b6a4-3d8c1f5e2a70",
    },
    "X-Client-Request-ID": {
        "description": "Your name for it, if you sent one as `X-Request-ID`: at most 64 letters, digits, - and _",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "example": "nightly-sync-17",
    },
    "RateLimit": {
        "description": "How many calls are left (`r`), and for how many seconds (`t`); once we know whose they are",
        "schema": {"type": "string", "pattern": '^"calls";r=[0-9]+;t=[0-9]+$'},
        "example": '"calls";r=599;t=42',
    },
    "RateLimit-Policy": {
        "description": "How many calls there may be (`q`) in how many seconds (`w`)",
        "schema": {"type": "string", "pattern": '^"calls";q=[0-9]+;w=[0-9]+$'},
        "example": '"calls";q=600;w=60',
    },
    "Retry-After": {
        "description": "Seconds until it is worth another try",
        "schema": {"type": "integer", "minimum": 1},
        "example": 42,
    },
    "ETag": {
        "description": "Changes whenever the body does; to be sent as `If-None-Match` next time",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9a-f]{64}"$'},
        "example": '"6b1f1e5c0b0a4c6f9a4dfb6f6f2e0f7f2d4a7f3c8e9b1d5a6c3e2f1b0a9d8c7e"',
    },
    "WWW-Authenticate": {
        "description": "How to say who you are",
        "required": True,
        "schema": {"type": "string"},
        "example": 'Bearer realm="api"',
    },
}
_IF_NONE_MATCH: Final[Mapping[str, object]] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The `ETag` that you have: 304 without a body, if it would be the same again",
    "schema": {"type": "string"},
    "example": '"6b1f1e5c0b0a4c6f9a4dfb6f6f2e0f7f2d4a7f3c8e9b1d5a6c3e2f1b0a9d8c7e"',
}


def _list(value: object) -> list[dict[str, object]]:
    if not isinstance(value, list | None):
        raise TypeError(value)
    return value or []


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError(value)
    return value
