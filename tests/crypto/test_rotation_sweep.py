"""Keys that nothing was ever sealed under are swept; a key that anybody uses never is."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from identity_privacy import clock
from identity_privacy.access.models import Controller
from identity_privacy.crypto import files, sweeping
from identity_privacy.crypto.errors import KeyDestroyed
from identity_privacy.crypto.files import SealedFile
from identity_privacy.crypto.keys import controller_secrets_key, create_data_key
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.sweeping import plan_sweep, sweep_orphans
from identity_privacy.crypto.tasks import sweep
from identity_privacy.crypto.terms import KeyKind
from profiles.models import Profile
from tests.crypto.rotated import every_value, make_people
from tests.factories import make_controller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lindwerk() -> Controller:
    return make_controller()


def make_orphan(controller: Controller) -> UUID:
    return create_data_key(kind=KeyKind.PROFILE, controller_id=controller.id, owner_id=uuid4())


def a_day_passes() -> None:
    DataKey.objects.update(created_at=clock.now() - timedelta(hours=25))


def test_only_what_nothing_is_under_is_swept(lindwerk: Controller) -> None:
    make_people(lindwerk)
    secrets = controller_secrets_key(lindwerk.id)
    orphan = make_orphan(lindwerk)
    a_day_passes()
    fresh = make_orphan(lindwerk)
    assert plan_sweep().total == 1
    assert DataKey.objects.filter(id=orphan, retired_at=None).exists(), "the dry run changes nothing"
    sweep()
    assert not DataKey.objects.filter(id=orphan).exists()
    assert DataKey.objects.filter(id__in=[fresh, secrets]).count() == 2
    assert every_value()
    assert sweep_orphans(patience=1).count == 0


def test_a_key_that_comes_into_use_at_the_last_moment_stays(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    orphan = make_orphan(lindwerk)
    a_day_passes()

    def a_writer_ends(seconds: float) -> None:
        Profile.objects.create(controller=lindwerk, data_key_id=orphan, created_at=clock.now())

    monkeypatch.setattr(sweeping, "wait_for_writers", a_writer_ends)
    assert sweep_orphans(patience=1).count == 0
    assert DataKey.objects.filter(id=orphan, retired_at=None).exists()


def test_nobody_begins_to_write_under_a_key_that_is_about_to_be_swept(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    (person,) = make_people(lindwerk, 1)
    orphan = make_orphan(lindwerk)
    a_day_passes()
    refused = []

    def a_writer_begins(seconds: float) -> None:
        profile = Profile.objects.get(id=person)
        row = profile.attributes.first()
        assert row is not None
        row.id, row.data_key_id, row.value = uuid4(), orphan, "late"
        with pytest.raises(KeyDestroyed):
            row.save(force_insert=True)
        refused.append(row.id)

    monkeypatch.setattr(sweeping, "wait_for_writers", a_writer_begins)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("identity_privacy.crypto.fields.indexes.closed_fields", lambda row: [])
        assert sweep_orphans(patience=1).count == 1
    assert refused


@pytest.fixture
def file_of(tmp_path: Path) -> Iterator[list[SealedFile]]:
    kept: list[SealedFile] = []

    def of(key_ids: object) -> list[SealedFile]:
        return kept

    files.register_files("test.file", of)
    yield kept
    del files._files["test.file"]


def test_the_key_of_a_file_is_in_use(lindwerk: Controller, tmp_path: Path, file_of: list[SealedFile]) -> None:
    orphan = make_orphan(lindwerk)
    a_day_passes()
    file_of.append(SealedFile(path=tmp_path / "file", place="test.file", row_id=uuid4(), key_id=orphan))
    assert sweep_orphans(patience=1).count == 0
    assert DataKey.objects.filter(id=orphan).exists()


def test_a_sweep_that_died_is_ended_by_the_next(lindwerk: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    orphan = make_orphan(lindwerk)
    a_day_passes()

    def die(seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sweeping, "wait_for_writers", die)
        with pytest.raises(KeyboardInterrupt):
            sweep_orphans(patience=1)
    assert DataKey.objects.exclude(retired_at=None).count() == 1
    Profile.objects.create(controller=lindwerk, data_key_id=orphan, created_at=clock.now())
    assert sweep_orphans(patience=1).count == 0
    assert DataKey.objects.filter(id=orphan, retired_at=None).exists()
