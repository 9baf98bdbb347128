"""The addresses of the portal's pages about requests."""

from django.urls import path

from dsar.portal import asking, following, home

app_name = "dsar"
urlpatterns = [
    path("", home.home, name="home"),
    path("requests/", following.requests, name="requests"),
    path("requests/new/", asking.choose, name="choose"),
    path("requests/new/<slug:kind>/", asking.check, name="check"),
    path("requests/new/<slug:kind>/code/", asking.code, name="code"),
    path("requests/<slug:reference>/", following.follow, name="request"),
    path("requests/<slug:reference>/sent/", following.sent, name="sent"),
    path("requests/<slug:reference>/withdraw/", following.withdraw, name="withdraw"),
    path("requests/<slug:reference>/certificate.json", following.certificate, name="certificate"),
    path("requests/<slug:reference>/package.zip", following.package, name="package"),
]
