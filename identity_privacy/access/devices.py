"""With what somebody signs in: a signed cookie and three coarse signs, all of them told to the person.

Nothing else of a browser is asked or kept: no fonts, no screen, no address, no version (GDPR Art. 5(1)(c)).
"""

import secrets
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

from identity_privacy.access.rules import Marks
from identity_privacy.audit.origin import client_address, truncated

_COOKIE: Final = "__Host-device" if settings.PRODUCTION else "device"
_SALT: Final = "access.device"
_LIFE_SECONDS: Final = 400 * 86_400  # the most that browsers keep a cookie
# The first that stands in what the browser says of itself; most name themselves after older ones as well.
_BROWSERS: Final = {
    "Edg": "Edge",
    "OPR": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
_PLATFORMS: Final = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """The browser that a request comes from."""

    token: str = field(repr=False)
    network: str = field(repr=False)
    browser: str
    platform: str

    def marks_of(self, user_id: UUID) -> Marks:
        """As it is stored of one person: of two people on one device nobody can tell that it is one."""
        return Marks(
            device=_keyed(_SALT, user_id, self.token),
            network=_keyed("access.network", user_id, self.network),
            browser=self.browser,
            platform=self.platform,
        )


def device_of(request: HttpRequest) -> Device:
    """The browser that this request comes from; with a new token, where it has shown none of ours."""
    agent = request.headers.get("User-Agent", "")
    token = request.get_signed_cookie(_COOKIE, default=None, salt=_SALT, max_age=_LIFE_SECONDS)
    return Device(
        token=token or secrets.token_urlsafe(16),
        network=truncated(client_address(request)),
        browser=next((name for sign, name in _BROWSERS.items() if sign in agent), ""),
        platform=next((name for sign, name in _PLATFORMS.items() if sign in agent), ""),
    )


def remember(response: HttpResponse, device: Device) -> None:
    """Have the browser show its token again."""
    response.set_signed_cookie(
        _COOKIE,
        device.token,
        salt=_SALT,
        max_age=_LIFE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _keyed(salt: str, user_id: UUID, value: str) -> str:
    return salted_hmac(salt, f"{user_id}:{value}", algorithm="sha256").hexdigest()
