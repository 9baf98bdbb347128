"""My choices: one switch a use, refuse as easy as accept, nothing that is not mine."""

import re

from django.test import Client

from consent.models import ConsentEvent, ConsentState
from consent.terms import ConsentAction
from identity_privacy.delivery.models import Message
from tests.cast import Cast


def test_a_switch_says_yes_and_then_no(cast: Cast, alice: Client) -> None:
    assert _switch(alice, "newsletter") == "false"

    alice.post("/choices/newsletter/", {"on": "yes"})
    assert _switch(alice, "newsletter") == "true"

    alice.post("/choices/newsletter/", {"on": "no"})
    assert _switch(alice, "newsletter") == "false"
    state = ConsentState.objects.get(subject_id=cast.alice, purpose=cast.newsletter)
    assert state.action == ConsentAction.WITHDRAWN


def test_a_yes_is_kept_with_the_exact_text_that_was_shown(cast: Cast, alice: Client) -> None:
    alice.post("/choices/newsletter/", {"on": "yes"})

    event = ConsentEvent.objects.get(subject_id=cast.alice)
    assert event.notice == cast.newsletter.notices.get()
    assert event.notice is not None
    assert event.notice.text in alice.get("/choices/").content.decode()


def test_a_switch_sent_twice_counts_once(cast: Cast, alice: Client) -> None:
    alice.post("/choices/newsletter/", {"on": "yes"})
    alice.post("/choices/newsletter/", {"on": "yes"})

    assert ConsentEvent.objects.filter(subject_id=cast.alice).count() == 1


def test_the_row_says_how_many_systems_have_confirmed(cast: Cast, alice: Client) -> None:
    alice.post("/choices/recommendations/", {"on": "yes"})
    assert "Saved. 0 of 2 systems have confirmed" in alice.get("/choices/").content.decode()

    one = Message.objects.filter(topic="consent.changed")[0]
    Message.objects.filter(id=one.id).update(state="delivered", delivered_at=one.created_at)
    assert "Saved. 1 of 2 systems has confirmed" in alice.get("/choices/").content.decode()


def test_refusing_all_is_one_button_exactly_like_accepting_all(cast: Cast, alice: Client) -> None:
    buttons = re.findall(
        r'<button class="([^"]*)" name="answer" value="(\w+)"', alice.get("/choices/").content.decode()
    )
    assert buttons == [("button", "refuse"), ("button", "accept")]

    alice.post("/choices/all/", {"answer": "accept"})
    assert _switch(alice, "newsletter") == _switch(alice, "recommendations") == "true"
    alice.post("/choices/all/", {"answer": "refuse"})
    assert _switch(alice, "newsletter") == _switch(alice, "recommendations") == "false"


def test_an_answer_that_is_neither_changes_nothing(cast: Cast, alice: Client) -> None:
    assert alice.post("/choices/all/", {"answer": "maybe"}).status_code == 400
    assert alice.post("/choices/newsletter/", {"on": "perhaps"}).status_code == 400

    assert not ConsentEvent.objects.filter(subject_id=cast.alice).exists()


def test_what_rests_on_something_else_has_a_reason_and_no_switch(alice: Client) -> None:
    page = alice.get("/choices/").content.decode()

    assert "Delivering your orders" in page
    assert "Contract." in page
    assert alice.post("/choices/delivery/", {"on": "no"}).status_code == 404


def test_charlie_cannot_switch_a_use_of_another_controller(charlie: Client, cast: Cast) -> None:
    assert charlie.post("/choices/newsletter/", {"on": "yes"}).status_code == 404
    assert "Newsletter" not in charlie.get("/choices/").content.decode()
    assert not ConsentEvent.objects.exists()


def _switch(client: Client, code: str) -> str:
    page = client.get("/choices/").content.decode()
    found = re.search(rf'id="switch-{code}" role="switch" aria-checked="(\w+)"', page)
    assert found
    return found.group(1)
