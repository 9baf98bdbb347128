"""Every address of the service."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from identity_privacy.crypto.api.jwks import KeySetView
from identity_privacy.schema import SchemaView

handler400 = "identity_privacy.problems.bad_request"
handler404 = "identity_privacy.problems.page_not_found"
handler500 = "identity_privacy.problems.server_error"

api: list[URLPattern | URLResolver] = [
    path("schema/", SchemaView.as_view(), name="schema"),
    path("", include("identity_privacy.access.api.urls")),
    path("", include("dsar.api.urls")),
    path("", include("identity_privacy.audit.api.urls")),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("console/", admin.site.urls),
    path("api/v1/", include((api, "api"))),
    path(".well-known/jwks.json", KeySetView.as_view(), name="jwks"),
    path("", include("identity_privacy.access.portal.urls")),
    path("", include("profiles.portal")),
    path("", include("consent.portal")),
    path("", include("dsar.portal.urls")),
]
