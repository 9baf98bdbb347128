"""An answer reaches the floor that asked, in one transaction with the message's end, and says what it proves."""

import json
from dataclasses import dataclass, field

import pytest

from identity_privacy import clock
from identity_privacy.delivery import webhooks
from identity_privacy.delivery.errors import UnverifiedWebhook
from identity_privacy.delivery.inbound import verify_report
from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.results import Answer, ResultHandler
from identity_privacy.delivery.services import deliver_due
from identity_privacy.delivery.terms import MessageState, SignatureKind
from identity_privacy.errors import PartnerFailure
from tests.delivery.world import Receiver, Reply, make_message, secrets_of

pytestmark = pytest.mark.django_db

RESULT = json.dumps({"outcome": "done"}).encode()
PRIVATE = webhooks.new_private_key()


@dataclass
class Listener:
    """A handler that remembers, and raises what it is told to."""

    errors: list[Exception] = field(default_factory=list)
    answers: list[tuple[Message, Answer]] = field(default_factory=list)
    dead: list[Message] = field(default_factory=list)

    def message_answered(self, message: Message, answer: Answer) -> None:
        self.answers.append((message, answer))
        System.objects.update(owner_contact="written by the handler")
        if self.errors:
            raise self.errors.pop(0)

    def message_dead(self, message: Message) -> None:
        self.dead.append(message)


@pytest.fixture
def listener(handlers: list[ResultHandler]) -> Listener:
    listener = Listener()
    handlers.append(listener)
    return listener


def headers_by(secret: str = "", private_key: str = "", body: bytes = RESULT) -> dict[str, str]:
    return webhooks.sign(
        message_id="msg_of_theirs",
        timestamp=int(clock.machine_now().timestamp()),
        body=body,
        secrets=[secret] if secret else [],
        ed25519=webhooks.read_private_key(private_key).sign if private_key else None,
    )


def test_an_unsigned_answer_proves_no_more_than_the_connection(
    shop: System, receiver: Receiver, listener: Listener
) -> None:
    receiver.replies = [Reply(body=RESULT)]
    message = make_message(shop)
    deliver_due()

    ((heard, answer),) = listener.answers
    assert (heard.id, heard.state, answer.status, answer.body) == (message.id, MessageState.DELIVERED, 200, RESULT)
    assert answer.signature_kind == SignatureKind.NONE


def test_an_answer_signed_with_the_inbound_secret_is_hmac(shop: System, receiver: Receiver, listener: Listener) -> None:
    receiver.replies = [Reply(body=RESULT, headers=headers_by(secrets_of(shop)[1]))]
    make_message(shop)
    deliver_due()

    assert listener.answers[0][1].signature_kind == SignatureKind.HMAC


def test_an_answer_signed_with_the_systems_own_key_is_ed25519(
    shop: System, receiver: Receiver, listener: Listener
) -> None:
    System.objects.update(public_key=webhooks.public_half(PRIVATE))
    receiver.replies = [Reply(body=RESULT, headers=headers_by(private_key=PRIVATE))]
    make_message(shop)
    deliver_due()

    assert listener.answers[0][1].signature_kind == SignatureKind.ED25519


def test_an_answer_with_a_false_signature_is_no_answer_and_is_asked_for_again(
    shop: System, receiver: Receiver, listener: Listener
) -> None:
    """Our own outbound secret does not sign answers: the two directions are apart."""
    receiver.replies = [Reply(body=RESULT, headers=headers_by(secrets_of(shop)[0]))]
    make_message(shop)
    deliver_due()

    message = Message.objects.get()
    assert (message.state, listener.answers) == (MessageState.PENDING, [])
    assert message.attempts.get().outcome == "not_understood"


def test_an_answer_that_is_none_to_what_was_asked_is_asked_for_again_or_given_up(
    shop: System, receiver: Receiver, listener: Listener
) -> None:
    receiver.replies = [Reply(body=b"<html>")]
    listener.errors = [PartnerFailure("not a result"), PartnerFailure("never a result", permanent=True)]
    make_message(shop)
    deliver_due()
    assert Message.objects.get().state == MessageState.PENDING
    Message.objects.update(due_at=clock.now())
    deliver_due()

    message = Message.objects.get()
    assert message.state == MessageState.DEAD
    assert [attempt.outcome for attempt in message.attempts.all()] == ["not_understood"] * 2
    assert listener.dead == [message]


def test_what_the_handler_could_not_record_is_undone_and_asked_for_again(
    shop: System, receiver: Receiver, listener: Listener
) -> None:
    listener.errors = [ValueError("a programming error")]
    make_message(shop)
    make_message(shop)
    deliver_due()

    states = sorted(Message.objects.values_list("state", flat=True))
    assert states == [MessageState.DELIVERED, MessageState.PENDING]
    failed = Message.objects.pending().get()
    assert (failed.lease_id, failed.attempts.get().outcome) == (None, "not_recorded")
    assert "programming" not in failed.last_error


def test_a_failed_record_leaves_nothing_that_the_handler_wrote(
    shop: System, receiver: Receiver, listener: Listener
) -> None:
    listener.errors = [ValueError()]
    make_message(shop)
    deliver_due()

    assert System.objects.get().owner_contact == ""


def test_no_words_of_an_answer_are_kept_beside_the_attempt(
    shop: System, receiver: Receiver, listener: Listener
) -> None:
    body = json.dumps({"outcome": "kept", "reason": "Alice Smith owes us"}).encode()
    receiver.replies = [Reply(body=body, status=422)]
    make_message(shop)
    deliver_due()

    assert Message.objects.get().attempts.get().response_excerpt == '{"outcome": "kept"}'


def test_a_report_that_a_system_posts_by_itself_is_verified_in_both_kinds(shop: System) -> None:
    shop = System.objects.get()
    shop.public_key = webhooks.public_half(PRIVATE)
    secret = secrets_of(shop)[1]

    by_secret = verify_report(system=shop, headers=headers_by(secret), body=RESULT)
    by_key = verify_report(system=shop, headers=headers_by(private_key=PRIVATE), body=RESULT)

    assert (by_secret.kind, by_key.kind) == (SignatureKind.HMAC, SignatureKind.ED25519)
    assert by_secret.message_id == "msg_of_theirs"
    with pytest.raises(UnverifiedWebhook):
        verify_report(system=shop, headers=headers_by(secret), body=RESULT + b" ")


def test_a_report_by_a_key_that_is_not_the_systems_is_refused(shop: System) -> None:
    shop = System.objects.get()
    with pytest.raises(UnverifiedWebhook):
        verify_report(system=shop, headers=headers_by(private_key=webhooks.new_private_key()), body=RESULT)
