"""Messages that were given up are sent again with one press, and the log says by whom."""

import pytest
from django.test import Client

from identity_privacy.access.models import User
from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from identity_privacy.clock import now
from identity_privacy.delivery import admin
from identity_privacy.delivery.models import Message, System
from identity_privacy.delivery.services import replay_message
from identity_privacy.delivery.terms import MessageState
from tests.cast import Cast
from tests.console.pages import page_of
from tests.delivery.world import make_message

MESSAGES = "/console/delivery/message/"


def test_one_press_sends_a_message_again_and_the_log_names_who_did(
    browser: Client, dana: User, dead_letter: Message
) -> None:
    answer = browser.post(f"{MESSAGES}{dead_letter.pk}/send-again/", {"next": "/console/"}, follow=True)
    assert answer.redirect_chain == [("/console/", 302)]
    assert "It is on its way again." in answer.text
    assert _state(dead_letter) == MessageState.PENDING
    entry = Entry.objects.get(action="message.replayed")
    assert (entry.actor_kind, entry.actor_id, entry.target_id) == ("user", str(dana.pk), str(dead_letter.pk))


def test_pressed_twice_the_second_is_told_that_it_was_not_given_up(browser: Client, dead_letter: Message) -> None:
    for _ in range(2):
        answer = browser.post(f"{MESSAGES}{dead_letter.pk}/send-again/", follow=True)
    assert "This message was not given up" in answer.text
    assert Entry.objects.filter(action="message.replayed").count() == 1


def test_all_messages_of_one_cause_are_sent_again_and_no_others(
    browser: Client, dead_letter: Message, stage: Cast
) -> None:
    other = Message.objects.filter(state=MessageState.PENDING, system=stage.shop).get()
    Message.objects.filter(pk=other.pk).update(
        state=MessageState.DEAD, dead_at=dead_letter.dead_at, last_error="connection refused"
    )
    answer = browser.post(
        f"{MESSAGES}send-again/", {"system": "parcels", "cause": "connection refused", "next": "/console/"}, follow=True
    )
    assert "1 message is on its way again." in answer.text
    assert _state(dead_letter) == MessageState.PENDING
    assert _state(other) == MessageState.DEAD


def test_one_that_a_colleague_has_just_sent_again_holds_up_no_other(
    browser: Client, dana: User, dead_letter: Message, parcels: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_message(parcels)
    Message.objects.filter(pk=other.pk).update(
        state=MessageState.DEAD, dead_at=dead_letter.dead_at, last_error=dead_letter.last_error
    )
    pressed: list[Message] = []

    def after_a_colleague(*, actor: Actor, message: Message) -> Message:
        if not pressed:
            pressed.append(replay_message(actor=actor, message=message))
        return replay_message(actor=actor, message=message)

    monkeypatch.setattr(admin, "replay_message", after_a_colleague)
    answer = browser.post(f"{MESSAGES}send-again/", {"system": "parcels", "cause": "connection refused"}, follow=True)
    assert "1 message is on its way again." in answer.text
    assert {_state(dead_letter), _state(other)} == {MessageState.PENDING}


@pytest.mark.parametrize("path", ["{id}/send-again/", "send-again/"])
def test_looking_changes_nothing(browser: Client, dead_letter: Message, path: str) -> None:
    assert browser.get(MESSAGES + path.format(id=dead_letter.pk)).status_code == 405
    assert _state(dead_letter) == MessageState.DEAD


def test_another_controllers_staff_sends_nothing_again(browser: Client, stranger: Client, dead_letter: Message) -> None:
    assert stranger.post(f"{MESSAGES}{dead_letter.pk}/send-again/").status_code == 404
    stranger.post(f"{MESSAGES}send-again/", {"system": "parcels", "cause": "connection refused"})
    assert _state(dead_letter) == MessageState.DEAD
    assert not Entry.objects.filter(action="message.replayed").exists()


def test_a_press_from_another_site_is_refused(dana: User, dead_letter: Message) -> None:
    browser = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    browser.force_login(dana)
    assert browser.post(f"{MESSAGES}{dead_letter.pk}/send-again/").status_code == 403
    assert _state(dead_letter) == MessageState.DEAD


def test_the_button_leads_back_to_our_own_pages_only(browser: Client, dead_letter: Message) -> None:
    answer = browser.post(f"{MESSAGES}{dead_letter.pk}/send-again/", {"next": "https://evil.example/"})
    assert answer.headers["Location"] == MESSAGES


def test_the_list_is_filtered_by_state_and_system(browser: Client, dead_letter: Message) -> None:
    assert browser.get(f"{MESSAGES}?state=dead").text.count("Given up</span>") == 1
    assert browser.get(f"{MESSAGES}?state=dead&system=parcels").text.count("Given up</span>") == 1
    assert browser.get(f"{MESSAGES}?state=dead&system=shop").text.count("Given up</span>") == 0


def test_the_page_of_a_message_shows_its_tries(browser: Client, dead_letter: Message) -> None:
    dead_letter.attempts.create(number=1, at=now(), duration_ms=12, outcome="no_answer", error="connection refused")
    page = browser.get(page_of(dead_letter)).text
    assert "connection refused" in page
    assert dead_letter.webhook_id in page


def _state(message: Message) -> str:
    return Message.objects.get(pk=message.pk).state
