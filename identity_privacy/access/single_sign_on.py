"""Staff who come by their company's OpenID Connect provider: who they are, what they may do, and whether still.

1. At the sign-in the groups that the provider names become roles for the controller, no more and no less.
2. Every five minutes at most the provider is asked again, by the tokens of that sign-in, which stand in the sealed
   session. Whoever it knows no more is signed out; other groups are other roles at once; while it does not answer,
   nobody comes in.
3. Without being asked it ends sessions by a logout token (OpenID Connect Back-Channel Logout 1.0).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from requests import RequestException, Response

from identity_privacy.access import services
from identity_privacy.access.models import Controller, User
from identity_privacy.access.providers import Provider, provider_of, uid_of
from identity_privacy.clock import machine_now
from identity_privacy.errors import PartnerFailure

# When the provider is asked again, and when what it said does not hold any more; between the two, while one request
# asks, others go on.
ASKED_AGAIN: Final = timedelta(minutes=4, seconds=30)
HOLDS: Final = timedelta(minutes=5)
_ASKING: Final = timedelta(seconds=30)
# A logout token is sent at once.
_NEW: Final = timedelta(minutes=5)
_SIGN_ON: Final = "single_sign_on"
_VOUCHED: Final = "provider_vouches"
_LOGOUT: Final = "http://schemas.openid.net/event/backchannel-logout"
_REFUSALS: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_NO_ROLE: Final = "You are known to your company and have no role here. Ask whoever looks after its groups."


class ProviderSilent(PartnerFailure):
    """The provider of staff's accounts does not answer, or not as the protocol says."""

    code = "sign-in-provider-silent"
    title = "The service that knows you does not answer"

    def __init__(self) -> None:
        super().__init__("ask again in a moment", permanent=False)


def admit(request: HttpRequest, provider: Provider, login: SocialLogin) -> None:
    """Find or make the member of staff, with the roles of their groups. Raises: ImmediateHttpResponse, without any."""
    controller: Controller = request.controller  # type: ignore[attr-defined]  # set by our middleware
    roles = provider.staff.roles_in(login.claims) if provider.staff else set()
    is_somebody_elses = login.is_existing and not login.user.is_staff
    if not roles or is_somebody_elses:
        messages.error(request, _NO_ROLE)
        raise ImmediateHttpResponse(redirect("admin:login"))
    login.user = services.admit_staff(
        controller=controller, account=login.account, name=_name_in(login.claims), roles=roles
    )
    is_vouched_for = provider.staff is not None and provider.staff.vouches_for(login.id_claims)
    request.session[_VOUCHED] = login.account.uid if is_vouched_for else None
    request.session[_SIGN_ON] = {
        "provider": provider.id,
        "account": login.account.pk,
        "token": login.token.token,
        "refresh": login.token.token_secret,
        "at": machine_now().timestamp(),
    }


def forget_sign_on(request: HttpRequest) -> None:
    """Of a sign-in by a password: what a provider has said in this browser before is about somebody else."""
    request.session.pop(_SIGN_ON, None)


def was_vouched_for(request: HttpRequest, records: Sequence[Mapping[str, object]]) -> bool:
    """Whether the provider has said of this very sign-in, as it was recorded, that it had a second factor."""
    account = request.session.pop(_VOUCHED, None)
    return account is not None and any(one.get("uid") == account for one in records)


