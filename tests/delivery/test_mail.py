"""Mail goes through the same outbox: sealed until it is sent, tried again, and a decoy is dropped."""

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from identity_privacy.access.models import Controller
from identity_privacy.access.outbox import outbox
from identity_privacy.delivery.models import Message
from identity_privacy.delivery.services import deliver_due, enqueue
from identity_privacy.delivery.terms import MessageState
from tests.delivery.world import make_key

pytestmark = pytest.mark.django_db

ADDRESS = "zoe@example.org"


def write(controller: Controller, **more: object) -> Message:
    return enqueue(
        controller_id=controller.id,
        topic="request_answered",
        body={"to": ADDRESS, "subject": "Your request", "text": "It is answered.", **more},
        data_key_id=make_key(controller),
    )


def test_a_mail_is_sent_once_with_an_id_that_stays(controller: Controller) -> None:
    message = write(controller)
    deliver_due()
    deliver_due()

    (sent,) = mail.outbox
    assert (sent.to, sent.subject, sent.body) == ([ADDRESS], "Your request", "It is answered.")
    assert sent.reply_to == [controller.privacy_email]
    assert sent.extra_headers["Message-ID"] == f"<{message.webhook_id}@{controller.host}>"
    assert Message.objects.get().state == MessageState.DELIVERED


def test_a_mail_server_that_fails_is_tried_again_and_its_words_are_not_kept(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> int:
        raise ConnectionRefusedError(f"no mailbox {ADDRESS}")

    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    write(controller)
    deliver_due()

    message = Message.objects.get()
    assert (message.state, message.last_error) == (MessageState.PENDING, "ConnectionRefusedError")
    assert ADDRESS not in message.attempts.get().error


def test_a_decoy_is_dropped_where_it_would_be_sent(controller: Controller) -> None:
    write(controller, decoy=True)
    deliver_due()

    assert mail.outbox == []
    message = Message.objects.get()
    assert (message.state, message.attempts.get().outcome) == (MessageState.DELIVERED, "dropped")


def test_the_floor_below_has_its_sign_in_code_mailed(controller: Controller) -> None:
    outbox().mail(
        controller_id=controller.id,
        data_key_id=make_key(controller),
        subject_id=make_key(controller),
        to=ADDRESS,
        topic="sign_in_code",
        context={"code": "123456", "controller": "Linden", "minutes": "10"},
    )
    deliver_due()

    (sent,) = mail.outbox
    assert "123456" in sent.body
    assert "\n" not in sent.subject


@pytest.mark.parametrize("broken", [{"subject": "Your\nrequest"}, {"text": 7}])
def test_a_mail_that_cannot_be_written_holds_up_no_other(controller: Controller, broken: dict[str, object]) -> None:
    poison = write(controller, **broken)
    write(controller)
    deliver_due()

    assert [sent.subject for sent in mail.outbox if sent.to == [ADDRESS]] == ["Your request"]
    message = Message.objects.get(id=poison.id)
    assert (message.state, message.lease_id) == (MessageState.PENDING, None)
    assert message.attempts.get().outcome == "not_sent"


def test_a_mail_without_recipient_is_not_called_delivered(controller: Controller) -> None:
    write(controller, to="")
    deliver_due()

    message = Message.objects.get()
    assert (message.state, message.last_error) == (MessageState.DEAD, "it has no recipient")
