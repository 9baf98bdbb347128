"""One try: open the message, sign it afresh, send it, and say what came of it. Changes no row."""

import asyncio
import json
import smtplib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from identity_privacy import clock, http
from identity_privacy.actors import Actor
from identity_privacy.crypto.errors import KeyDestroyed
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.signing import private_key
from identity_privacy.crypto.terms import SigningUse
from identity_privacy.delivery import rules, webhooks
from identity_privacy.delivery.errors import UnverifiedWebhook
from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.results import Answer
from identity_privacy.delivery.terms import AttemptOutcome, Channel, SignatureKind
from identity_privacy.errors import IntegrityFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of one try; `is_final` where trying again is of no use."""

    message: Message
    outcome: AttemptOutcome
    error: str = ""
    is_final: bool = False
    answer: Answer | None = None
    retry_after: timedelta | None = None
    at: datetime
    duration_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookParcel:
    """A message opened for sending; lives only while it is in flight, and shows none of it."""

    message: Message
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    inbound_secrets: Sequence[str] = field(repr=False)
    public_keys: Sequence[str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailParcel:
    """A mail opened for sending; lives only while it is in flight, and shows none of it."""

    message: Message
    mail: EmailMessage = field(repr=False)


def prepare(messages: Sequence[Message]) -> Sequence[WebhookParcel | MailParcel | Report]:
    """Open and sign claimed messages in one Reading; what cannot be sent is reported at once, and the others go on."""
    if not messages:
        return []
    reading = Reading(
        actor=Actor.service("delivery"), purpose="deliver message", subject_id=None, reason="messages are due"
    )
    with reading:
        systems = [message.system for message in messages if message.system is not None]
        reading.prefetch({message.data_key_id for message in messages} | {system.data_key_id for system in systems})
        ed25519 = private_key(SigningUse.WEBHOOK).sign if systems else None
        return [_prepared(message, ed25519) for message in messages]


def _prepared(message: Message, ed25519: Callable[[bytes], bytes] | None) -> WebhookParcel | MailParcel | Report:
    try:
        if message.channel == Channel.MAIL:
            return _mail(message)
        if message.system is None or not message.system.is_active:
            return _not_sent(message, "the system is switched off")
        return _webhook(message, message.system, ed25519)
    except KeyDestroyed:
        # An erasure may have sealed it under another key after it was claimed, and destroyed this one since.
        rows = Message.objects.select_related("system", "controller").exclude(data_key_id=message.data_key_id)
        resealed = rows.filter(id=message.id, lease_id=message.lease_id).first()
        return _prepared(resealed, ed25519) if resealed else _not_sent(message, "its data key was destroyed")
    except IntegrityFailure as failure:
        return _not_sent(message, f"it cannot be opened: {failure.code}")
    except Exception as error:
        # The worker's outermost loop: one message that nobody foresaw must not hold up the hundred claimed with it.
        return _not_sent(message, type(error).__name__, is_final=False)


def _webhook(message: Message, system: System, ed25519: Callable[[bytes], bytes] | None) -> WebhookParcel:
    body = json.dumps(message.body, separators=(",", ":"), ensure_ascii=False).encode()
    signed = webhooks.sign(
        message_id=message.webhook_id,
        timestamp=int(clock.machine_now().timestamp()),
        body=body,
        secrets=[system.outbound_secret],
        ed25519=ed25519,
    )
    return WebhookParcel(
        message=message,
        url=system.endpoint,
        body=body,
        headers={"Content-Type": "application/json", **signed},
        inbound_secrets=[system.inbound_secret],
        public_keys=[system.public_key] if system.public_key else [],
    )


def _mail(message: Message) -> MailParcel | Report:
    body = message.body
    if body.get("decoy"):
        return Report(message=message, outcome=AttemptOutcome.DROPPED, at=clock.now())
    mail = EmailMessage(
        subject=body["subject"],
        body=body["text"],
        to=[body["to"]],
        reply_to=[message.controller.privacy_email],
        # The same on every try, so that mail servers can tell a repetition.
        headers={"Message-ID": f"<{message.webhook_id}@{message.controller.host}>"},
        connection=get_connection(timeout=settings.DELIVERY_TIMEOUT_SECONDS),
    )
    return MailParcel(message=message, mail=mail)


def _not_sent(message: Message, error: str, *, is_final: bool = True) -> Report:
    return Report(message=message, outcome=AttemptOutcome.NOT_SENT, error=error, is_final=is_final, at=clock.now())


async def send(client: http.Client, parcel: WebhookParcel | MailParcel | Report) -> Report:
    """Bring one parcel to its receiver; every failure is a report, never an exception."""
    if isinstance(parcel, Report):
        return parcel
    at, started = clock.now(), time.perf_counter()
    try:
        report = await (_post(client, parcel, at) if isinstance(parcel, WebhookParcel) else _hand_over(parcel, at))
    except Exception as error:  # as in `_prepared`: a mail that cannot be written, for example
        return _not_sent(parcel.message, type(error).__name__, is_final=False)
    return replace(report, duration_ms=round((time.perf_counter() - started) * 1000))


async def _post(client: http.Client, parcel: WebhookParcel, at: datetime) -> Report:
    message = parcel.message
    try:
        answer = await client.post(parcel.url, body=parcel.body, headers=parcel.headers)
    except http.AddressRefused as error:
        return Report(
            message=message,
            outcome=AttemptOutcome.ADDRESS_REFUSED,
            error=str(error),
            is_final=error.permanent,
            at=at,
        )
    except http.NoAnswer as error:
        return Report(message=message, outcome=AttemptOutcome.NO_ANSWER, error=error.kind, at=at)
    return _judged(parcel, answer, at)


def _judged(parcel: WebhookParcel, answer: http.Answer, at: datetime) -> Report:
    taken = 200 <= answer.status < 300
    kind, outcome, error = SignatureKind.NONE, AttemptOutcome.DELIVERED, ""
    if answer.status == 410:
        outcome, error = AttemptOutcome.GONE, "the system wants no more messages (410)"
    elif not taken:
        outcome, error = AttemptOutcome.REJECTED, f"status {answer.status}"
    elif "webhook-signature" in answer.headers:
        try:
            kind = webhooks.verify(
                headers=answer.headers,
                body=answer.body,
                now=clock.machine_now(),
                secrets=parcel.inbound_secrets,
                public_keys=parcel.public_keys,
            ).kind
        except UnverifiedWebhook as unverified:
            outcome, error = AttemptOutcome.NOT_UNDERSTOOD, f"its signature is false: {unverified}"
    return Report(
        message=parcel.message,
        outcome=outcome,
        error=error,
        is_final=outcome == AttemptOutcome.GONE,
        answer=Answer(status=answer.status, headers=answer.headers, body=answer.body, signature_kind=kind),
        retry_after=rules.read_retry_after(answer.headers.get("retry-after", ""), now=clock.machine_now()),
        at=at,
    )


async def _hand_over(parcel: MailParcel, at: datetime) -> Report:
    try:
        async with asyncio.timeout(settings.DELIVERY_TIMEOUT_SECONDS):
            sent = await asyncio.to_thread(parcel.mail.send)
    except (TimeoutError, OSError, smtplib.SMTPException) as error:
        # The mail server's words may hold the address: only the kind of failure is kept.
        return Report(message=parcel.message, outcome=AttemptOutcome.NO_ANSWER, error=type(error).__name__, at=at)
    if not sent:
        return _not_sent(parcel.message, "it has no recipient")
    return Report(message=parcel.message, outcome=AttemptOutcome.DELIVERED, at=at)