def ask_again(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Before a member of staff is answered, see that the provider knows them still; once in five minutes."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        user = request.user
        known = request.session.get(_SIGN_ON) if isinstance(user, User) else None
        if isinstance(user, User) and known and _age_of(known) >= ASKED_AGAIN:
            _ask_once(request, user, known)
        return get_response(request)

    return middleware


def end_sessions_of(controller: Controller, provider: Provider, token: str) -> None:
    """End every session of whom a logout token names. Raises: what `verify_and_decode` raises; ValueError."""
    claims = jwtkit.verify_and_decode(
        credential=token,
        keys_url=_configuration(provider)["jwks_uri"],
        issuer=provider.issuer,
        audience=provider.client_id,
        lookup_kid=jwtkit.lookup_kid_jwk,
    )
    events, sub = claims.get("events"), claims.get("sub")
    if not isinstance(events, dict) or _LOGOUT not in events or "nonce" in claims or not isinstance(sub, str):
        raise ValueError("no logout token")
    if not claims.get("jti") or abs(machine_now().timestamp() - int(claims["iat"])) > _NEW.total_seconds():
        raise ValueError("an old logout token")
    services.end_sessions_of_account(
        controller=controller, provider=provider.id, uid=uid_of(controller.id, provider.issuer, sub)
    )


def _ask_once(request: HttpRequest, user: User, known: dict[str, Any]) -> None:
    # Of several requests at once one asks: a refresh token that is shown twice counts as stolen (RFC 9700, 4.14.2).
    asking = f"asking the provider: {known['account']} {known['at']}"
    if not cache.add(asking, "y", _ASKING.total_seconds()):
        if _age_of(known) >= HOLDS:
            request.user = AnonymousUser()
        return
    try:
        _ask(request, user, known)
    except (ProviderSilent, ValueError):  # no answer, or one of half a character
        # Nobody for this answer; the session stays, with the tokens as they are now, and the next page asks again.
        cache.delete(asking)
        request.session[_SIGN_ON] = known
        request.user = AnonymousUser()


def _age_of(known: Mapping[str, Any]) -> timedelta:
    return timedelta(seconds=machine_now().timestamp() - known["at"])


def _ask(request: HttpRequest, user: User, known: dict[str, Any]) -> None:
    controller: Controller | None = request.controller  # type: ignore[attr-defined]  # set by our middleware
    provider = provider_of(controller.code, known["provider"]) if controller else None
    account = SocialAccount.objects.filter(pk=known["account"], user=user).first()
    if controller is None or provider is None or provider.staff is None or account is None:
        logout(request)  # it is not configured any more
        return
    claims = _claims_now(provider, known)
    roles = provider.staff.roles_in(claims) if claims is not None else set()
    if claims is None or not roles or uid_of(controller.id, provider.issuer, str(claims.get("sub"))) != account.uid:
        services.cut_off_staff(user=user, controller=controller)
        logout(request)
        return
    services.admit_staff(controller=controller, account=account, name="", roles=roles)
    request.session[_SIGN_ON] = {**known, "at": machine_now().timestamp()}


def _claims_now(provider: Provider, known: dict[str, Any]) -> Mapping[str, Any] | None:
    """What the provider says of somebody now; None, where it knows them no more. Raises: ProviderSilent."""
    configuration = _configuration(provider)
    if known["refresh"]:
        answer = _refreshed(provider, configuration, known["refresh"])
        if answer is None:
            return None
        known["token"], known["refresh"] = (
            _text(answer, "access_token"),
            answer.get("refresh_token") or known["refresh"],
        )
    headers = {"Authorization": f"Bearer {known['token']}"}
    status, found = _called("GET", _text(configuration, "userinfo_endpoint"), headers=headers)
    if status in _REFUSALS:
        return None
    return _good(status, found)


def _refreshed(provider: Provider, configuration: Mapping[str, Any], token: str) -> Mapping[str, Any] | None:
    """New tokens; None, where the provider takes the old one no more (RFC 6749, 5.2). Raises: ProviderSilent."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    secret = {"client_id": provider.client_id, "client_secret": provider.client_secret}
    # As the package does at the sign-in.
    by_form = "client_secret_post" in configuration.get("token_endpoint_auth_methods_supported", [])
    status, found = _called(
        "POST",
        _text(configuration, "token_endpoint"),
        data=form | secret if by_form else form,
        auth=None if by_form else (provider.client_id, provider.client_secret),
    )
    if status == HTTPStatus.BAD_REQUEST and isinstance(found, dict) and found.get("error") == "invalid_grant":
        return None
    return _good(status, found)  # of another refusal it is we who are not known


def _configuration(provider: Provider) -> Mapping[str, Any]:
    found = _good(*_called("GET", f"{provider.issuer}/.well-known/openid-configuration"))
    if found.get("issuer") != provider.issuer:
        raise ProviderSilent
    return found


def _called(method: str, url: str, **options: Any) -> tuple[int, object]:  # noqa: ANN401  # as `requests` has it
    """What an address of the provider's answers, and with which status. Raises: ProviderSilent, for what is no JSON."""
    try:
        with get_adapter().get_requests_session() as session:
            response: Response = session.request(method, url, **options)
            # Of a refusal the body is not always JSON, and need not be.
            return response.status_code, None if response.status_code in _REFUSALS else response.json()
    except (RequestException, ValueError):
        raise ProviderSilent from None


def _good(status: int, found: object) -> Mapping[str, Any]:
    """An answer that is one. Raises: ProviderSilent."""
    if status != HTTPStatus.OK or not isinstance(found, dict):
        raise ProviderSilent
    return found


def _text(answer: Mapping[str, Any], name: str) -> str:
    """A member that the protocol demands. Raises: ProviderSilent, where it is not there."""
    value = answer.get(name)
    if not isinstance(value, str):
        raise ProviderSilent
    return value


def _name_in(claims: Mapping[str, object]) -> str:
    named = (claims.get(name) for name in ("preferred_username", "email", "sub"))
    return next((name for name in named if isinstance(name, str) and name), "")
