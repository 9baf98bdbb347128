"""A root key in AWS KMS, over HTTP, against moto's server behind a gate that counts and can answer in its stead.

Moto knows neither throttling nor missing permissions, decrypts under a disabled key, and has a code of its own for the
wrong key: there the gate answers as AWS documents.
"""

import base64
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import run
from urllib.parse import quote
from uuid import uuid4

import boto3
import pytest
from django.test import override_settings
from pytest_django import Settings

from identity_privacy.crypto.errors import RootKeyUnavailable, WrongPlace
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.providers import (
    RootKeyProvider,
    aws,
    begin_root_rotation,
    end_root_rotation,
    misconfigured,
    newest_only,
    provider,
    write_root_key,
)
from identity_privacy.crypto.terms import KeyKind
from tests import servers
from tests.kms import Gate, listening

KEY = b"k" * 32
REGION = "eu-central-1"


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with servers.moto() as url:
        yield url


@pytest.fixture
def keys(moto: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two keys in KMS, and credentials that moto takes."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-tests")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    kms = boto3.session.Session().client("kms", region_name=REGION, endpoint_url=moto)
    return [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]


@pytest.fixture
def gate(moto: str, keys: list[str], settings: Settings) -> Iterator[Gate]:
    """What stands before KMS; the settings name the first key behind it."""
    stands = Gate(moto)
    with listening(stands) as port:
        settings.ROOT_KEY_URL = url_of(keys[0], port)
        yield stands
    aws._client.cache_clear()


def url_of(key: str, port: int) -> str:
    return f"awskms:///{key}?region={REGION}&endpoint={quote(f'http://127.0.0.1:{port}', safe='')}"


def refusal(code: str, status: int = 400) -> tuple[int, bytes]:
    return status, json.dumps({"__type": code, "message": "arn:aws:iam::1:role/secret-name is not welcome"}).encode()


# --- What is bound to what ----------------------------------------------------------------------------


def test_a_key_wrapped_by_kms_opens_again_and_only_as_what_it_is(gate: Gate) -> None:
    wrapped = provider().wrap(KEY, b"one \x00\xff")
    assert KEY not in wrapped
    assert provider().unwrap(wrapped, b"one \x00\xff") == KEY
    for other in (b"another", b""):
        with pytest.raises(WrongPlace):
            provider().unwrap(wrapped, other)
    with pytest.raises(WrongPlace):
        provider().unwrap(bytes([*wrapped[:-1], wrapped[-1] ^ 1]), b"one \x00\xff")


def test_a_wrong_key_is_refused(gate: Gate) -> None:
    wrapped = provider().wrap(KEY, b"one")
    gate.instead = refusal("IncorrectKeyException")
    with pytest.raises(WrongPlace):
        provider().unwrap(wrapped, b"one")


def test_the_key_is_named_so_that_kms_takes_no_other(gate: Gate, settings: Settings, keys: list[str]) -> None:
    wrapped = provider().wrap(KEY, b"one")
    settings.ROOT_KEY_URL = settings.ROOT_KEY_URL.replace(keys[0], keys[1])
    with pytest.raises((WrongPlace, RootKeyUnavailable)):
        provider().unwrap(wrapped, b"one")


# --- What the operator is told ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("DisabledException", "disabled"),
        ("KMSInvalidStateException", "disabled, deleted"),
        ("NotFoundException", "not there"),
        ("AccessDeniedException", "kms:Encrypt and kms:Decrypt"),
        ("ExpiredTokenException", "expired"),
        ("UnrecognizedClientException", "renew"),
        ("SomethingNewException", "SomethingNewException"),
    ],
)
def test_what_kms_refuses_tells_the_operator_what_to_do_and_no_secret(gate: Gate, code: str, told: str) -> None:
    wrapped = provider().wrap(KEY, b"one")
    gate.instead = refusal(code)
    attempts: list[Callable[[], bytes]] = [
        lambda: provider().wrap(KEY, b"one"),
        lambda: provider().unwrap(wrapped, b"one"),
    ]
    for attempt in attempts:
        with pytest.raises(RootKeyUnavailable, match=told) as refused:
            attempt()
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize("code", ["ThrottlingException", "KMSInternalException", "DependencyTimeoutException"])
def test_a_busy_kms_is_tried_twice_and_then_left_alone_for_a_while(gate: Gate, settings: Settings, code: str) -> None:
    settings.ROOT_KEY_RETRY_SECONDS = 7
    gate.instead = refusal(code, 400 if code == "ThrottlingException" else 500)
    for _ in range(5):
        with pytest.raises(RootKeyUnavailable, match="busy") as refused:
            provider().wrap(KEY, b"one")
        assert refused.value.retry_after_seconds == 7
    assert gate.asked == ["TrentService.Encrypt"] * aws.ATTEMPTS


def test_a_kms_that_hangs_or_is_gone_is_named_in_seconds(
    gate: Gate, settings: Settings, monkeypatch: pytest.MonkeyPatch, keys: list[str]
) -> None:
    monkeypatch.setattr(aws, "READ_SECONDS", 0.3)
    gate.delay_seconds = 1
    started = time.monotonic()
    with pytest.raises(RootKeyUnavailable, match="cannot be reached") as refused:
        provider().wrap(KEY, b"one")
    assert time.monotonic() - started < 4
    assert refused.value.retry_after_seconds == settings.ROOT_KEY_RETRY_SECONDS
    with listening(Gate("")) as port:
        pass
    settings.ROOT_KEY_URL = url_of(keys[0], port)
    with pytest.raises(RootKeyUnavailable, match="cannot be reached"):
        provider().wrap(KEY, b"one")


