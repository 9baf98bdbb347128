"""Staff come in by their company's provider: their groups are their roles, and who leaves there is out here."""

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import jwt
import pytest
import requests
import time_machine
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from django.test import Client
from pytest_django import Settings

from identity_privacy.access import single_sign_on
from identity_privacy.access.models import Session, User
from identity_privacy.access.providers import Provider, configured, provider_of, uid_of
from identity_privacy.access.roles import roles_of
from identity_privacy.access.services import break_glass
from identity_privacy.access.single_sign_on import ProviderSilent
from identity_privacy.access.terms import Role
from identity_privacy.audit.models import Entry
from identity_privacy.clock import machine_now
from identity_privacy.errors import Invalid
from tests.cast import Cast
from tests.factories import SERVICE
from tests.openid import PROVIDER_ID, OpenId, openid_provider, return_from, staff_by
from tests.portal.door import stranger
from tests.portal.test_other_accounts import GOOD
from tests.staff import PASS_PHRASE, hire

ERIN = "employee-5"


@pytest.fixture(scope="module")
def running() -> Iterator[OpenId]:
    with openid_provider() as provider:
        yield provider


@pytest.fixture
def company(running: OpenId, settings: Settings, tmp_path: Path) -> OpenId:
    settings.STAFF_SECOND_FACTOR = True
    settings.SIGN_IN_PROVIDERS = staff_by(running, tmp_path)
    running.knows(ERIN, {"preferred_username": "erin", "groups": ["officers", "runners"]})
    return running


def signed_in(sub: str = ERIN) -> Client:
    browser = stranger()
    return_from(browser, sub)
    return browser


def later(minutes: float) -> time_machine.travel:
    return time_machine.travel(machine_now() + timedelta(minutes=minutes))


def uid(stage: Cast, company: OpenId, sub: str) -> str:
    return uid_of(stage.lindwerk.id, company.issuer, sub)


def erin() -> User:
    return User.objects.get(username="erin")


def test_a_group_there_is_a_role_here(stage: Cast, company: OpenId) -> None:
    browser = stranger()

    assert return_from(browser, ERIN)["Location"] == "/console/"
    assert browser.get("/console/").status_code == 200
    assert roles_of(erin(), stage.lindwerk) == [Role.DPO]
    assert not erin().has_usable_password()


def test_whoever_is_in_no_group_that_counts_comes_in_nowhere(stage: Cast, company: OpenId) -> None:
    company.knows("runner", {"preferred_username": "robin", "groups": ["runners"]})
    browser = stranger()

    assert return_from(browser, "runner")["Location"] == "/console/login/"
    assert "have no role here" in browser.get("/console/login/").text
    assert not User.objects.filter(username="robin").exists()


@pytest.mark.parametrize("groups", ["officers", {"officers": True}, None, [["officers"]]])
def test_groups_that_are_no_list_of_texts_are_none(stage: Cast, company: OpenId, groups: object) -> None:
    company.knows("odd", {"preferred_username": "odd", "groups": groups})

    assert return_from(stranger(), "odd")["Location"] == "/console/login/"


def test_a_name_that_somebody_has_already_is_not_taken_over(stage: Cast, company: OpenId) -> None:
    other = hire("erin", stage.lindwerk, role=Role.AUDITOR)
    signed_in()

    assert roles_of(other, stage.lindwerk) == [Role.AUDITOR]
    assert SocialAccount.objects.get().user.username.startswith(f"{PROVIDER_ID}-")


@pytest.mark.parametrize("name", ["0@subject.invalid", "\uff25rin", "e rin", "", 5, None])
def test_a_name_that_is_none_of_staff_is_not_taken(stage: Cast, company: OpenId, name: object) -> None:
    company.knows("odd", {"preferred_username": name, "groups": ["officers"]})
    signed_in("odd")

    assert SocialAccount.objects.get().user.username in {f"{PROVIDER_ID}-{uid(stage, company, 'odd')[:12]}", "odd"}


def test_within_five_minutes_another_group_is_another_role(stage: Cast, company: OpenId) -> None:
    browser = signed_in()
    company.knows(ERIN, {"preferred_username": "erin", "groups": ["helpers"]})

    with later(4):
        assert browser.get("/console/audit/entry/").status_code == 200
    with later(5.1):
        assert browser.get("/console/audit/entry/").status_code == 404
        assert browser.get("/console/").status_code == 200
    assert roles_of(erin(), stage.lindwerk) == [Role.SUPPORT_AGENT]


