"""The portal's addresses that are access's own."""

from django.urls import include, path

from identity_privacy.access.portal import accounts, door, pages, security

urlpatterns = [
    path(
        "", include(([*door.urlpatterns, *security.urlpatterns, *accounts.urlpatterns, *pages.urlpatterns], "access"))
    ),
    *door.packaged,
    *security.packaged,
    *accounts.packaged,
]
