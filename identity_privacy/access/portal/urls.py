"""The portal's addresses that are access's own."""

from django.urls import include, path

from identity_privacy.access.portal import door, pages, security

urlpatterns = [
    path("", include(([*door.urlpatterns, *security.urlpatterns, *pages.urlpatterns], "access"))),
    *door.packaged,
    *security.packaged,
]
