"""A root key in Vault's transit engine, over HTTP, against the stand-in of tests/kms.py and not a real Vault."""

import datetime
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from identity_privacy import clock
from identity_privacy.crypto.errors import RootKeyUnavailable, WrongPlace
from identity_privacy.crypto.providers import (
    begin_root_rotation,
    end_root_rotation,
    newest_only,
    provider,
    write_root_key,
)
from identity_privacy.crypto.providers import vault as vault_provider
from tests.kms import Reply, Vault, listening

KEY = b"k" * 32


@pytest.fixture
def vault(settings: Settings) -> Iterator[Vault]:
    """A Vault with one key, which the settings name."""
    stand_in = Vault()
    stand_in.make_key("identity-privacy")
    with listening(stand_in) as port:
        settings.ROOT_KEY_URL = f"vault+http://127.0.0.1:{port}/transit/identity-privacy"
        settings.VAULT_TOKEN = stand_in.token
        yield stand_in


# --- What is bound to what ----------------------------------------------------------------------------


def test_a_key_wrapped_by_vault_opens_again_and_only_as_what_it_is(vault: Vault) -> None:
    wrapped = provider().wrap(KEY, b"one \x00\xff")
    assert KEY not in wrapped
    assert provider().unwrap(wrapped, b"one \x00\xff") == KEY
    with pytest.raises(WrongPlace):
        provider().unwrap(wrapped, b"another")


def test_another_key_of_the_same_vault_does_not_open_it(vault: Vault, settings: Settings) -> None:
    wrapped = provider().wrap(KEY, b"one")
    vault.make_key("another")
    settings.ROOT_KEY_URL = settings.ROOT_KEY_URL.replace("identity-privacy", "another")
    with pytest.raises(WrongPlace):
        provider().unwrap(wrapped, b"one")


@pytest.mark.parametrize("wrapped", [b"", b"x" * 60, b"vault:v1:", b"vault:v9:AAAA", b"vault:v1:\xff"])
def test_bytes_that_vault_never_made_are_refused(vault: Vault, wrapped: bytes) -> None:
    vault.instead = (400, b'{"errors": ["invalid ciphertext: could not decode"]}')
    with pytest.raises(WrongPlace):
        provider().unwrap(wrapped, b"one")


# --- What the operator is told ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((403, b'{"errors": ["permission denied"]}'), "renew the token"),
        ((404, b'{"errors": ["no handler for route"]}'), "no key transit/identity-privacy"),
        ((400, b'{"errors": ["encryption key not found"]}'), "no key transit/identity-privacy"),
        ((400, b'{"errors": ["version is disallowed by policy (too old)"]}'), "min_decryption_version"),
        ((400, b'{"errors": ["[0].associated_data provided for non-AEAD cipher suite"]}'), "aes256-gcm96"),
        ((400, b'{"errors": ["missing client token"]}'), "audit log"),
        ((307, b""), "active node"),
        ((500, b"<html>"), "did not answer as it should"),
        ((200, b"<html>"), "did not answer as it should"),
        ((200, b'{"data": {"plaintext": "***"}}'), "did not answer as it should"),
    ],
)
def test_what_vault_refuses_tells_the_operator_what_to_do_and_no_secret(vault: Vault, answer: Reply, told: str) -> None:
    wrapped = provider().wrap(KEY, b"one")
    vault.instead = answer
    attempts: list[Callable[[], bytes]] = [
        lambda: provider().wrap(KEY, b"one"),
        lambda: provider().unwrap(wrapped, b"one"),
    ]
    for attempt in attempts:
        with pytest.raises(RootKeyUnavailable, match=told) as refused:
            attempt()
        assert vault.token not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "told"), [((503, b'{"errors": ["Vault is sealed"]}'), "unseal"), ((429, b""), "busy")]
)
def test_what_time_may_heal_says_when_to_ask_again(vault: Vault, settings: Settings, answer: Reply, told: str) -> None:
    settings.ROOT_KEY_RETRY_SECONDS = 7
    vault.instead = answer
    with pytest.raises(RootKeyUnavailable, match=told) as refused:
        provider().wrap(KEY, b"one")
    assert refused.value.retry_after_seconds == 7


def test_no_token_is_named(vault: Vault, settings: Settings) -> None:
    settings.VAULT_TOKEN = ""
    with pytest.raises(RootKeyUnavailable, match="VAULT_TOKEN_FILE"):
        provider().wrap(KEY, b"one")
    settings.VAULT_TOKEN_FILE = "/nowhere/token"
    with pytest.raises(RootKeyUnavailable, match="agent"):
        provider().unwrap(b"vault:v1:AAAA", b"one")
    assert vault.asked == []


