"""What a person signs in with, where they are signed in, and how an unfamiliar browser is met."""

import json
import re
from datetime import timedelta

import pytest
import time_machine
from allauth.account.utils import perform_login
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client, RequestFactory
from fido2.utils import websafe_encode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsar.terms import RequestKind
from identity_privacy.access.limits import WRONG_APP_CODES, count_one
from identity_privacy.access.models import AuthenticatorSecret, CacheEntry, RateTally, Session, SignIn, User
from identity_privacy.access.sessions import FOLLOWED
from identity_privacy.access.stores import SignInStore
from identity_privacy.access.tasks import forget
from identity_privacy.access.terms import Familiarity
from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from identity_privacy.clock import machine_now
from identity_privacy.crypto.reading import Reading
from identity_privacy.delivery.models import Message
from tests.cast import ALICE_EMAIL, OTHER_HOST, Cast
from tests.factories import make_request
from tests.passkeys import Passkey, add_passkey, confirm_with, sign_in_with
from tests.portal.door import code_sent, codes_sent, stranger

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"


def browser(agent: str = FIREFOX, address: str = "192.0.2.7") -> Client:
    return Client(headers={"host": "localhost", "user-agent": agent}, REMOTE_ADDR=address)


def signs_in(client: Client, email: str = ALICE_EMAIL) -> Client:
    client.post("/sign-in/", {"email": email})
    assert client.post("/sign-in/code/", {"code": code_sent()}).status_code == 302
    return client


