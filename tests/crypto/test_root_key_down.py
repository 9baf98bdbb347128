"""While the root key cannot be had, work goes on with what is held; then it stops, clearly, and nothing is written."""

import time
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from pytest_django import Settings

from identity_privacy.crypto.errors import RootKeyUnavailable
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.models import ControllerKey, DataKey
from identity_privacy.crypto.signing import private_key, sign
from identity_privacy.crypto.terms import KeyKind, SigningUse
from tests.kms import Vault, listening

pytestmark = pytest.mark.django_db


@pytest.fixture
def vault(settings: Settings) -> Iterator[Vault]:
    stand_in = Vault()
    stand_in.make_key("identity-privacy")
    with listening(stand_in) as port:
        settings.ROOT_KEY_URL = f"vault+http://127.0.0.1:{port}/transit/identity-privacy"
        settings.VAULT_TOKEN = stand_in.token
        yield stand_in


def a_key(controller_id: UUID) -> UUID:
    return create_data_key(kind=KeyKind.PROFILE, controller_id=controller_id, owner_id=uuid4())


def test_a_process_asks_once_per_controller_and_never_once_per_person(vault: Vault) -> None:
    one, another = uuid4(), uuid4()
    for _ in range(20):
        a_key(one)
        a_key(another)
    # Each controller's key is wrapped at its first use and unwrapped once to be held; before the second is made, the
    # first shows that the root key is still the same.
    assert sorted(path.rsplit("/", 2)[1] for path in vault.asked) == ["decrypt"] * 3 + ["encrypt"] * 2


def test_a_process_asks_once_for_all_that_it_signs(vault: Vault) -> None:
    for _ in range(5):
        sign(SigningUse.CHECKPOINT, b"signed")
        private_key(SigningUse.CHECKPOINT)
    assert [path.rsplit("/", 2)[1] for path in vault.asked] == ["encrypt", "decrypt"]


def test_work_goes_on_with_the_key_that_is_held_until_its_time_is_over(vault: Vault, settings: Settings) -> None:
    settings.KEK_HOLD_SECONDS = 1
    controller = uuid4()
    a_key(controller)
    vault.instead = (503, b'{"errors": ["Vault is sealed"]}')
    a_key(controller)
    written = DataKey.objects.count()
    time.sleep(1.1)
    with pytest.raises(RootKeyUnavailable, match="unseal") as refused:
        a_key(controller)
    assert refused.value.retry_after_seconds == settings.ROOT_KEY_RETRY_SECONDS
    assert DataKey.objects.count() == written


def test_a_controller_whose_key_cannot_be_wrapped_gets_none(vault: Vault) -> None:
    vault.instead = (403, b"{}")
    controller = uuid4()
    with pytest.raises(RootKeyUnavailable):
        a_key(controller)
    assert not ControllerKey.objects.filter(controller_id=controller).exists()


def test_when_it_is_back_work_goes_on_by_itself(vault: Vault, settings: Settings) -> None:
    settings.ROOT_KEY_RETRY_SECONDS = 0
    vault.instead = (503, b"{}")
    controller = uuid4()
    with pytest.raises(RootKeyUnavailable):
        a_key(controller)
    vault.instead = None
    assert DataKey.objects.filter(id=a_key(controller)).exists()