def test_who_left_there_is_out_within_five_minutes_and_has_no_role_any_more(stage: Cast, company: OpenId) -> None:
    browser = signed_in()
    requests.post(f"{company.issuer}/users/{ERIN}/revoke-tokens", timeout=10).raise_for_status()

    with later(5.1):
        assert browser.get("/console/").status_code == 302
    assert roles_of(erin(), stage.lindwerk) == []
    assert not Session.objects.filter(user=erin()).exists()
    assert Entry.objects.get(action="staff.cut_off").target_id == str(erin().id)


def test_who_left_there_has_no_emergency_here(stage: Cast, company: OpenId) -> None:
    browser = signed_in()
    reason = "the data protection officer is ill"
    break_glass(actor=SERVICE, user=erin(), controller=stage.lindwerk, reason=reason, lasting=timedelta(hours=1))
    requests.post(f"{company.issuer}/users/{ERIN}/revoke-tokens", timeout=10).raise_for_status()

    with later(5.1):
        assert browser.get("/console/").status_code == 302
    assert erin().broke_glass_until is None


def test_groups_that_are_no_texts_any_more_are_none(stage: Cast, company: OpenId) -> None:
    browser = signed_in()
    company.knows(ERIN, {"preferred_username": "erin", "groups": [["officers"], 3]})

    with later(5.1):
        assert browser.get("/console/").status_code == 302
    assert roles_of(erin(), stage.lindwerk) == []


def test_a_provider_that_answers_something_else_is_as_silent_as_one_that_does_not(stage: Cast, issuer: str) -> None:
    provider = provider_of("lindwerk", PROVIDER_ID)
    assert provider
    for refresh in ("a token", ""):  # it names neither of the two addresses
        with pytest.raises(ProviderSilent):
            single_sign_on._claims_now(provider, {"token": "t", "refresh": refresh})