def test_a_token_that_the_agent_renewed_is_used_without_a_restart(
    vault: Vault, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("s.the-token\n")
    settings.VAULT_TOKEN, settings.VAULT_TOKEN_FILE = "", str(file)
    wrapped = provider().wrap(KEY, b"one")
    vault.token = "s.the-next"
    file.write_text("s.the-next\n")
    assert provider().unwrap(wrapped, b"one") == KEY


def test_a_namespace_is_named(vault: Vault, settings: Settings) -> None:
    settings.VAULT_NAMESPACE = "team/privacy"
    provider().wrap(KEY, b"one")
    assert vault.namespaces == {"team/privacy"}


# --- When it is down ------------------------------------------------------------------------------------


def test_a_vault_that_is_gone_is_named_and_then_left_alone(settings: Settings) -> None:
    settings.VAULT_TOKEN = "s.the-token"
    settings.ROOT_KEY_RETRY_SECONDS = 7
    with listening(Vault()) as port:
        pass
    settings.ROOT_KEY_URL = f"vault+http://127.0.0.1:{port}/transit/identity-privacy"
    with pytest.raises(RootKeyUnavailable, match=f"127.0.0.1:{port} cannot be reached") as refused:
        provider().wrap(KEY, b"one")
    assert refused.value.retry_after_seconds == 7


def test_callers_do_not_each_wait_for_a_vault_that_hangs(
    vault: Vault, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_provider, "TIMEOUT_SECONDS", 0.2)
    settings.ROOT_KEY_RETRY_SECONDS = 1
    wrapped = provider().wrap(KEY, b"one")
    vault.asked.clear()
    vault.delay_seconds = 0.5
    started = time.monotonic()
    for _ in range(20):
        with pytest.raises(RootKeyUnavailable):
            provider().unwrap(wrapped, b"one")
    assert time.monotonic() - started < 0.9
    assert len(vault.asked) == vault_provider.ATTEMPTS
    vault.delay_seconds = 0
    time.sleep(1)
    assert provider().unwrap(wrapped, b"one") == KEY


def test_a_vault_that_denies_one_thing_is_still_asked_for_others(vault: Vault) -> None:
    wrapped = provider().wrap(KEY, b"one")
    vault.instead = (403, b"{}")
    with pytest.raises(RootKeyUnavailable):
        provider().wrap(KEY, b"one")
    vault.instead = None
    assert provider().unwrap(wrapped, b"one") == KEY


# --- Transport --------------------------------------------------------------------------------------------


def test_vault_is_trusted_by_its_certificate_alone(vault: Vault, settings: Settings, tmp_path: Path) -> None:
    certificate = _certificate(tmp_path)
    settings.ROOT_KEY_RETRY_SECONDS = 0
    with listening(vault, certificate) as port:
        settings.ROOT_KEY_URL = f"vault+https://localhost:{port}/transit/identity-privacy"
        with pytest.raises(RootKeyUnavailable, match="VAULT_CACERT"):
            provider().wrap(KEY, b"one")
        assert vault.asked == []
        settings.VAULT_CACERT = str(certificate)
        assert provider().unwrap(provider().wrap(KEY, b"one"), b"one") == KEY
        settings.ROOT_KEY_URL = f"vault+https://127.0.0.1:{port}/transit/identity-privacy"
        with pytest.raises(RootKeyUnavailable, match="not trusted"):
            provider().wrap(KEY, b"one")


# --- A newer root key --------------------------------------------------------------------------------------


def test_what_an_older_version_wrapped_still_opens_but_not_as_the_newest(vault: Vault) -> None:
    old = provider().wrap(KEY, b"one")
    assert newest_only().unwrap(old, b"one") == KEY
    vault.make_key("identity-privacy")
    assert "AWS" not in begin_root_rotation()
    with pytest.raises(WrongPlace):
        newest_only().unwrap(old, b"one")
    new = provider().wrap(provider().unwrap(old, b"one"), b"one")
    assert newest_only().unwrap(new, b"one") == KEY
    vault.min_decryption_version = 2
    assert provider().unwrap(new, b"one") == KEY
    assert "Vault" in end_root_rotation(newest_only())


def test_everything_moves_from_a_file_to_vault_while_both_open(
    vault: Vault, settings: Settings, tmp_path: Path
) -> None:
    in_vault, in_file = settings.ROOT_KEY_URL, f"file://{tmp_path}/root-key.json"
    settings.ROOT_KEY_URL = in_file
    write_root_key(tmp_path / "root-key.json")
    old = provider().wrap(KEY, b"one")

    settings.ROOT_KEY_URL, settings.ROOT_KEY_PREVIOUS_URL = in_vault, in_file
    assert "moves to Vault" in begin_root_rotation()
    assert provider().unwrap(old, b"one") == KEY
    with pytest.raises(WrongPlace):
        newest_only().unwrap(old, b"one")
    new = provider().wrap(provider().unwrap(old, b"one"), b"one")
    assert new.startswith(b"vault:v1:")
    assert "unset" in end_root_rotation(newest_only())

    settings.ROOT_KEY_PREVIOUS_URL = ""
    assert provider().unwrap(new, b"one") == KEY
    assert newest_only().unwrap(new, b"one") == KEY


def test_what_might_be_the_key_before_waits_for_it_and_is_not_called_broken(
    vault: Vault, settings: Settings, tmp_path: Path
) -> None:
    wrapped = provider().wrap(KEY, b"one")
    settings.ROOT_KEY_PREVIOUS_URL = settings.ROOT_KEY_URL
    settings.ROOT_KEY_URL = f"file://{tmp_path}/root-key.json"
    write_root_key(tmp_path / "root-key.json")
    vault.instead = (503, b"{}")
    with pytest.raises(RootKeyUnavailable, match="unseal"):
        provider().unwrap(wrapped, b"one")


def _certificate(folder: Path) -> Path:
    """A certificate for `localhost`, its own authority, with its private key in the same file."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = clock.machine_now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    file = folder / "vault.pem"
    file.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file
