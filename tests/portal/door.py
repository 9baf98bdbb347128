"""Through the portal's door as a browser goes: address, code from the mail, in."""

import re

from django.test import Client

from identity_privacy.actors import Actor
from identity_privacy.clock import now
from identity_privacy.crypto.reading import Reading
from identity_privacy.delivery.models import Message
from identity_privacy.delivery.querysets import MessageQuerySet


def code_sent() -> str:
    """The six digits of the newest code mail."""
    message = _code_mails().order_by("-id")[0]
    with Reading(actor=Actor.service("test"), purpose="read the mail", subject_id=None, reason="test"):
        text = message.body["text"]
    found = re.search(r"\b\d{6}\b", text)
    assert found
    return found.group()


def codes_sent() -> int:
    return _code_mails().count()


def _code_mails() -> MessageQuerySet:
    # A decoy is to nobody.
    return Message.objects.filter(topic="sign_in_code").exclude(subject_id=None)


def stranger(host: str = "localhost") -> Client:
    """A browser that nobody has signed in with."""
    return Client(headers={"host": host})


def signed_in(email: str, *, host: str = "localhost") -> Client:
    """The browser of somebody who has signed in, and has just shown once more who they are."""
    client = stranger(host)
    client.post("/sign-in/", {"email": email})
    response = client.post("/sign-in/code/", {"code": code_sent()})
    assert response.status_code == 302, response.content
    session = client.session
    session["shown_at"] = now().isoformat()
    session.save()
    return client
