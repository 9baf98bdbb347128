"""An entry commits to a value without telling it; rotation changes nothing in that, erasure ends it."""

import doctest
import io
import threading
from base64 import b64decode
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from dsar.services import carry_out, fulfil_due
from dsar.services.fulfilment import what_is_left
from dsar.terms import RequestKind
from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit import services
from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.models import Entry
from identity_privacy.audit.verification import verify_log
from identity_privacy.crypto import commitments
from identity_privacy.crypto.commitments import commit, is_committed
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.rotation import rotate_dek, rotate_kek
from identity_privacy.crypto.rotation.data_keys import Whose
from identity_privacy.crypto.sweeping import sweep_orphans
from identity_privacy.crypto.terms import KeyKind
from tests.cast import Cast
from tests.cast import enter as on_stage
from tests.factories import make_request

EMAIL = "alice@example.org"  # as `make_request` gives it
AUDITOR = Actor.service("test")


@pytest.fixture
def cast(db: None) -> Cast:
    return on_stage()


def submitted(cast: Cast, subject_id: UUID | None = None) -> Entry:
    make_request(cast.lindwerk, subject_id or cast.alice, RequestKind.ACCESS, accepted=False)
    return Entry.objects.filter(action="request.submitted").latest("id")


def keys_of(subject_id: UUID) -> list[DataKey]:
    return list(DataKey.objects.filter(subject_id=subject_id, kind=KeyKind.COMMITMENT))


def check(entry: Entry, value: str) -> bool | None:
    return services.check_commitment(actor=AUDITOR, entry_id=entry.id, name="contact", value=value)


def test_the_byte_format_is_as_it_says() -> None:
    assert doctest.testmod(commitments).failed == 0


def test_a_request_commits_to_the_address_that_was_given_and_does_not_tell_it(cast: Cast) -> None:
    entry = submitted(cast)
    assert set(entry.commitments) == {"contact"}
    assert len(b64decode(entry.commitments["contact"])) == 32
    assert EMAIL.encode() not in entry_bytes(entry)
    assert check(entry, EMAIL) is True
    assert check(entry, "another@example.org") is False
    services.sequence()
    verify_log()


def test_the_check_itself_is_entered(cast: Cast) -> None:
    entry = submitted(cast)
    check(entry, EMAIL)
    checked = Entry.objects.get(action="commitment.checked")
    assert (checked.target_id, checked.subject_id) == (str(entry.id), cast.alice)
    assert checked.details == {"name": "contact", "found": "equal"}


def test_equal_values_are_seen_for_one_person_and_name_alone(cast: Cast) -> None:
    def one(subject_id: UUID, name: str) -> bytes:
        return commit(controller_id=cast.lindwerk.id, subject_id=subject_id, values={name: EMAIL})[name]

    assert one(cast.alice, "contact") == one(cast.alice, "contact")
    assert len({one(cast.alice, "contact"), one(cast.bob, "contact"), one(cast.alice, "phone")}) == 3


def test_where_a_name_ends_is_part_of_it() -> None:
    assert commitments.commitment(bytes(32), "ab", "c") != commitments.commitment(bytes(32), "a", "bc")


def test_rotations_and_sweeps_keep_what_was_committed_to(cast: Cast) -> None:
    entry = submitted(cast)
    (before,) = keys_of(cast.alice)
    DataKey.objects.filter(id=before.id).update(created_at=clock.now() - timedelta(days=2))
    rotate_dek(Whose(subject_id=cast.alice), patience=5)
    rotate_kek(controller_id=cast.lindwerk.id, patience=5)
    sweep_orphans(patience=5)
    (after,) = keys_of(cast.alice)
    assert (after.id, after.previous) == (before.id, None)
    assert bytes(after.wrapped) != bytes(before.wrapped), "wrapped anew by the controller's new key"
    assert check(entry, EMAIL) is True


def test_after_an_erasure_nobody_can_say_it_any_more(cast: Cast) -> None:
    entry = submitted(cast)
    erasure = make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    assert keys_of(cast.alice)
    carry_out(request_id=erasure.id)
    assert keys_of(cast.alice) == []
    assert what_is_left(cast.alice) == {}
    assert check(entry, EMAIL) is None
    services.sequence()
    verify_log()


def test_a_key_that_came_in_late_holds_the_erasure_up_until_it_is_destroyed(cast: Cast) -> None:
    make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    fulfil_due()
    assert commit(controller_id=cast.lindwerk.id, subject_id=cast.alice, values={"contact": EMAIL}) == {}
    assert keys_of(cast.alice) == [], "whoever was erased gets no new key"


def test_a_commitment_needs_a_person() -> None:
    with pytest.raises(ValueError, match="name the person"):
        services.record(
            actor=AUDITOR, action="test.done", target=("thing", "1"), controller_id=uuid4(), commitments={"a": "b"}
        )


def test_the_command_takes_the_value_from_standard_input(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = submitted(cast)
    for value, said in ((EMAIL, "yes: "), ("another@example.org", "no: ")):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{value}\n"))
        call_command("audit", "commitment", str(entry.id), "contact")
        assert capsys.readouterr().out.startswith(said)
    monkeypatch.setattr("sys.stdin", io.StringIO("x\n"))
    with pytest.raises(CommandError, match="commits to no phone"):
        call_command("audit", "commitment", str(entry.id), "phone")


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_two_first_uses_at_once_use_one_key() -> None:
    controller_id, subject_id = uuid4(), uuid4()
    made: list[bytes] = []
    start = threading.Barrier(8)

    def use() -> None:
        try:
            start.wait()
            made.append(commit(controller_id=controller_id, subject_id=subject_id, values={"a": "b"})["a"])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1
    assert len(keys_of(subject_id)) == 1
    assert is_committed(subject_id=subject_id, name="a", value="b", to=made[0])
