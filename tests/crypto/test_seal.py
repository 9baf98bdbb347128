"""A sealed value opens only where it was put, unchanged, under its own key."""

import os
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from identity_privacy.crypto.errors import UnreadableSeal, WrongPlace
from identity_privacy.crypto.seal import OVERHEAD_BYTES, associated_data, open_sealed, seal

PLACE, ROW, KEY = "profiles.attribute.value", UUID(int=1), UUID(int=2)
HERE = associated_data(PLACE, ROW, KEY)


@given(st.text() | st.just("ä" * 1_000))
def test_every_text_comes_back_as_it_went_in(text: str) -> None:
    cipher = AESGCM(bytes(32))
    assert open_sealed(cipher, seal(cipher, text.encode(), HERE), HERE).decode() == text


@given(st.binary(max_size=200), st.data())
def test_any_flipped_bit_is_found(plaintext: bytes, data: st.DataObject) -> None:
    cipher = AESGCM(bytes(32))
    sealed = bytearray(seal(cipher, plaintext, HERE))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises((WrongPlace, UnreadableSeal)):
        open_sealed(cipher, bytes(sealed), HERE)


@given(st.binary(max_size=200), st.data())
def test_a_cut_value_is_found(plaintext: bytes, data: st.DataObject) -> None:
    cipher = AESGCM(bytes(32))
    sealed = seal(cipher, plaintext, HERE)
    length = data.draw(st.integers(0, len(sealed) - 1))
    with pytest.raises((WrongPlace, UnreadableSeal)):
        open_sealed(cipher, sealed[:length], HERE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        associated_data("profiles.identifier.value", ROW, KEY),
        associated_data(PLACE, UUID(int=3), KEY),
        associated_data(PLACE, ROW, UUID(int=3)),
    ],
    ids=["another column", "another row", "another key's name"],
)
def test_a_value_copied_elsewhere_does_not_open(elsewhere: bytes) -> None:
    cipher = AESGCM(bytes(32))
    with pytest.raises(WrongPlace):
        open_sealed(cipher, seal(cipher, b"Alice", HERE), elsewhere)


def test_a_value_does_not_open_under_another_key() -> None:
    with pytest.raises(WrongPlace):
        open_sealed(AESGCM(bytes([1] * 32)), seal(AESGCM(bytes(32)), b"Alice", HERE), HERE)


def test_nonces_do_not_repeat() -> None:
    cipher = AESGCM(os.urandom(32))
    nonces = {seal(cipher, b"", HERE)[1:13] for _ in range(50_000)}
    assert len(nonces) == 50_000


def test_a_value_costs_29_bytes() -> None:
    assert len(seal(AESGCM(bytes(32)), b"", HERE)) == OVERHEAD_BYTES == 29


@pytest.mark.parametrize(
    ("key", "nonce", "plaintext", "associated", "sealed"),
    [
        # NIST CAVP gcmEncryptExtIV256.rsp, [PTlen = 128, AADlen = 128], count 0.
        (
            "92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b",
            "ac93a1a6145299bde902f21a",
            "2d71bcfa914e4ac045b2aa60955fad24",
            "1e0889016f67601c8ebea4943bc23ad6",
            "8995ae2e6df3dbf96fac7b7137bae67feca5aa77d51d4a0a14d9c51e1da474ab",
        ),
        # The same file, [PTlen = 0, AADlen = 0], count 0.
        (
            "b52c505a37d78eda5dd34f20c22540ea1b58963cf8e5bf8ffa85f9f2492505b4",
            "516c33929df5a3284ff463d7",
            "",
            "",
            "bdc1ac884d332457a1d2664f168c76f0",
        ),
    ],
)
def test_nist_vectors(key: str, nonce: str, plaintext: str, associated: str, sealed: str) -> None:
    cipher = AESGCM(bytes.fromhex(key))
    made = cipher.encrypt(bytes.fromhex(nonce), bytes.fromhex(plaintext), bytes.fromhex(associated))
    assert made.hex() == sealed
    opened = open_sealed(cipher, b"\x01" + bytes.fromhex(nonce) + made, bytes.fromhex(associated))
    assert opened.hex() == plaintext
