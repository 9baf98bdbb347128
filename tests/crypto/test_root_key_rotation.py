"""A root key gives way to a newer one, whatever dies on the way, and nothing is lost."""

import base64
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pytest_django import Settings

from identity_privacy.crypto.errors import RootKeyUnavailable, WrongPlace
from identity_privacy.crypto.providers import (
    begin_root_rotation,
    end_root_rotation,
    newest_only,
    provider,
    write_root_key,
)
from identity_privacy.crypto.providers.local import KeyFile

KEY = b"k" * 32


@pytest.fixture
def file(tmp_path: Path, settings: Settings) -> Path:
    path = tmp_path / "root-key.json"
    settings.ROOT_KEY_URL = f"file://{path}"
    write_root_key(path)
    return path


def keys_in(path: Path) -> list[str]:
    keys: list[str] = json.loads(path.read_text())["keys"]
    return keys


def test_a_file_holds_both_keys_until_everything_is_wrapped_anew(file: Path) -> None:
    old = provider().wrap(KEY, b"one")
    assert "A new root key" in begin_root_rotation()
    assert provider().unwrap(old, b"one") == KEY
    with pytest.raises(WrongPlace):
        newest_only().unwrap(old, b"one")
    new = provider().wrap(KEY, b"one")
    assert newest_only().unwrap(new, b"one") == KEY

    assert "Only the newest" in end_root_rotation(newest_only())
    assert provider().unwrap(new, b"one") == KEY
    with pytest.raises(WrongPlace):
        provider().unwrap(old, b"one")


def test_beginning_and_ending_twice_changes_nothing(file: Path) -> None:
    begin_root_rotation()
    begun = file.read_bytes()
    assert "already" in begin_root_rotation()
    assert file.read_bytes() == begun
    end_root_rotation(newest_only())
    ended = file.read_bytes()
    assert "Only one" in end_root_rotation(newest_only())
    assert file.read_bytes() == ended


def test_two_operators_who_rotate_at_once_make_one_new_key(file: Path) -> None:
    before = keys_in(file)
    with ThreadPoolExecutor(8) as operators:
        made = list(operators.map(lambda _: KeyFile(file).add_newest(), range(8)))
    assert made.count(True) == 1
    assert keys_in(file)[1:] == before


def test_two_who_set_up_at_once_make_one_root_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as operators:
        made = list(operators.map(lambda _: write_root_key(tmp_path / "root-key.json"), range(8)))
    assert made.count(True) == 1


def test_a_rotation_that_is_killed_at_any_line_leaves_a_file_that_opens_everything(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.crypto.kill_each_line", str(tmp_path)],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    lines = dict(line.split() for line in ran.stdout.splitlines())
    assert all(int(lines[change]) > 15 for change in ("create", "add_newest", "keep_newest")), lines


def test_a_file_of_an_earlier_release_is_read_and_rotated(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "root-key.json"
    before = base64.b64encode(os.urandom(32)).decode()
    path.write_text(json.dumps({"version": 1, "key": before}))
    settings.ROOT_KEY_URL = f"file://{path}"
    old = provider().wrap(KEY, b"one")
    begin_root_rotation()
    assert keys_in(path)[1:] == [before]
    assert provider().unwrap(old, b"one") == KEY


def test_a_rotated_file_is_readable_for_whom_it_was_and_stays_behind_its_link(
    tmp_path: Path, settings: Settings
) -> None:
    path, link = tmp_path / "kept" / "root-key.json", tmp_path / "link.json"
    write_root_key(path)
    path.chmod(0o640)
    link.symlink_to(path)
    settings.ROOT_KEY_URL = f"file://{link}"
    begin_root_rotation()
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert len(keys_in(path)) == 2
    assert [entry.name for entry in path.parent.iterdir()] == ["root-key.json"]


def test_a_file_that_cannot_be_written_is_named(settings: Settings) -> None:
    settings.ROOT_KEY_URL = "file:///proc/none/root-key.json"
    with pytest.raises(RootKeyUnavailable, match="cannot be written"):
        begin_root_rotation()


def test_a_key_in_the_environment_is_rotated_by_its_operator(settings: Settings) -> None:
    first, second = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    settings.ROOT_KEY_URL, settings.ROOT_KEY = "env://", first
    old = provider().wrap(KEY, b"one")
    with pytest.raises(RootKeyUnavailable, match="ROOT_KEY_PREVIOUS"):
        begin_root_rotation()
    settings.ROOT_KEY, settings.ROOT_KEY_PREVIOUS = second, first
    assert "ROOT_KEY_PREVIOUS" in begin_root_rotation()
    assert provider().unwrap(old, b"one") == KEY
    with pytest.raises(WrongPlace):
        newest_only().unwrap(old, b"one")
    assert "unset" in end_root_rotation(newest_only())


def test_everything_moves_from_the_environment_to_a_file(file: Path, settings: Settings) -> None:
    in_file = settings.ROOT_KEY_URL
    settings.ROOT_KEY_URL = "env://"
    old = provider().wrap(KEY, b"one")
    settings.ROOT_KEY_URL, settings.ROOT_KEY_PREVIOUS_URL = in_file, "env://"
    with pytest.raises(RootKeyUnavailable, match="ROOT_KEY_PREVIOUS"):
        provider()
    settings.ROOT_KEY_PREVIOUS = settings.ROOT_KEY
    assert provider().unwrap(old, b"one") == KEY
    present = file.read_bytes()
    begin_root_rotation()
    assert file.read_bytes() == present, "a move needs no new key"
