"""Signing in with another account, over OpenID Connect: what the package does differently here.

Of an account only a blind index of issuer and `sub` is kept, under a key of the controller's. An account is linked to a
person where the provider says that it has verified the address, and the address is one of the person's; to nobody else.
"""

from typing import Any, Final, NoReturn

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers import registry
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.contrib import messages
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from identity_privacy.access import services
from identity_privacy.access.directory import directory
from identity_privacy.access.errors import AccountBarred
from identity_privacy.access.models import User
from identity_privacy.access.providers import provider_of, providers_of, uid_of
from identity_privacy.access.single_sign_on import admit
from identity_privacy.errors import NotFound

FAILED: Final = _("The other service did not tell us who you are. Try again, or let us send you a code.")
STAFF_FAILED: Final = _("The service that knows you does not answer as it should. Try again in a moment.")
_UNVERIFIED: Final = _("The other service has not checked the address of your account. Let us send you a code.")
_BARRED: Final = _("You have removed that account. Sign in by a code, and let it in again under Security if you like.")
_UNKNOWN: Final = _("We do not know the address of that account. Use the address that you gave us.")


class Provider(OpenIDConnectProvider):  # type: ignore[misc]  # the package has no types
    """One provider of one controller."""

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, str]:
        """Always a sign-in: an account is never linked because somebody is signed in meanwhile."""
        return {"process": AuthProcess.LOGIN}

    def get_default_scope(self) -> list[str]:
        """No more than it takes: of a person neither name nor picture."""
        return ["openid", "email", *self.app.settings["scopes"]]

    def sociallogin_from_response(self, request: HttpRequest, response: dict[str, Any]) -> SocialLogin:
        """Who has signed in there: a blind index, and the address only if it was verified there.

        Raises: OAuth2Error, where the two answers name two people or nobody (OpenID Connect Core 5.3.2), or the issuer
        is not the one that was configured (Discovery 4.3).
        """
        claims, user_claims = response.get("id_token") or {}, response.get("userinfo") or {}
        sub = claims.get("sub")
        if not isinstance(sub, str) or not sub or user_claims.get("sub") != sub:
            raise OAuth2Error("no sub, or two")
        if claims["iss"] != self.app.settings["server_url"]:
            raise OAuth2Error("another issuer than is configured")
        controller = request.controller  # type: ignore[attr-defined]  # set by our middleware
        uid = uid_of(controller.id, claims["iss"], sub)
        account = SocialAccount(provider=self.app.provider_id, uid=uid, extra_data={})
        login = SocialLogin(user=User(), account=account, provider=self)
        login.id_claims, login.claims = claims, user_claims
        login.address = user_claims.get("email")
        login.is_address_verified = user_claims.get("email_verified") is True
        return login


# Not by an installed app, which every worker and command would load at its start, with 6 MiB of `requests`.
registry.register(Provider)


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # as above
    """Whose accounts may be used, and who is meant by one."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """The providers of the controller at whose portal this is; none is stored in the database."""
        controller = getattr(request, "controller", None)
        return [
            SocialApp(
                provider=Provider.id,
                provider_id=one.id,
                name=one.name,
                client_id=one.client_id,
                secret=one.client_secret,
                settings={
                    "server_url": one.issuer,
                    "oauth_pkce_enabled": True,
                    "scopes": one.staff.scopes if one.staff else (),
                },
            )
            for one in (providers_of(controller.code) if controller else [])
            if provider in (None, Provider.id, one.id) and client_id in (None, one.client_id)
        ]

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find the person; where the account is new, by the address that was verified there. Or the member of staff."""
        controller = request.controller  # type: ignore[attr-defined]  # set by our middleware
        provider = provider_of(controller.code, sociallogin.account.provider)
        if provider is not None and provider.staff is not None:
            admit(request, provider, sociallogin)
            return
        if sociallogin.is_existing:
            return
        if not sociallogin.is_address_verified or not isinstance(sociallogin.address, str):
            _back_to_the_door(request, _UNVERIFIED)
        entry = directory().find(controller.id, sociallogin.address)
        if entry is None:
            _back_to_the_door(request, _UNKNOWN)
        try:
            services.link_account(controller=controller, subject_id=entry.subject_id, account=sociallogin.account)
        except AccountBarred:
            _back_to_the_door(request, _BARRED)
        except NotFound:
            _back_to_the_door(request, _UNKNOWN)
        sociallogin.user = sociallogin.account.user

    def on_authentication_error(
        self, request: HttpRequest, provider: Provider, *args: object, **kwargs: object
    ) -> NoReturn:
        """Say so where they came from; the provider's own words may hold anything."""
        controller = request.controller  # type: ignore[attr-defined]  # set by our middleware
        found = provider_of(controller.code, provider.app.provider_id)
        if found is not None and found.staff is not None:
            messages.error(request, str(STAFF_FAILED))
            raise ImmediateHttpResponse(redirect("admin:login"))
        _back_to_the_door(request, FAILED)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Nobody becomes known by signing in."""
        return False


def _back_to_the_door(request: HttpRequest, words: Promise) -> NoReturn:
    messages.error(request, str(words))
    raise ImmediateHttpResponse(redirect("access:sign-in"))
