"""The root key is made once, readable by its owner alone, and a wrong one is named."""

import json
import stat
from pathlib import Path

import pytest
from pytest_django import Settings

from identity_privacy.crypto.errors import RootKeyUnavailable, WrongPlace
from identity_privacy.crypto.providers import LocalRootKey, provider, write_root_key


def test_a_root_key_is_made_once_and_for_the_owner_alone(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "keys" / "root-key.json"
    settings.ROOT_KEY_URL = f"file://{path}"
    assert write_root_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    wrapped = provider().wrap(b"k" * 32, b"what it is")
    assert not write_root_key(path)
    assert provider().unwrap(wrapped, b"what it is") == b"k" * 32


def test_a_wrapped_key_is_bound_to_what_it_is() -> None:
    root = LocalRootKey(bytes(32))
    with pytest.raises(WrongPlace):
        root.unwrap(root.wrap(b"k" * 32, b"one"), b"another")


@pytest.mark.parametrize("content", ["", "{}", "[]", json.dumps({"key": "c2hvcnQ="}), json.dumps({"key": 7})])
def test_a_broken_root_key_is_named_without_being_shown(tmp_path: Path, settings: Settings, content: str) -> None:
    path = tmp_path / "root-key.json"
    path.write_text(content)
    settings.ROOT_KEY_URL = f"file://{path}"
    with pytest.raises(RootKeyUnavailable, match=r"root-key\.json") as refused:
        provider()
    assert "c2hvcnQ" not in str(refused.value)


def test_a_missing_root_key_says_what_to_do(tmp_path: Path, settings: Settings) -> None:
    settings.ROOT_KEY_URL = f"file://{tmp_path}/none.json"
    with pytest.raises(RootKeyUnavailable, match="keys init"):
        provider()


def test_an_unknown_provider_is_named(settings: Settings) -> None:
    settings.ROOT_KEY_URL = "gopher://key"
    with pytest.raises(RootKeyUnavailable, match="ROOT_KEY_URL"):
        provider()