def app_code(secret: str, after: int = 0) -> str:
    """What the app shows now, or so many half minutes later."""
    return str(format_hotp_value(hotp_value(secret, int(machine_now().timestamp()) // 30 + after)))


def with_app(client: Client) -> str:
    """Set up an authenticator app; says what its codes are reckoned from."""
    page = client.get("/security/app/").content.decode()
    found = re.search(r"<code>([A-Z2-7]{32})</code>", page)
    assert found
    answer = client.post("/security/app/", {"code": app_code(found.group(1))})
    assert answer["Location"] == "/security/recovery-codes/", answer.content
    return found.group(1)


def recovery_codes(client: Client) -> list[str]:
    return re.findall(r"<code>(\d{8})</code>", client.get("/security/recovery-codes/").content.decode())


def mails(topic: str) -> list[str]:
    with Reading(actor=Actor.service("test"), purpose="read the mail", subject_id=None, reason="test"):
        return [str(message.body["text"]) for message in Message.objects.filter(topic=topic).order_by("id")]


# --- Where one is signed in ---------------------------------------------------------------------------


def test_the_page_shows_where_one_is_signed_in_this_browser_first(cast: Cast) -> None:
    signs_in(browser(SAFARI))
    here = signs_in(browser())

    page = here.get("/security/").content.decode()

    assert page.index("Firefox on Windows") < page.index("Safari on iPhone")
    assert page.count("this browser") == 1


def test_signing_out_elsewhere_ends_it_there_at_once(cast: Cast) -> None:
    elsewhere, here = signs_in(browser(SAFARI)), signs_in(browser())
    page = here.get("/security/").content.decode()
    [way] = re.findall(r"/security/sessions/[0-9a-f-]{36}/end/", page)

    assert here.post(way).status_code == 302
    assert elsewhere.get("/data/").status_code == 302
    assert here.get("/data/").status_code == 200
    assert here.post(way).status_code == 404


def test_signing_out_everywhere_else_leaves_this_browser(cast: Cast) -> None:
    others = [signs_in(browser(SAFARI)) for _ in range(2)]
    here = signs_in(browser())

    here.post("/security/sessions/end-others/")

    assert [one.get("/data/").status_code for one in (*others, here)] == [302, 302, 200]
    entry = Entry.objects.get(action="session.ended")
    assert (entry.subject_id, entry.details) == (cast.alice, {"count": 2})


def test_nobody_ends_anothers_session(alice: Client, bob: Client, charlie: Client, cast: Cast) -> None:
    session = Session.objects.get(user__subject_id=cast.alice)
    way = f"/security/sessions/{session.id}/end/"

    assert bob.post(way).status_code == 404
    assert charlie.post(way).status_code == 404
    assert alice.get("/data/").status_code == 200


# --- Unfamiliar browsers and places -------------------------------------------------------------------


def test_a_browser_that_was_here_before_is_known_by_its_cookie(cast: Cast) -> None:
    here = signs_in(browser())
    here.post("/sign-out/")
    signs_in(here)

    assert list(SignIn.objects.order_by("id").values_list("familiarity", flat=True)) == [
        Familiarity.FIRST,
        Familiarity.KNOWN,
    ]
    assert mails("new_device") == []


def test_of_a_new_browser_the_person_is_told_by_mail(cast: Cast) -> None:
    signs_in(browser())
    signs_in(browser(SAFARI))

    [mail] = mails("new_device")
    assert "Safari on iPhone" in mail
    assert SignIn.objects.latest("id").familiarity == Familiarity.NEW_DEVICE


def test_a_device_cookie_that_was_copied_into_another_browser_is_not_known(cast: Cast) -> None:
    here, thief = signs_in(browser()), browser(SAFARI)
    thief.cookies["device"] = here.cookies["device"].value
    signs_in(thief)

    assert SignIn.objects.latest("id").familiarity == Familiarity.NEW_DEVICE


@pytest.mark.parametrize(
    ("agent", "address", "asks_again"),
    [(FIREFOX, "192.0.2.200", False), (FIREFOX, "198.51.100.7", True), (SAFARI, "192.0.2.7", True)],
    ids=["as before", "a new place", "a new browser"],
)
def test_where_browser_or_place_is_new_what_cannot_be_undone_takes_another_code(
    cast: Cast, agent: str, address: str, asks_again: bool
) -> None:
    here = signs_in(browser())
    here.post("/sign-out/")
    again = browser(agent, address)
    again.cookies["device"] = here.cookies["device"].value
    signs_in(again)

    answer = again.post("/requests/new/erasure/")

    assert (answer["Location"] == "/requests/new/erasure/code/") is asks_again


def test_after_the_first_sign_in_what_cannot_be_undone_takes_another_code(cast: Cast) -> None:
    assert signs_in(browser()).post("/requests/new/erasure/")["Location"] == "/requests/new/erasure/code/"


def test_half_a_year_later_the_browser_is_known_still(cast: Cast) -> None:
    here = signs_in(browser())
    here.post("/sign-out/")
    with time_machine.travel(machine_now() + timedelta(days=183)):
        forget()
        signs_in(here)

    assert SignIn.objects.latest("id").familiarity == Familiarity.KNOWN


def test_who_signs_in_next_in_the_same_browser_finds_nothing_of_who_did_before(alice: Client, cast: Cast) -> None:
    request = make_request(cast.lindwerk, cast.alice, RequestKind.ACCESS)
    session = alice.session
    session[FOLLOWED] = str(request.id)
    session.save()
    path = f"/requests/{request.reference}/"
    with time_machine.travel(machine_now() + timedelta(minutes=31)):
        assert alice.get("/")["Location"] == "/sign-in/"
        assert alice.get(path).status_code == 404
        assert alice.post(f"{path}withdraw/").status_code == 404
        bob = signs_in(alice, "bob@example.org")

        assert bob.get(path).status_code == 404
        assert FOLLOWED not in bob.session


def test_a_page_that_looks_for_news_by_itself_keeps_nobody_signed_in(alice: Client) -> None:
    start = machine_now()
    for minutes in range(5, 60, 5):
        with time_machine.travel(start + timedelta(minutes=minutes)):
            answer = alice.get("/data/", headers={"hx-request": "true"})
            assert (answer.status_code == 200) is (minutes < 30)


def test_no_address_and_no_agent_is_kept(cast: Cast) -> None:
    signs_in(browser())

    rows = str([*SignIn.objects.values(), *Session.objects.values(), *User.objects.values()])
    assert "192.0.2" not in rows
    assert "Mozilla" not in rows
    assert ALICE_EMAIL not in rows


def test_two_people_on_one_device_cannot_be_told_to_be_on_one(cast: Cast) -> None:
    here = signs_in(browser())
    here.post("/sign-out/")
    signs_in(here, "bob@example.org")

    one, other = SignIn.objects.order_by("id")
    assert one.user != other.user
    assert one.device != other.device
    assert one.network != other.network


# --- Authenticator app --------------------------------------------------------------------------------


def test_with_an_app_a_sign_in_needs_its_code_too(alice: Client) -> None:
    secret = with_app(alice)
    alice.post("/sign-out/")

    client = stranger()
    client.post("/sign-in/", {"email": ALICE_EMAIL})
    assert client.post("/sign-in/code/", {"code": code_sent()})["Location"] == "/sign-in/app/"
    assert client.get("/data/").status_code == 302
    wrong = client.post("/sign-in/app/", {"code": "000000"})
    assert "This code does not work" in wrong.content.decode()
    assert client.get("/data/").status_code == 302
    assert client.post("/sign-in/app/", {"code": app_code(secret, after=1)}).status_code == 302
    assert client.get("/data/").status_code == 200
    assert SignIn.objects.latest("id").has_app_code


def test_a_code_of_the_app_works_once(alice: Client) -> None:
    secret = with_app(alice)
    code = app_code(secret, after=1)
    for works in (True, False):
        client = stranger()
        client.post("/sign-in/", {"email": ALICE_EMAIL})
        client.post("/sign-in/code/", {"code": code_sent()})
        client.post("/sign-in/app/", {"code": code})
        assert (client.get("/data/").status_code == 200) is works


def test_a_recovery_code_works_once_in_place_of_the_app_and_is_shown_once(alice: Client) -> None:
    with_app(alice)
    codes = recovery_codes(alice)
    assert len(set(codes)) == 10
    assert recovery_codes(alice) == []

    for works in (True, False):
        client = stranger()
        client.post("/sign-in/", {"email": ALICE_EMAIL})
        client.post("/sign-in/code/", {"code": code_sent()})
        client.post("/sign-in/app/", {"code": codes[0]})
        assert (client.get("/data/").status_code == 200) is works


def test_after_thirty_wrong_app_codes_a_day_none_is_tried_any_more(alice: Client, cast: Cast) -> None:
    secret = with_app(alice)
    client = half_way_in(stranger())
    for _ in range(29):
        count_one(WRONG_APP_CODES, str(User.objects.get(subject_id=cast.alice).pk))
    client.post("/sign-in/app/", {"code": "000000"})

    assert client.post("/sign-in/app/", {"code": app_code(secret, after=1)}).status_code == 429
    assert Entry.objects.filter(action="sign_in.authenticator_refused", subject_id=cast.alice).count() == 1


def test_who_tries_too_fast_is_told_to_wait_and_locks_nobody_out(alice: Client) -> None:
    secret = with_app(alice)
    client = half_way_in(stranger())
    answers = [client.post("/sign-in/app/", {"code": "000000"}).content.decode() for _ in range(35)]

    assert "That was too often" in answers[-1]
    with time_machine.travel(machine_now() + timedelta(minutes=6)):
        alice.get("/security/app/off/")
        assert alice.post("/confirm/app/?next=/security/", {"code": app_code(secret)}).status_code == 302


def test_a_code_is_used_up_for_as_long_as_it_is_right(alice: Client) -> None:
    secret = with_app(alice)
    start = machine_now()
    code = app_code(secret, after=1)
    works = []
    for seconds in (0, 10, 32, 50):
        with time_machine.travel(start + timedelta(seconds=seconds)):
            client = half_way_in(stranger())
            client.post("/sign-in/app/", {"code": code})
            works.append(client.get("/data/").status_code == 200)

    assert works == [True, False, False, False]


def test_the_code_that_set_the_app_up_signs_in_nowhere(alice: Client) -> None:
    secret = with_app(alice)
    client = half_way_in(stranger())
    client.post("/sign-in/app/", {"code": app_code(secret)})

    assert client.get("/data/").status_code == 302


def test_a_mailed_code_does_not_stand_in_for_the_app(alice: Client) -> None:
    secret = with_app(alice)
    client = half_way_in(stranger())
    client.post("/sign-in/", {"email": ALICE_EMAIL})
    mailed = code_sent()
    client.post("/sign-in/app/", {"code": app_code(secret, after=1)})
    assert client.get("/data/").status_code == 200
    with time_machine.travel(machine_now() + timedelta(minutes=6)):
        answer = client.post("/confirm/?next=/security/app/off/", {"code": mailed})
        assert answer["Location"].startswith("/confirm/app/")
        assert client.post("/requests/new/erasure/code/", {"code": mailed})["Location"] == "/requests/new/erasure/"
        assert client.get("/security/app/off/").status_code == 302


def test_who_signs_out_everywhere_else_stops_who_is_half_way_in(alice: Client) -> None:
    secret = with_app(alice)
    thief = half_way_in(stranger())
    alice.post("/security/sessions/end-others/")
    thief.post("/sign-in/app/", {"code": app_code(secret, after=1)})

    assert thief.get("/data/").status_code == 302


def test_a_sign_in_that_was_begun_here_does_not_end_at_another_controller(alice: Client, cast: Cast) -> None:
    secret = with_app(alice)
    client = half_way_in(stranger())
    elsewhere = Client(headers={"host": OTHER_HOST})
    elsewhere.cookies["session"] = client.cookies["session"].value
    before = Entry.objects.filter(action="sign_in.succeeded").count()

    assert elsewhere.post("/sign-in/app/", {"code": app_code(secret, after=1)})["Location"] == "/sign-in/"
    assert Entry.objects.filter(action="sign_in.succeeded").count() == before


def test_a_sign_in_of_somebody_who_is_erased_meanwhile_ends(alice: Client, cast: Cast) -> None:
    with_app(alice)
    client = half_way_in(stranger())
    SignInStore().erase(cast.alice)

    assert client.post("/sign-in/app/", {"code": "000000"})["Location"] == "/sign-in/"


@pytest.mark.parametrize("page", ["//evil.example/", "https://evil.example/", f"//{OTHER_HOST}/"])
def test_the_app_leads_to_no_page_but_ours(alice: Client, page: str) -> None:
    secret = with_app(alice)
    with time_machine.travel(machine_now() + timedelta(minutes=6)):
        answer = alice.post(f"/confirm/app/?next={page}", {"code": app_code(secret), "next": page})

    assert answer["Location"] == "/"


def half_way_in(client: Client) -> Client:
    """By the code from the mail; the app is not asked yet."""
    client.post("/sign-in/", {"email": ALICE_EMAIL})
    assert client.post("/sign-in/code/", {"code": code_sent()})["Location"] == "/sign-in/app/"
    return client


def test_the_secret_stands_nowhere_but_sealed_under_the_persons_key(alice: Client, cast: Cast) -> None:
    secret = with_app(alice)
    codes = recovery_codes(alice)

    rows = str([*Authenticator.objects.values(), *Session.objects.values(), *Entry.objects.values()])
    assert not [value for value in (secret, *codes) if value in rows]
    assert AuthenticatorSecret.objects.count() == 2
    reading = Reading(actor=Actor.service("test"), purpose="test", reason="test", subject_id=cast.alice)
    with reading:
        assert secret in {row.secret for row in AuthenticatorSecret.objects.all()}


def test_a_secret_that_was_copied_to_another_person_opens_nothing(alice: Client, bob: Client, cast: Cast) -> None:
    with_app(alice)
    bobs = User.objects.get(subject_id=cast.bob)
    alices = Authenticator.objects.get(user__subject_id=cast.alice, type=Authenticator.Type.TOTP)
    Authenticator.objects.create(user=bobs, type=Authenticator.Type.TOTP, data=alices.data)

    bob.raise_request_exception = False
    assert bob.post("/confirm/app/", {"code": "000000"}).status_code == 500


def test_turning_the_app_off_leaves_nothing_of_it_and_tells_the_person(alice: Client, cast: Cast) -> None:
    with_app(alice)
    alice.post("/security/app/off/")

    assert not Authenticator.objects.exists()
    assert not AuthenticatorSecret.objects.exists()
    changes = Entry.objects.filter(action="authenticators.changed").order_by("id")
    assert [entry.details for entry in changes] == [
        {"added": ["recovery_codes", "totp"], "removed": []},
        {"added": [], "removed": ["recovery_codes", "totp"]},
    ]
    assert len(mails("authenticators_changed")) == 2


def test_new_recovery_codes_end_the_old_ones(alice: Client) -> None:
    with_app(alice)
    old = recovery_codes(alice)
    alice.post("/security/recovery-codes/new/")
    new = recovery_codes(alice)

    assert len(new) == 10
    assert not set(old) & set(new)
    assert AuthenticatorSecret.objects.count() == 2


@pytest.mark.parametrize(
    "page",
    ["app/", "app/off/", "recovery-codes/", "recovery-codes/new/", "passkeys/add/"],
)
def test_what_one_signs_in_with_is_changed_by_whom_has_just_shown_who_they_are(alice: Client, page: str) -> None:
    with time_machine.travel(machine_now() + timedelta(minutes=6)):
        before = codes_sent()
        answer = alice.get(f"/security/{page}")

        assert answer["Location"].startswith("/confirm/?next=")
        assert codes_sent() == before + 1
        assert alice.post(answer["Location"], {"code": code_sent()})["Location"] == f"/security/{page}"


def test_whoever_has_an_app_confirms_by_it_and_not_by_mail(alice: Client) -> None:
    secret = with_app(alice)
    with time_machine.travel(machine_now() + timedelta(minutes=6)):
        before = codes_sent()
        answer = alice.post("/requests/new/erasure/")
        assert answer["Location"] == "/confirm/app/?next=%2Frequests%2Fnew%2Ferasure%2F"
        back = alice.post(answer["Location"], {"code": app_code(secret), "next": "/requests/new/erasure/"})

        assert codes_sent() == before
        assert back["Location"] == "/requests/new/erasure/"
        assert alice.post("/requests/new/erasure/")["Location"].startswith("/requests/LI-")


@pytest.mark.parametrize("page", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_confirming_leads_to_no_page_but_ours(alice: Client, page: str) -> None:
    with time_machine.travel(machine_now() + timedelta(minutes=6)):
        alice.get("/security/app/")
        answer = alice.post(f"/confirm/?next={page}", {"code": code_sent()})

    assert answer["Location"] == "/"


def test_somebody_elses_code_confirms_nothing(alice: Client, cast: Cast) -> None:
    with time_machine.travel(machine_now() + timedelta(minutes=6)):
        alice.post("/sign-out/")
        alice.post("/sign-in/", {"email": "bob@example.org"})
        bobs = code_sent()
        session = alice.session
        waiting = session["sign_in_code"]
        signs_in(alice)
        session = alice.session
        session["sign_in_code"], session["shown_at"] = waiting, "2020-01-01T00:00:00+00:00"
        session.save()

        answer = alice.post("/confirm/?next=/security/app/", {"code": bobs})

    assert "This code does not work" in answer.content.decode()
    assert alice.get("/data/").status_code == 200


# --- Passkeys -----------------------------------------------------------------------------------------


def test_a_passkey_signs_in_with_no_address_and_no_code(alice: Client) -> None:
    passkey = add_passkey(alice)
    before = codes_sent()

    client = stranger()
    assert sign_in_with(client, passkey) == "/"
    assert client.get("/data/").status_code == 200
    assert codes_sent() == before
    assert SignIn.objects.latest("id").method == "passkey"


def test_a_passkey_is_a_way_in_of_its_own_and_a_code_still_suffices(alice: Client) -> None:
    add_passkey(alice)

    assert signs_in(stranger()).get("/data/").status_code == 200


def test_a_passkey_asks_for_no_code_of_the_app(alice: Client) -> None:
    with_app(alice)
    passkey = add_passkey(alice)

    assert sign_in_with(stranger(), passkey) == "/"


def test_a_passkey_confirms_who_one_is(alice: Client) -> None:
    passkey = add_passkey(alice)
    with time_machine.travel(machine_now() + timedelta(minutes=6)):
        assert "Use a passkey instead" in alice.get("/security/app/", follow=True).content.decode()
        assert confirm_with(alice, passkey, "/security/app/") == "/security/app/"
        assert alice.get("/security/app/").status_code == 200


def test_a_removed_passkey_opens_nothing(alice: Client) -> None:
    passkey = add_passkey(alice)
    [way] = re.findall(r"/security/passkeys/\d+/remove/", alice.get("/security/").content.decode())
    alice.post(way)

    assert sign_in_with(stranger(), passkey) == "/sign-in/"


def test_anothers_passkey_confirms_nothing(alice: Client, bob: Client) -> None:
    add_passkey(alice)
    bobs = add_passkey(bob)
    with time_machine.travel(machine_now() + timedelta(minutes=6)):
        assert confirm_with(alice, bobs, "/security/app/").startswith("/confirm/passkey/")
        assert alice.get("/security/app/").status_code == 302


def test_a_passkey_opens_nothing_under_another_host_name(alice: Client, cast: Cast) -> None:
    passkey = add_passkey(alice)

    assert sign_in_with(stranger(OTHER_HOST), passkey) == "/sign-in/"


def test_a_passkey_with_another_signature_opens_nothing(alice: Client) -> None:
    passkey = add_passkey(alice)
    thief = Passkey()
    thief.id, thief.user_handle = passkey.id, passkey.user_handle

    assert sign_in_with(stranger(), thief) == "/sign-in/"


def test_no_name_is_kept_of_a_passkey(alice: Client) -> None:
    add_passkey(alice)

    data = Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN).data
    assert data["name"] == ""
    assert ALICE_EMAIL not in str(data)


# Neither JSON of any shape nor a credential of noise in place of bytes.
_NOISE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.binary(max_size=60).map(websafe_encode),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
_RESPONSE = st.dictionaries(
    st.sampled_from(["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]), _NOISE
)
_CREDENTIAL = st.fixed_dictionaries(
    {}, optional={"id": _NOISE, "rawId": _NOISE, "type": _NOISE, "response": _NOISE | _RESPONSE}
)


@given(posted=_NOISE | _CREDENTIAL)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_posted_as_a_passkey_is_refused_in_words(alice: Client, posted: object) -> None:
    RateTally.objects.all().delete()
    CacheEntry.objects.all().delete()
    door = stranger()
    door.get("/sign-in/passkey/", headers={"accept": "application/json"})
    assert door.post("/sign-in/passkey/", {"credential": json.dumps(posted)})["Location"] == "/sign-in/"
    alice.get("/security/passkeys/add/")
    page = alice.post("/security/passkeys/add/", {"credential": json.dumps(posted)}).content.decode()
    assert "No passkey was made" in page


def test_a_passkey_that_nobody_has_opens_nothing_and_is_on_record(alice: Client, cast: Cast) -> None:
    unknown = Passkey()
    unknown.user_handle = add_passkey(alice).user_handle
    client = stranger()
    answer = sign_in_with(client, unknown)

    assert answer == "/sign-in/"
    assert "This passkey does not work here" in client.get("/sign-in/").content.decode()
    assert Entry.objects.get(action="sign_in.authenticator_refused").details == {"method": "passkey"}


def test_a_person_of_another_controller_is_not_let_in_whatever_they_show(cast: Cast) -> None:

    request = RequestFactory().get("/", headers={"host": OTHER_HOST})
    request.session = stranger().session
    request.controller = cast.otherwerk  # type: ignore[attr-defined]
    user = User.objects.for_subject(cast.lindwerk, cast.alice)

    assert perform_login(request, user)["Location"] == "/sign-in/"
    assert "_auth_user_id" not in request.session
