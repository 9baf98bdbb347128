"""A data key gets new material, every value of it is sealed anew, and the old material is gone."""

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.db import connections, transaction

from identity_privacy.access.models import Controller
from identity_privacy.audit.models import Entry
from identity_privacy.crypto import files
from identity_privacy.crypto.errors import WritersStillRun
from identity_privacy.crypto.fields import Sealed
from identity_privacy.crypto.files import SealedFile, SealedWriter, open_file
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.rotation import Outcome, Whose, data_keys, plan_dek, rotate_dek
from identity_privacy.crypto.terms import KeyKind
from profiles.models import Attribute
from tests.crypto.rotated import every_value, half_done, make_people, own_bytes, raw_values, reading
from tests.factories import make_controller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lindwerk() -> Controller:
    return make_controller()


def rotate(whose: Whose, *, resume: bool = False) -> Outcome:
    return rotate_dek(whose, resume=resume, patience=1)


def test_every_value_is_sealed_anew_under_new_material(lindwerk: Controller) -> None:
    make_people(lindwerk)
    values, raw, before, ids = (
        every_value(),
        raw_values(),
        own_bytes(),
        set(DataKey.objects.values_list("id", flat=True)),
    )
    outcome = rotate(Whose(controller_id=lindwerk.id))
    assert outcome.count == len(ids) == len(before)
    assert every_value() == values
    assert set(DataKey.objects.values_list("id", flat=True)) == ids, "a key keeps its id"
    assert not set(own_bytes().values()) & set(before.values())
    now = raw_values()
    assert now.keys() == raw.keys()
    assert all(now[place] != raw[place] for place in raw)
    assert half_done() == []


def test_one_persons_rotation_leaves_the_others_alone(lindwerk: Controller) -> None:
    alice, bob = make_people(lindwerk, 2)
    before = own_bytes()
    rotate(Whose(subject_id=alice))
    changed = {key_id for key_id, own in own_bytes().items() if before[key_id] != own}
    assert set(DataKey.objects.filter(id__in=changed).values_list("subject_id", flat=True)) == {alice}
    assert changed
    rotate(Whose(owner_id=bob))
    assert half_done() == []


def test_a_key_in_the_middle_of_its_rotation_reads_old_and_new_values_alike(lindwerk: Controller) -> None:
    (alice,) = make_people(lindwerk, 1)
    values = every_value()
    begin(alice)
    assert every_value() == values
    row = Attribute.objects.filter(profile_id=alice).first()
    assert row is not None
    row.value = "new"
    row.save()
    values["profiles.attribute.value", row.id] = "new"
    assert every_value() == values
    rotate(Whose(subject_id=alice))
    assert every_value() == values
    assert half_done() == []


def begin(subject_id: UUID) -> None:
    """As a rotation that died right after it had begun."""
    data_keys._begin(list(DataKey.objects.filter(subject_id=subject_id).values_list("id", flat=True)))


def test_it_goes_on_where_it_was_interrupted(lindwerk: Controller) -> None:
    people = make_people(lindwerk, 3)
    keys = {row.subject_id: row.id for row in DataKey.objects.filter(kind=KeyKind.PROFILE)}
    begin(people[1])
    before = own_bytes()
    everything = Whose(controller_id=lindwerk.id)
    assert plan_dek(everything, resume=True).total == plan_dek(everything).total - 1
    rotate(everything, resume=True)
    after = own_bytes()
    assert after[keys[people[0]]] == before[keys[people[0]]], "the first was done already"
    assert after[keys[people[1]]] == before[keys[people[1]]], "the second was begun, and is finished"
    assert after[keys[people[2]]] != before[keys[people[2]]]
    assert half_done() == []


def test_without_resume_nobody_is_passed_over(lindwerk: Controller) -> None:
    people = make_people(lindwerk, 3)
    before = own_bytes()
    begin(people[1])
    rotate(Whose(controller_id=lindwerk.id))
    assert not set(own_bytes().values()) & set(before.values())
    assert half_done() == []


def test_the_dry_run_counts_and_changes_nothing(lindwerk: Controller) -> None:
    make_people(lindwerk, 2)
    before = own_bytes()
    assert plan_dek(Whose.everybody()).total == len(before)
    assert own_bytes() == before


def test_a_value_that_opens_under_nothing_is_named_and_stops_nobody_else(lindwerk: Controller) -> None:
    alice, bob = make_people(lindwerk, 2)
    row = Attribute.objects.filter(profile_id=alice).values_list("id", "value").first()
    assert row is not None
    spoilt = row[1].sealed[:-1] + bytes([row[1].sealed[-1] ^ 1])
    Attribute._base_manager.filter(id=row[0]).update(value=Sealed(spoilt))
    outcome = rotate(Whose(controller_id=lindwerk.id))
    (bad,) = outcome.unreadable
    assert (bad.place, bad.row_id) == ("profiles.attribute.value", row[0])
    assert set(DataKey.objects.exclude(previous=None).values_list("id", flat=True)) == {bad.key_id}
    assert DataKey.objects.get(id=bad.key_id).subject_id == alice
    assert Entry.objects.get(action="keys.data_key_rotation_unfinished").details["unreadable"] == 1
    Attribute.objects.filter(id=row[0]).delete()
    assert not rotate(Whose(subject_id=alice)).unreadable
    assert half_done() == []
    assert DataKey.objects.filter(subject_id=bob).exists()