def test_credentials_that_come_late_are_found_without_a_restart(
    gate: Gate, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings.ROOT_KEY_RETRY_SECONDS = 0
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(RootKeyUnavailable, match="credentials are missing"):
        provider().wrap(KEY, b"one")
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id=test\naws_secret_access_key=test\n")
    assert provider().unwrap(provider().wrap(KEY, b"one"), b"one") == KEY


def test_no_key_is_logged_however_much_is(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert provider().unwrap(provider().wrap(KEY, b"one"), b"one") == KEY
    assert "POST" in caplog.text, "connections are logged"
    for secret in (KEY.decode(), base64.b64encode(KEY).decode(), "a-secret-of-the-tests"):
        assert secret not in caplog.text


def test_no_region_is_named(gate: Gate, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    settings.ROOT_KEY_URL = "awskms:///alias/identity-privacy"
    with pytest.raises(RootKeyUnavailable, match=r"\?region="):
        provider().wrap(KEY, b"one")


def test_without_boto3_the_extra_is_named_at_the_start(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    assert misconfigured() == ""
    monkeypatch.setattr(aws, "boto3", None)
    assert misconfigured() == "ROOT_KEY_URL: AWS KMS needs boto3: pip install identity-privacy[aws]"
    with pytest.raises(RootKeyUnavailable, match=r"identity-privacy\[aws\]"):
        provider()


def test_a_service_with_its_key_in_a_file_does_not_load_boto3() -> None:
    loads = (
        "import sys; from identity_privacy.crypto.providers import provider; provider(); print('boto3' in sys.modules)"
    )
    ran = run(
        [sys.executable, "-c", loads],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "False"


# --- Processes and threads --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_kms_is_asked_once_per_controller_and_never_once_per_person(gate: Gate) -> None:
    controllers = [uuid4(), uuid4()]
    for _ in range(20):
        for controller in controllers:
            create_data_key(kind=KeyKind.PROFILE, controller_id=controller, owner_id=uuid4())
    # Before the second controller's key is made, the first shows that the root key is still the same.
    assert sorted(gate.asked) == ["TrentService.Decrypt"] * 3 + ["TrentService.Encrypt"] * 2


@pytest.mark.django_db
def test_work_goes_on_with_the_key_that_is_held_until_its_time_is_over(gate: Gate) -> None:
    controller = uuid4()
    with override_settings(KEK_HOLD_SECONDS=1):
        create_data_key(kind=KeyKind.PROFILE, controller_id=controller, owner_id=uuid4())
        gate.instead = refusal("KMSInternalException", 500)
        create_data_key(kind=KeyKind.PROFILE, controller_id=controller, owner_id=uuid4())
        time.sleep(1.1)
        with pytest.raises(RootKeyUnavailable, match="busy"):
            create_data_key(kind=KeyKind.PROFILE, controller_id=controller, owner_id=uuid4())


def test_threads_share_one_client_and_a_fork_makes_its_own(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    root = provider()
    with ThreadPoolExecutor(8) as threads:
        opened = list(threads.map(lambda name: _round_trip(root, name), range(32)))
    assert opened == [KEY] * 32
    clients = aws._client.cache_info().currsize
    assert _round_trip(root, 1) == KEY
    assert aws._client.cache_info().currsize == clients
    monkeypatch.setattr(os, "getpid", lambda: 1)  # as in a child
    assert _round_trip(root, 1) == KEY
    assert aws._client.cache_info().currsize == clients + 1


def _round_trip(root: RootKeyProvider, name: int) -> bytes:
    return root.unwrap(root.wrap(KEY, str(name).encode()), str(name).encode())


# --- A newer root key --------------------------------------------------------------------------------------


def test_everything_moves_from_a_file_to_kms_and_from_one_key_to_another(
    gate: Gate, settings: Settings, keys: list[str], tmp_path: Path
) -> None:
    in_kms, in_file = settings.ROOT_KEY_URL, f"file://{tmp_path}/root-key.json"
    write_root_key(tmp_path / "root-key.json")
    settings.ROOT_KEY_URL = in_file
    wrapped = provider().wrap(KEY, b"one")
    for here, before in ((in_kms, in_file), (in_kms.replace(keys[0], keys[1]), in_kms)):
        settings.ROOT_KEY_URL, settings.ROOT_KEY_PREVIOUS_URL = here, before
        assert "moves to AWS KMS" in begin_root_rotation()
        with pytest.raises((WrongPlace, RootKeyUnavailable)):
            newest_only().unwrap(wrapped, b"one")
        wrapped = provider().wrap(provider().unwrap(wrapped, b"one"), b"one")
        assert newest_only().unwrap(wrapped, b"one") == KEY
        assert "unset" in end_root_rotation(newest_only())
    settings.ROOT_KEY_PREVIOUS_URL = ""
    assert provider().unwrap(wrapped, b"one") == KEY
    assert "itself" in begin_root_rotation()
