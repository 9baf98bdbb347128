"""Signing in with another account, at a provider that is not ours, in a process of its own."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.test import Client, RequestFactory
from pytest_django import Settings

from dsar.services.fulfilment import erase_rows
from identity_privacy.access.models import BarredAccount, SignIn
from identity_privacy.access.oidc import SocialAccountAdapter
from identity_privacy.access.providers import configured
from identity_privacy.access.services import link_account
from identity_privacy.access.stores import SignInStore
from identity_privacy.audit.models import Entry
from identity_privacy.crypto.errors import IndexCannotRotate
from identity_privacy.crypto.models import IndexKey
from identity_privacy.crypto.rotation.blind_indexes import rotate_index
from identity_privacy.errors import Invalid, NotFound
from tests.cast import ALICE_EMAIL, BOB_EMAIL, OTHER_HOST, Cast
from tests.openid import NAME, PROVIDER_ID, OpenId, begin, come_back, openid_provider, return_from
from tests.portal.door import code_sent, stranger
from tests.portal.test_security import app_code, recovery_codes, signs_in, with_app

ALICE_THERE = "account-77"


@pytest.fixture(scope="module")
def running() -> Iterator[OpenId]:
    with openid_provider() as provider:
        yield provider


@pytest.fixture
def provider(running: OpenId, settings: Settings, tmp_path: Path) -> OpenId:
    settings.SIGN_IN_PROVIDERS = running.configured(tmp_path)
    running.knows(ALICE_THERE, {"email": ALICE_EMAIL, "email_verified": True, "name": "Alice Brandt"})
    return running


def said(client: Client) -> str:
    """What the sign-in page says of what went wrong."""
    return client.get("/sign-in/").content.decode()


def test_an_account_with_a_verified_address_signs_in_whom_the_address_names(cast: Cast, provider: OpenId) -> None:
    client = stranger()

    assert return_from(client, ALICE_THERE)["Location"] == "/"
    assert client.get("/data/").status_code == 200
    assert SignIn.objects.get().method == "account"
    assert SignIn.objects.get().user.subject_id == cast.alice


def test_of_the_account_a_blind_index_is_kept_and_nothing_else(cast: Cast, provider: OpenId) -> None:
    return_from(stranger(), ALICE_THERE)

    [row] = SocialAccount.objects.values()
    assert row["extra_data"] == {}
    assert len(row["uid"]) == 64
    kept = str([*SocialAccount.objects.values(), *Entry.objects.values()])
    assert not [text for text in (ALICE_THERE, ALICE_EMAIL, "Alice Brandt") if text in kept]


def test_once_linked_it_signs_in_whatever_its_address_is_there(cast: Cast, provider: OpenId) -> None:
    return_from(stranger(), ALICE_THERE)
    provider.knows(ALICE_THERE, {"email": "new@example.org", "email_verified": True})
    client = stranger()
    return_from(client, ALICE_THERE)

    assert client.get("/data/").status_code == 200
    assert SocialAccount.objects.count() == 1


@pytest.mark.parametrize("verified", [False, "true", "yes"])
def test_an_address_that_was_not_verified_there_opens_nothing(
    cast: Cast, provider: OpenId, verified: bool | str
) -> None:
    provider.knows("thief", {"email": ALICE_EMAIL, "email_verified": verified})
    client = stranger()

    assert return_from(client, "thief")["Location"] == "/sign-in/"
    assert "has not checked the address" in said(client)
    assert not SocialAccount.objects.exists()
    assert client.get("/data/").status_code == 302


def test_an_address_that_is_nobodys_opens_nothing_and_makes_nobody_known(cast: Cast, provider: OpenId) -> None:
    provider.knows("nobody", {"email": "nobody@example.org", "email_verified": True})
    client = stranger()

    assert return_from(client, "nobody")["Location"] == "/sign-in/"
    assert "We do not know the address of that account" in said(client)
    assert not SocialAccount.objects.exists()


def test_nobody_is_linked_because_somebody_is_signed_in_meanwhile(cast: Cast, provider: OpenId) -> None:
    provider.knows("thief", {"email": "thief@example.org", "email_verified": True})
    client = stranger()
    asked = client.post(f"/sign-in/with/{PROVIDER_ID}/?process=connect", {"process": "connect"})
    back = come_back(asked, "thief")
    signs_in(client)

    assert client.get(back)["Location"] == "/sign-in/"
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize(
    ("claims", "about"),
    [
        ({"iss": "https://another.example", "sub": "1"}, {"sub": "1"}),
        ({"iss": "ours", "sub": "1"}, {"sub": "2"}),
        ({"iss": "ours"}, {"sub": "1"}),
        ({"iss": "ours", "sub": 1}, {"sub": 1}),
        ({"iss": "ours", "sub": "1"}, None),
        (None, {"sub": "1"}),
    ],
    ids=["another issuer", "two people", "nobody", "no text", "no answer about them", "no token"],
)
def test_what_does_not_name_one_person_of_the_configured_issuer_is_not_believed(
    cast: Cast, provider: OpenId, claims: dict[str, object] | None, about: dict[str, object] | None
) -> None:
    request = RequestFactory().get("/")
    request.controller = cast.lindwerk  # type: ignore[attr-defined]  # as the middleware does
    if claims and claims["iss"] == "ours":
        claims = {**claims, "iss": provider.issuer}

    with pytest.raises(OAuth2Error):
        SocialAccountAdapter().get_provider(request, PROVIDER_ID).sociallogin_from_response(
            request, {"id_token": claims, "userinfo": about}
        )


def test_a_second_step_is_asked_for_here_too(cast: Cast, provider: OpenId, alice: Client) -> None:
    secret = with_app(alice)
    recovery_codes(alice)
    client = stranger()

    assert return_from(client, ALICE_THERE)["Location"] == "/sign-in/app/"
    assert client.get("/data/").status_code == 302
    client.post("/sign-in/app/", {"code": app_code(secret, after=1)})
    assert client.get("/data/").status_code == 200


def test_an_answer_that_this_browser_did_not_ask_for_opens_nothing(cast: Cast, provider: OpenId) -> None:
    victim = stranger()
    victim.get("/sign-in/")

    answer = victim.get(f"/sign-in/with/{PROVIDER_ID}/callback/?code=abc&state=xyz")

    assert answer["Location"] == "/sign-in/"
    assert victim.get("/data/").status_code == 302


def test_no_more_is_asked_for_than_it_takes_and_the_code_is_bound_to_this_browser(cast: Cast, provider: OpenId) -> None:
    asked = parse_qs(urlsplit(begin(stranger())["Location"]).query)

    assert set(asked["scope"][0].split()) == {"openid", "email"}
    assert asked["code_challenge_method"] == ["S256"]


def test_a_provider_of_another_controller_is_not_here(cast: Cast, provider: OpenId) -> None:
    client = stranger(OTHER_HOST)

    assert begin(client).status_code == 404
    assert client.get(f"/sign-in/with/{PROVIDER_ID}/callback/").status_code == 404
    assert NAME not in said(client)


def test_the_policy_lets_the_button_lead_there_and_nowhere_else(cast: Cast, provider: OpenId) -> None:
    page = stranger().get("/sign-in/")

    assert f"Sign in with {NAME}" in page.content.decode()
    assert f"form-action 'self' {provider.issuer};" in page["Content-Security-Policy"] + ";"
    assert provider.issuer not in stranger().get("/authority/")["Content-Security-Policy"]


def test_a_provider_that_does_not_answer_is_said_in_words(
    cast: Cast, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SIGN_IN_PROVIDERS = OpenId(issuer="http://localhost:9").configured(tmp_path)
    client = stranger()

    assert begin(client)["Location"] == "/sign-in/"
    assert "did not tell us who you are" in said(client)
    assert f"no sign-in by the provider {PROVIDER_ID}: ConnectionError" in caplog.messages


def test_a_linked_account_is_shown_and_removed(cast: Cast, provider: OpenId) -> None:
    client = stranger()
    return_from(client, ALICE_THERE)
    account = SocialAccount.objects.get()
    assert NAME in client.get("/security/").content.decode()

    way = f"/security/accounts/{account.pk}/remove/"
    confirm = client.post(way)["Location"]
    assert client.post(confirm, {"code": code_sent()})["Location"] == "/security/"
    client.post(way)

    assert not SocialAccount.objects.exists()
    assert "You removed it" in client.get("/security/").content.decode()


def test_a_removed_account_stays_out_until_it_is_let_in_again(cast: Cast, provider: OpenId, alice: Client) -> None:
    return_from(stranger(), ALICE_THERE)
    alice.post(f"/security/accounts/{SocialAccount.objects.get().pk}/remove/")
    client = stranger()
    return_from(client, ALICE_THERE)
    assert "You have removed that account" in said(client)
    assert client.get("/data/").status_code == 302

    alice.post(f"/security/accounts/{BarredAccount.objects.get().pk}/let-in/")
    return_from(client, ALICE_THERE)
    assert client.get("/data/").status_code == 200


def test_another_account_alone_confirms_nothing_that_cannot_be_undone(cast: Cast, provider: OpenId) -> None:
    client = stranger()
    return_from(client, ALICE_THERE)

    assert client.post("/requests/new/erasure/")["Location"] == "/requests/new/erasure/code/"


def test_the_key_of_the_accounts_index_is_not_rotated(cast: Cast, provider: OpenId) -> None:
    return_from(stranger(), ALICE_THERE)

    with pytest.raises(IndexCannotRotate):
        rotate_index(field="fixed:oidc_account", patience=1)
    assert IndexKey.objects.get(field="fixed:oidc_account").version == 1


def test_nobody_is_linked_who_is_erased_meanwhile(cast: Cast, provider: OpenId) -> None:
    erase_rows(cast.alice)

    with pytest.raises(NotFound):
        link_account(controller=cast.lindwerk, subject_id=cast.alice, account=SocialAccount(provider="x", uid="1"))
    assert SignInStore().remaining(cast.alice)["users"] == 0


def test_nobody_removes_anothers_account(cast: Cast, provider: OpenId, bob: Client) -> None:
    return_from(stranger(), ALICE_THERE)
    account = SocialAccount.objects.get()

    assert bob.post(f"/security/accounts/{account.pk}/remove/").status_code == 404
    assert SocialAccount.objects.exists()


def test_an_erasure_takes_the_link_with_it(cast: Cast, provider: OpenId) -> None:
    return_from(stranger(), ALICE_THERE)

    assert SignInStore().erase(cast.alice)["accounts"] == 1
    assert SignInStore().remaining(cast.alice)["accounts"] == 0


def test_two_people_of_one_provider_are_two(cast: Cast, provider: OpenId) -> None:
    provider.knows("account-78", {"email": BOB_EMAIL, "email_verified": True})
    return_from(stranger(), ALICE_THERE)
    return_from(stranger(), "account-78")

    assert {one.user.subject_id for one in SocialAccount.objects.select_related("user")} == {cast.alice, cast.bob}


GOOD = """
[[provider]]
controller = "lindwerk"
id = "shop"
name = "your account"
issuer = "https://accounts.example"
client_id = "privacy"
client_secret = "a secret"
"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[provider]\n", "is no TOML"),
        ("provider = 3", "write each provider as [[provider]]"),
        (GOOD.replace('id = "shop"\n', ""), "provider 1, id: give a text"),
        (GOOD.replace("shop", "My Shop"), "provider 1, id: give small letters"),
        (GOOD.replace("https://", "http://"), "provider 1, issuer: give an address with https"),
        (GOOD.replace('client_secret = "a secret"\n', ""), "provider 1, client_secret_file: give the secret"),
        (GOOD + 'scope = "all"\n', "provider 1, scope: there is no such field"),
        (GOOD + GOOD, "shop stands twice for lindwerk"),
    ],
)
def test_a_file_of_providers_that_cannot_be_so_is_refused_with_what_is_wrong(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "providers.toml"
    path.write_text(text)

    with pytest.raises(Invalid, match=says.replace("[", r"\[")):
        configured(str(path))


def test_the_secret_may_stand_in_a_file_of_its_own_and_shows_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    path = tmp_path / "providers.toml"
    path.write_text(GOOD.replace('client_secret = "a secret"', f'client_secret_file = "{tmp_path}/secret"'))

    [provider] = configured(str(path))

    assert provider.client_secret == "from a file"
    assert "from a file" not in repr(provider)