def test_a_key_that_is_destroyed_in_the_middle_stops_nobody_else(
    lindwerk: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = make_people(lindwerk, 2)
    finish = data_keys._finish

    def erased_meanwhile(ids: list[UUID], patience: float) -> object:
        DataKey.objects.filter(subject_id=alice).delete()
        return finish(ids, patience)

    monkeypatch.setattr(data_keys, "_finish", erased_meanwhile)
    outcome = rotate(Whose(controller_id=lindwerk.id))
    assert not outcome.unreadable
    assert half_done() == []
    assert not DataKey.objects.filter(subject_id=alice).exists()
    assert DataKey.objects.filter(subject_id=bob).exists()


@pytest.fixture
def packages(tmp_path: Path) -> Iterator[list[SealedFile]]:
    kept: list[SealedFile] = []

    def of(key_ids: object) -> list[SealedFile]:
        assert isinstance(key_ids, list)
        return [file for file in kept if file.key_id in key_ids]

    files.register_files("test.file", of)
    yield kept
    del files._files["test.file"]


def test_files_are_sealed_anew_too(tmp_path: Path, packages: list[SealedFile]) -> None:
    owner = uuid4()
    key_id = create_data_key(kind=KeyKind.REQUEST, controller_id=uuid4(), owner_id=owner)
    content = bytes(range(256)) * 1_000
    file = SealedFile(path=tmp_path / "package", place="test.file", row_id=uuid4(), key_id=key_id)
    with SealedWriter(file.path, place=file.place, row_id=file.row_id, key_id=key_id) as writer:
        writer.write(content)
    gone = SealedFile(path=tmp_path / "gone", place="test.file", row_id=uuid4(), key_id=key_id)
    packages += [file, gone]
    before = file.path.read_bytes()
    outcome = rotate(Whose(owner_id=owner))
    assert not outcome.unreadable
    assert file.path.read_bytes() != before
    with reading():
        opened = open_file(file.path, place=file.place, row_id=file.row_id, key_id=key_id)
        assert b"".join(opened) == content
    assert [path.name for path in tmp_path.iterdir()] == ["package"]
    assert half_done() == []


def test_a_file_that_somebody_is_about_to_read_reads(tmp_path: Path, packages: list[SealedFile]) -> None:
    owner = uuid4()
    key_id = create_data_key(kind=KeyKind.REQUEST, controller_id=uuid4(), owner_id=owner)
    file = SealedFile(path=tmp_path / "package", place="test.file", row_id=uuid4(), key_id=key_id)
    with SealedWriter(file.path, place=file.place, row_id=file.row_id, key_id=key_id) as writer:
        writer.write(b"content")
    packages.append(file)
    with reading():
        opened = open_file(file.path, place=file.place, row_id=file.row_id, key_id=key_id)
        rotate(Whose(owner_id=owner))
        assert b"".join(opened) == b"content"


def test_a_file_that_was_changed_keeps_its_keys_old_material(tmp_path: Path, packages: list[SealedFile]) -> None:
    owner = uuid4()
    key_id = create_data_key(kind=KeyKind.REQUEST, controller_id=uuid4(), owner_id=owner)
    file = SealedFile(path=tmp_path / "package", place="test.file", row_id=uuid4(), key_id=key_id)
    with SealedWriter(file.path, place=file.place, row_id=file.row_id, key_id=key_id) as writer:
        writer.write(b"content")
    packages.append(file)
    whole = file.path.read_bytes()
    file.path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    (bad,) = rotate(Whose(owner_id=owner)).unreadable
    assert (bad.place, bad.row_id) == ("test.file", file.row_id)
    file.path.write_bytes(whole)
    assert not rotate(Whose(owner_id=owner)).unreadable
    assert half_done() == []


@pytest.mark.only_on("postgresql")
def test_a_long_transaction_holds_it_back_and_it_finishes_afterwards(lindwerk: Controller) -> None:
    (alice,) = make_people(lindwerk, 1)
    values, may_end, has_begun = every_value(), threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            row = Attribute.objects.select_for_update().filter(profile_id=alice).first()
            assert row is not None
            row.value = "sealed under the old material"
            row.save()
            values["profiles.attribute.value", row.id] = row.value
            has_begun.set()
            may_end.wait(10)
        connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    assert has_begun.wait(10)
    with pytest.raises(WritersStillRun):
        rotate_dek(Whose(subject_id=alice), patience=0.1)
    assert DataKey.objects.exclude(previous=None).exists(), "the old material waits"
    may_end.set()
    writer.join()
    assert every_value() == values
    rotate(Whose(subject_id=alice))
    assert every_value() == values
    assert half_done() == []
