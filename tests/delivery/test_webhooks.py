"""What we sign, the official package verifies; what we verify is only what was signed, lately, by a known key."""

import base64
import doctest
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from identity_privacy import clock
from identity_privacy.delivery import rules, webhooks
from identity_privacy.delivery.errors import UnreadableSecret, UnverifiedWebhook
from identity_privacy.delivery.terms import SignatureKind

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECRET, OTHER = webhooks.new_secret(), webhooks.new_secret()
PRIVATE = webhooks.new_private_key()
PUBLIC = webhooks.public_half(PRIVATE)
BODY = '{"type":"task.erase","name":"Zoë"}'.encode()


def signed(*, at: datetime = NOW, body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> dict[str, str]:
    return webhooks.sign(message_id="msg_1", timestamp=int(at.timestamp()), body=body, secrets=secrets)


def verified(headers: dict[str, str], *, body: bytes = BODY, secrets: tuple[str, ...] = (SECRET,)) -> SignatureKind:
    return webhooks.verify(headers=headers, body=body, now=NOW, secrets=secrets, public_keys=[PUBLIC]).kind


def test_the_official_package_verifies_what_we_sign() -> None:
    headers = signed(at=clock.machine_now())

    assert Webhook(SECRET).verify(BODY, headers) == {"type": "task.erase", "name": "Zoë"}


def test_we_verify_what_the_official_package_signs() -> None:
    at = NOW.replace(tzinfo=None)
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(NOW.timestamp())),
        "Webhook-Signature": Webhook(SECRET).sign("msg_1", at, BODY.decode()),
    }

    assert verified(headers) == SignatureKind.HMAC


def test_an_ed25519_signature_is_over_id_timestamp_and_body_and_needs_no_shared_secret() -> None:
    private = webhooks.read_private_key(PRIVATE)
    headers = webhooks.sign(message_id="msg_1", timestamp=int(NOW.timestamp()), body=BODY, ed25519=private.sign)

    version, _, encoded = headers["webhook-signature"].partition(",")
    Ed25519PublicKey.from_public_bytes(base64.b64decode(PUBLIC.removeprefix("whpk_"))).verify(
        base64.b64decode(encoded), b"msg_1." + headers["webhook-timestamp"].encode() + b"." + BODY
    )
    assert version == "v1a"
    assert verified(headers, secrets=()) == SignatureKind.ED25519


def test_while_a_secret_is_replaced_both_the_old_and_the_new_one_verify() -> None:
    headers = signed(secrets=(SECRET, OTHER))

    assert verified(headers, secrets=(SECRET,)) == verified(headers, secrets=(OTHER,)) == SignatureKind.HMAC


def test_the_strongest_signature_that_holds_is_reported() -> None:
    private = webhooks.read_private_key(PRIVATE)
    headers = webhooks.sign(
        message_id="msg_1", timestamp=int(NOW.timestamp()), body=BODY, secrets=[SECRET], ed25519=private.sign
    )

    assert verified(headers) == SignatureKind.ED25519


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_old_message_and_one_from_the_future_are_refused(seconds: int) -> None:
    with pytest.raises(UnverifiedWebhook):
        verified(signed(at=NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize("change", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_refused(change: str) -> None:
    headers = signed()
    del headers[change]

    with pytest.raises(UnverifiedWebhook):
        verified(headers)


def test_a_changed_body_another_secret_and_another_id_are_refused() -> None:
    with pytest.raises(UnverifiedWebhook):
        verified(signed(), body=BODY + b" ")
    with pytest.raises(UnverifiedWebhook):
        verified(signed(secrets=(OTHER,)))
    with pytest.raises(UnverifiedWebhook):
        verified({**signed(), "webhook-id": "msg_2"})


@given(
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature", "Webhook-Signature"]),
        st.text()
        | st.just(str(int(NOW.timestamp())))
        | st.builds("v1,{} v1a,{}".format, st.text(), st.text())
        | st.builds(lambda noise: "v1a," + base64.b64encode(noise).decode(), st.binary(max_size=80)),
    ),
    st.binary(max_size=64),
)
def test_noise_is_refused_by_our_own_error_alone(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(UnverifiedWebhook):
        verified(headers, body=body)


@given(st.text() | st.builds("whsec_{}".format, st.text()) | st.builds("whpk_{}".format, st.text()))
def test_a_key_that_is_none_is_refused_by_our_own_error_alone(text: str) -> None:
    for read in (webhooks.read_private_key, webhooks.read_public_key):
        with pytest.raises(UnreadableSecret):
            read(text)
    with pytest.raises(UnreadableSecret):
        signed(secrets=(text,))


@pytest.mark.parametrize("module", [webhooks, rules])
def test_the_worked_examples_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]  # a module
