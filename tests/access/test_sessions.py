"""What a browser's session knows is sealed under its cookie, ends in time, and belongs to one controller."""

from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from django.contrib.sessions.backends.base import UpdateError
from django.db import connections
from django.test.utils import CaptureQueriesContext

from identity_privacy.access.models import Session, User
from identity_privacy.access.sessions import CONTROLLER, FOLLOWED, SessionStore
from identity_privacy.access.stores import SignInStore
from identity_privacy.access.tasks import forget
from identity_privacy.clock import machine_now
from tests.cast import ALICE_EMAIL, OTHER_HOST, Cast
from tests.portal.door import code_sent, signed_in, stranger
from tests.staff import PASS_PHRASE, at_work, hire

SECRET = "the newsletter is read on Sundays"


def stored(**known: object) -> tuple[str, UUID]:
    """The cookie of a session that knows this, and the id of its row."""
    session = SessionStore()
    session.update(known)
    session.create()
    assert session.session_key
    assert session.row_id
    return session.session_key, session.row_id


def test_what_a_session_knows_stands_in_no_row_and_opens_with_its_cookie_alone(db: None) -> None:
    cookie, row_id = stored(note=SECRET)

    assert SECRET.encode() not in bytes(Session.objects.get(id=row_id).payload)
    assert cookie not in str(Session.objects.values())
    assert SessionStore(cookie)["note"] == SECRET
    assert SessionStore("b" * 32).get("note") is None


def test_a_payload_that_was_moved_to_another_row_or_changed_opens_nothing(db: None) -> None:
    (cookie, row_id), (other_cookie, other_id) = stored(note=SECRET), stored(note="mine")
    payload = bytes(Session.objects.get(id=other_id).payload)
    Session.objects.filter(id=row_id).update(payload=payload)

    assert SessionStore(cookie).get("note") is None

    Session.objects.filter(id=other_id).update(payload=payload[:-1] + bytes([payload[-1] ^ 1]))
    assert SessionStore(other_cookie).get("note") is None


def test_a_cookie_that_opens_nothing_is_given_up_for_a_new_one(db: None) -> None:
    planted = "c" * 32
    session = SessionStore(planted)
    session["note"] = SECRET
    session.save()

    assert session.session_key != planted
    assert not SessionStore().exists(planted)


def test_a_session_that_was_ended_meanwhile_is_not_brought_back(db: None) -> None:
    cookie, _ = stored(note=SECRET)
    same = SessionStore(cookie)
    assert same["note"] == SECRET
    SessionStore(cookie).delete()

    same["note"] = "once more"
    with pytest.raises(UpdateError):
        same.save()


def test_a_session_key_from_before_the_sign_in_is_worth_nothing_after_it(cast: Cast) -> None:
    client = stranger()
    client.post("/sign-in/", {"email": ALICE_EMAIL})
    planted = str(client.session.session_key)
    client.post("/sign-in/code/", {"code": code_sent()})

    assert client.session.session_key != planted
    assert not SessionStore().exists(planted)


def test_who_does_nothing_for_half_an_hour_is_signed_out(cast: Cast) -> None:
    client = signed_in(ALICE_EMAIL)

    with time_machine.travel(machine_now() + timedelta(minutes=29)):
        assert client.get("/data/").status_code == 200
    with time_machine.travel(machine_now() + timedelta(minutes=58)):
        assert client.get("/data/").status_code == 200  # the half hour begins anew with each page
    with time_machine.travel(machine_now() + timedelta(minutes=89)):
        assert client.get("/data/").status_code == 302


def test_nobody_stays_signed_in_for_more_than_twelve_hours(cast: Cast) -> None:
    client = signed_in(ALICE_EMAIL)

    for minutes in range(25, 12 * 60, 25):
        with time_machine.travel(machine_now() + timedelta(minutes=minutes)):
            assert client.get("/data/").status_code == 200
    with time_machine.travel(machine_now() + timedelta(hours=12)):
        assert client.get("/data/").status_code == 302


def test_staff_are_signed_out_as_people_are(cast: Cast) -> None:
    client = at_work(hire("dana", cast.lindwerk))

    assert client.get("/console/").status_code == 200
    with time_machine.travel(machine_now() + timedelta(minutes=31)):
        assert client.get("/console/").status_code == 302


def test_a_followed_request_stays_reachable_when_the_sign_in_is_over(cast: Cast) -> None:
    client = signed_in(ALICE_EMAIL)
    session = client.session
    session[FOLLOWED] = "01900000-0000-7000-8000-000000000000"
    session.save()

    with time_machine.travel(machine_now() + timedelta(hours=1)):
        assert dict(client.session.items()) == {FOLLOWED: "01900000-0000-7000-8000-000000000000"}
    with time_machine.travel(machine_now() + timedelta(days=14, minutes=1)):
        assert dict(client.session.items()) == {}


def test_a_page_writes_at_most_once_a_minute_that_the_session_was_seen(cast: Cast) -> None:
    client = signed_in(ALICE_EMAIL)

    with time_machine.travel(machine_now() + timedelta(minutes=2)):
        for writes in (1, 0):
            with CaptureQueriesContext(connections["default"]) as queries:
                client.get("/sign-in/")
            assert sum("UPDATE" in query["sql"] for query in queries) == writes


@pytest.mark.parametrize("who", ["a person", "a member of staff"])
def test_a_session_belongs_to_the_controller_at_which_it_was_begun(cast: Cast, who: str) -> None:
    client = signed_in(ALICE_EMAIL)
    if who == "a member of staff":
        client.logout()
        hire("dana", cast.lindwerk, cast.otherwerk)
        client.post("/console/login/", {"username": "dana", "password": PASS_PHRASE})
    page = "/data/" if who == "a person" else "/console/"

    assert client.session[CONTROLLER] == str(cast.lindwerk.id)
    assert client.get(page).status_code == 200
    assert client.get(page, headers={"host": OTHER_HOST}).status_code == 302
    assert client.get(page).status_code == 302  # the browser was told to forget a cookie that is no good there


def test_what_is_over_is_deleted_within_the_hour(cast: Cast) -> None:
    stored(note=SECRET)

    with time_machine.travel(machine_now() + timedelta(days=14, minutes=1)):
        forget()
    assert not Session.objects.exists()


def test_the_session_of_somebody_erased_knows_no_user(cast: Cast) -> None:
    client = signed_in(ALICE_EMAIL)
    SignInStore().erase(cast.alice)

    assert Session.objects.get().user is None
    assert not User.objects.filter(subject_id=cast.alice).exists()
    assert client.get("/data/").status_code == 302
