"""The addresses of the API that are access's own."""

from django.urls import path

from identity_privacy.access.api.oauth import GiveToken

urlpatterns = [path("oauth/token/", GiveToken.as_view(), name="token")]
