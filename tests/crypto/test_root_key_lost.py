"""A root key that is lost or another's does no harm: nothing is made under a wrong one."""

from pathlib import Path
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from identity_privacy.crypto.controller_keys import controller_key, forget_held_keys
from identity_privacy.crypto.errors import RootKeyUnavailable
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.models import ControllerKey
from identity_privacy.crypto.providers import write_root_key
from identity_privacy.crypto.terms import KeyKind

pytestmark = pytest.mark.django_db(databases=["default", "keys"])


@pytest.fixture
def another_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: object) -> Path:
    """A place for a root key that no key here hangs on."""
    controller_key(uuid4())
    path = tmp_path / "root-key.json"
    settings.ROOT_KEY_URL = f"file://{path}"  # type: ignore[attr-defined]  # pytest-django's fixture
    forget_held_keys()
    return path


@pytest.mark.usefixtures("another_root")
def test_no_new_root_key_is_made_while_keys_hang_on_one_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="restore it from its copy"):
        call_command("keys", "init")
    with pytest.raises(CommandError, match="restore it from its copy"):
        call_command("setup", verbosity=0)


def test_no_controllers_key_is_made_under_another_root_key(another_root: Path) -> None:
    write_root_key(another_root)
    before = ControllerKey.objects.count()
    with pytest.raises(RootKeyUnavailable, match="opens none"):
        create_data_key(kind=KeyKind.PROFILE, controller_id=uuid4(), owner_id=uuid4())
    assert ControllerKey.objects.count() == before
