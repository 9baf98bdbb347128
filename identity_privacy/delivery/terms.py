"""The vocabulary of delivery."""

from django.db.models import IntegerChoices, TextChoices


class SystemKind(TextChoices):
    """How a linked system is asked."""

    WEBHOOK = "webhook"  # a signed message over HTTPS; it answers at once or reports back later


class Channel(TextChoices):
    """The way a message goes."""

    WEBHOOK = "webhook"  # to a linked system
    MAIL = "mail"  # to a person


class MessageState(TextChoices):
    """Where a message stands; nothing else exists, so nothing can be stuck between."""

    PENDING = "pending"  # to be sent at `due_at`; with a live lease a worker is sending it now
    DELIVERED = "delivered"  # the receiver took it: a 2xx answer, or the mail server's acceptance
    DEAD = "dead"  # given up, with its cause in `last_error`; replaying makes it pending again


class Priority(IntegerChoices):
    """What goes first when much is due; the lower number."""

    PERSON_WAITS = 0  # a sign-in code
    LEGAL = 10  # a task of a subject request
    NORMAL = 20  # a consent that changed
    BULK = 30


class AttemptOutcome(TextChoices):
    """What came of one try."""

    DELIVERED = "delivered"
    REJECTED = "rejected"  # an answer other than 2xx
    GONE = "gone"  # 410: the system wants no more messages
    NO_ANSWER = "no_answer"  # no connection, a broken one, not in time, or too long
    ADDRESS_REFUSED = "address_refused"  # our own guard: the address leads where it must not
    NOT_UNDERSTOOD = "not_understood"  # 2xx, but the answer is not a result, or its signature is false
    NOT_RECORDED = "not_recorded"  # 2xx, but we failed to record it: we ask again
    WORKER_LOST = "worker_lost"  # the worker that held it never came back; it may have reached the receiver
    NOT_SENT = "not_sent"  # nothing left this service: the body's key is destroyed, or the system is switched off
    DROPPED = "dropped"  # a decoy, for an unknown address: made like a real message and thrown away here


class SignatureKind(TextChoices):
    """How an answer was signed, weakest first; decides what it proves."""

    NONE = "none"  # only the connection speaks for it
    HMAC = "hmac"  # v1: we know it, but cannot show it to others, since we could have made it
    ED25519 = "ed25519"  # v1a: anyone can verify it against the system's public key
