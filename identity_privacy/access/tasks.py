"""Celery's way into signing in."""

from allauth.idp.oidc.models import Token
from celery import shared_task

from identity_privacy.access import services
from identity_privacy.access.limits import forget_tallies
from identity_privacy.access.sessions import SessionStore


@shared_task(name="access.forget")
def forget() -> None:
    """Delete what was kept of sign-ins that are long over."""
    services.forget_codes()
    services.forget_sign_ins()
    services.mend_old_glass()
    forget_tallies()
    SessionStore.clear_expired()
    Token.objects.expired().delete()