def test_of_several_pages_at_once_one_asks_and_the_others_go_on(
    stage: Cast, company: OpenId, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in()
    asked: list[str] = []
    answers: list[int] = []
    ask = single_sign_on._claims_now

    def slowly(provider: Provider, known: dict[str, Any]) -> Mapping[str, Any] | None:
        asked.append(provider.id)
        answers.append(browser.get("/console/").status_code)  # another page of hers meanwhile
        return ask(provider, known)

    monkeypatch.setattr(single_sign_on, "_claims_now", slowly)
    with later(4.6):
        assert browser.get("/console/").status_code == 200
    assert (asked, answers) == ([PROVIDER_ID], [200])


def test_after_five_minutes_nobody_goes_on_while_the_provider_lets_us_wait(
    stage: Cast, company: OpenId, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in()
    answers: list[int] = []

    def hanging(provider: Provider, known: dict[str, Any]) -> Mapping[str, Any] | None:
        answers.append(browser.get("/console/").status_code)
        raise ProviderSilent

    monkeypatch.setattr(single_sign_on, "_claims_now", hanging)
    with later(20):
        answers.append(browser.get("/console/").status_code)
    assert answers == [302, 302]


def test_what_was_renewed_before_the_provider_fell_silent_is_kept(
    stage: Cast, company: OpenId, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = signed_in()

    def half(provider: Provider, known: dict[str, Any]) -> Mapping[str, Any] | None:
        known["refresh"] = "renewed"
        raise ProviderSilent

    monkeypatch.setattr(single_sign_on, "_claims_now", half)
    with later(5.1):
        assert browser.get("/console/").status_code == 302
    assert browser.session["single_sign_on"]["refresh"] == "renewed"


def test_while_the_provider_is_silent_nobody_comes_in_by_it_and_afterwards_they_do(
    stage: Cast, company: OpenId, settings: Settings, tmp_path: Path
) -> None:
    browser = signed_in()
    path = Path(settings.SIGN_IN_PROVIDERS)
    silent = tmp_path / "silent.toml"
    silent.write_text(path.read_text().replace(company.issuer, "http://localhost:9"))
    settings.SIGN_IN_PROVIDERS = str(silent)
    with later(5.1):
        assert [browser.get("/console/").status_code for _ in range(2)] == [302, 302]
        settings.SIGN_IN_PROVIDERS = str(path)
        assert browser.get("/console/").status_code == 200
    assert roles_of(erin(), stage.lindwerk) == [Role.DPO]


def test_a_provider_that_is_no_longer_configured_lets_nobody_stay(
    stage: Cast, company: OpenId, settings: Settings
) -> None:
    browser = signed_in()
    settings.SIGN_IN_PROVIDERS = ""

    with later(5.1):
        assert browser.get("/console/").status_code == 302


def test_where_the_provider_does_not_vouch_our_own_second_factor_is_asked_for(
    stage: Cast, company: OpenId, settings: Settings, tmp_path: Path
) -> None:
    settings.SIGN_IN_PROVIDERS = staff_by(company, tmp_path, second_factor="ours")

    assert signed_in().get("/console/", follow=True).redirect_chain[-1][0] == "/console/second-factor/"


@pytest.mark.parametrize(("methods", "opens"), [(["pwd", "mfa"], True), (["pwd"], False), ("mfa", False)])
def test_the_provider_vouches_by_what_it_says_of_this_sign_in(
    stage: Cast, company: OpenId, settings: Settings, tmp_path: Path, methods: object, opens: bool
) -> None:
    settings.SIGN_IN_PROVIDERS = staff_by(company, tmp_path, second_factor="amr")
    company.knows(ERIN, {"preferred_username": "erin", "groups": ["officers"], "amr": methods})

    assert (signed_in().get("/console/").status_code == 200) is opens


def test_a_password_after_it_in_the_same_browser_is_somebody_elses_sign_in(stage: Cast, company: OpenId) -> None:
    browser = signed_in()
    browser.post("/console/logout/")
    dana = hire("Dana", stage.lindwerk)
    browser.post("/console/login/", {"username": "Dana", "password": PASS_PHRASE, "next": "/console/"})

    with later(6):
        browser.get("/console/second-factor/")
    assert roles_of(dana, stage.lindwerk) == [Role.DPO]


def test_the_word_for_one_who_did_not_come_in_counts_for_nobody_else(stage: Cast, company: OpenId) -> None:
    signed_in()
    User.objects.filter(username="erin").update(is_active=False)
    browser = signed_in()
    hire("Dana", stage.lindwerk)
    browser.post("/console/login/", {"username": "Dana", "password": PASS_PHRASE, "next": "/console/"})

    assert browser.get("/console/", follow=True).redirect_chain[-1][0] == "/console/second-factor/"


def test_staff_and_people_have_doors_of_their_own(stage: Cast, company: OpenId) -> None:
    assert "your Lindwerk shop account" in stranger().get("/console/login/").text
    assert "your Lindwerk shop account" not in stranger().get("/sign-in/").text


# --- Signed out there -----------------------------------------------------------------------------------


class _Keys(BaseHTTPRequestHandler):
    """Another provider, which publishes one key, sends logout tokens, and refuses to renew other tokens."""

    answers: ClassVar[dict[str, object]] = {}
    refusal = ""

    def do_POST(self) -> None:
        body = json.dumps({"error": self.refusal}).encode()
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        body = json.dumps(self.answers[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # its name there
        """Nothing."""


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture
def issuer(key: RSAPrivateKey, settings: Settings, tmp_path: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Keys)
    address = f"http://127.0.0.1:{server.server_port}"
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    _Keys.answers = {
        "/.well-known/openid-configuration": {
            "issuer": address,
            "jwks_uri": f"{address}/keys",
            "token_endpoint": f"{address}/token",
        },
        "/keys": {"keys": [{**public, "kid": "1", "alg": "RS256"}]},
    }
    settings.SIGN_IN_PROVIDERS = staff_by(OpenId(issuer=address), tmp_path)
    Thread(target=server.serve_forever, daemon=True).start()
    yield address
    server.shutdown()
    server.server_close()


def token(key: RSAPrivateKey, issuer: str, **other: object) -> str:
    """A logout token that is right, but for `other`."""
    at = int(machine_now().timestamp())
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": "privacy",
        "iat": at,
        "exp": at + 120,
        "jti": f"{at}-{len(str(other))}",
        "sub": ERIN,
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }
    claims |= other
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None},
        key,
        headers={"kid": "1"},
        algorithm="RS256",
    )


def told(logout_token: str) -> int:
    answer = stranger().post(f"/sign-in/with/{PROVIDER_ID}/signed-out/", {"logout_token": logout_token})
    return answer.status_code


def at_work_by(stage: Cast, issuer: str) -> Client:
    user = hire("Erin", stage.lindwerk)
    SocialAccount.objects.create(user=user, provider=PROVIDER_ID, uid=uid_of(stage.lindwerk.id, issuer, ERIN))
    browser = stranger()
    browser.force_login(user)
    assert browser.get("/console/").status_code == 200
    return browser


def test_who_signs_out_there_is_signed_out_here_at_once(stage: Cast, key: RSAPrivateKey, issuer: str) -> None:
    browser = at_work_by(stage, issuer)

    assert told(token(key, issuer)) == 200
    assert browser.get("/console/").status_code == 302
    assert Entry.objects.get(action="session.ended_by_provider").details == {"count": 1}


def test_only_whoever_may_not_renew_any_more_is_gone(stage: Cast, issuer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = provider_of("lindwerk", PROVIDER_ID)
    assert provider
    monkeypatch.setattr(_Keys, "refusal", "invalid_grant")
    assert single_sign_on._claims_now(provider, {"token": "t", "refresh": "r"}) is None
    monkeypatch.setattr(_Keys, "refusal", "invalid_client")  # our own secret ran out, say
    with pytest.raises(ProviderSilent):
        single_sign_on._claims_now(provider, {"token": "t", "refresh": "r"})


def test_who_was_never_here_is_answered_the_same(stage: Cast, key: RSAPrivateKey, issuer: str) -> None:
    assert told(token(key, issuer, sub="nobody")) == 200


@pytest.mark.parametrize(
    "other",
    [
        {"iss": "https://another.example"},
        {"aud": "another"},
        {"exp": 1_000_000},
        {"exp": 10**18},
        {"exp": 10**400},
        {"iat": 1_000_000},
        {"iat": None},
        {"jti": None},
        {"sub": None, "sid": "1"},
        {"events": None},
        {"events": {"something": {}}},
        {"nonce": "n"},
    ],
    ids=str,
)
def test_a_token_that_is_no_logout_token_ends_nothing(
    stage: Cast, key: RSAPrivateKey, issuer: str, other: Mapping[str, object]
) -> None:
    browser = at_work_by(stage, issuer)

    assert told(token(key, issuer, **other)) == 400
    assert browser.get("/console/").status_code == 200


def test_a_token_of_another_key_or_none_or_noise_ends_nothing(stage: Cast, key: RSAPrivateKey, issuer: str) -> None:
    browser = at_work_by(stage, issuer)
    unsigned = jwt.encode({"iss": issuer, "aud": "privacy", "sub": ERIN}, "", algorithm="none", headers={"kid": "1"})

    for one in (token(generate_private_key(65537, 2048), issuer), unsigned, "", "a.b.c", "\x00", "ü" * 9):
        assert told(one) == 400, one
    assert browser.get("/console/").status_code == 200


def test_a_token_works_once(stage: Cast, key: RSAPrivateKey, issuer: str) -> None:
    one = token(key, issuer, sub="nobody", jti="the same")

    assert [told(one), told(one)] == [200, 400]


# --- The file ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("staff", "says"),
    [
        ("staff = 3", "give groups_claim, roles"),
        ('[provider.staff]\nroles = { a = "dpo" }', "staff.groups_claim: give a text"),
        ('[provider.staff]\ngroups_claim = "g"', "staff.roles: give each group one of these"),
        ('[provider.staff]\ngroups_claim = "g"\nroles = { a = "api_reader" }', "staff.roles: give each group"),
        ('[provider.staff]\ngroups_claim = "g"\nroles = { a = "dpo" }\nsecond_factor = "no"', "staff.second_factor"),
        ('[provider.staff]\ngroups_claim = "g"\nroles = { a = "dpo" }\nscopes = "all"', "staff.scopes: give a list"),
    ],
)
def test_what_cannot_be_so_of_staff_is_refused(tmp_path: Path, staff: str, says: str) -> None:
    path = tmp_path / "providers.toml"
    path.write_text(f"{GOOD}\n{staff}\n")

    with pytest.raises(Invalid, match=says):
        configured(str(path))
