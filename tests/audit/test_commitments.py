"""An entry commits to a value without telling it; rotation changes nothing in that, erasure ends it."""

import doctest
import io
import threading
from base64 import b64decode
from collections.abc import Callable
from datetime import timedelta
from typing import NoReturn
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.views.debug import ExceptionReporter

from dsar.services import carry_out, fulfil_due
from dsar.services.fulfilment import what_is_left
from dsar.terms import RequestKind
from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit import services
from identity_privacy.audit.canonical import entry_bytes
from identity_privacy.audit.models import Entry
from identity_privacy.audit.services import checking
from identity_privacy.audit.verification import verify_log
from identity_privacy.crypto import commitments, destruction
from identity_privacy.crypto.commitments import commit, is_committed
from identity_privacy.crypto.destruction import destroy_subject_keys
from identity_privacy.crypto.events import own_account
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.models import DataKey
from identity_privacy.crypto.rotation import rotate_dek, rotate_kek
from identity_privacy.crypto.rotation.data_keys import Whose
from identity_privacy.crypto.sweeping import sweep_orphans
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.delivery.services import link_subject
from profiles.models import Profile
from tests.cast import Cast
from tests.cast import enter as on_stage
from tests.factories import make_request
from tests.faults.house import wait_until

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


def beside(work: Callable[[], object]) -> threading.Thread:
    """Do something on connections of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def waits_for_a_lock() -> bool:
    with connections["keys"].cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
        return bool(cursor.fetchone()[0])


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
    services.check_commitment(actor=AUDITOR, entry_id=entry.id, name="contact", value=EMAIL, account="dana")
    checked = Entry.objects.get(action="commitment.checked")
    assert (checked.target_id, checked.subject_id) == (str(entry.id), cast.alice)
    assert checked.details == {"name": "contact", "found": "equal", "account": "dana"}


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


def test_whoever_was_erased_gets_no_new_key(cast: Cast) -> None:
    make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE)
    fulfil_due()
    assert commit(controller_id=cast.lindwerk.id, subject_id=cast.alice, values={"contact": EMAIL}) == {}
    assert keys_of(cast.alice) == []


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db(transaction=True)
def test_an_erasure_beside_a_first_use_leaves_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    controller_id, subject_id = uuid4(), uuid4()
    is_making, may_make = threading.Event(), threading.Event()

    def make_slowly(*, kind: KeyKind, controller_id: UUID, owner_id: UUID, subject_id: UUID) -> UUID:
        is_making.set()
        may_make.wait(10)
        return create_data_key(kind=kind, controller_id=controller_id, owner_id=owner_id, subject_id=subject_id)

    monkeypatch.setattr(commitments, "create_data_key", make_slowly)
    # As where the data is on a server of its own.
    monkeypatch.setattr(destruction, "_holders", lambda *_: 0)
    first = beside(lambda: commit(controller_id=controller_id, subject_id=subject_id, values={"a": "b"}))
    assert is_making.wait(10)
    erasure = beside(lambda: destroy_subject_keys(subject_id))
    wait_until(lambda: waits_for_a_lock(), 10, "the destruction waits for whoever makes a key")
    may_make.set()
    first.join()
    erasure.join()
    assert keys_of(subject_id) == []
    assert commit(controller_id=controller_id, subject_id=subject_id, values={"a": "b"}) == {}


def test_a_value_is_the_same_however_it_was_typed_and_no_error_shows_it() -> None:
    assert commitments.commitment(bytes(32), "a", "Mu\u0308ller") == commitments.commitment(bytes(32), "a", "M\xfcller")
    halves = {commitments.commitment(bytes(32), "a", text) for text in ("x\ud800", "x\udc00", "x")}
    assert len(halves) == 3


def test_a_report_of_an_error_does_not_show_the_value(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = submitted(cast)

    def breaks(**_: object) -> NoReturn:
        raise ArithmeticError

    monkeypatch.setattr(checking, "record", breaks)
    with pytest.raises(ArithmeticError) as raised:
        services.check_commitment(actor=AUDITOR, entry_id=entry.id, name="contact", value=EMAIL)
    below = raised.value.__traceback__.tb_next if raised.value.__traceback__ else None
    report = ExceptionReporter(None, ArithmeticError, raised.value, below).get_traceback_html()
    assert "is_committed" in report
    assert EMAIL not in report


def test_a_link_commits_to_the_account_and_an_import_does_not(cast: Cast) -> None:
    assert not Entry.objects.filter(action="links.added").exclude(commitments={}).exists()
    key_id = Profile.objects.get(id=cast.bob).data_key_id
    for _ in range(2):  # the second changes nothing
        link_subject(actor=AUDITOR, system=cast.mailer, subject_id=cast.bob, data_key_id=key_id, account_id="17")
    first, second = Entry.objects.filter(action="links.added", actor_id="test").order_by("-id")[:2][::-1]
    assert second.commitments == {}
    assert services.check_commitment(actor=AUDITOR, entry_id=first.id, name="account", value="17") is True


def test_what_commits_to_nothing_asks_for_no_key(
    db: None, django_assert_num_queries: Callable[..., CaptureQueriesContext]
) -> None:
    with django_assert_num_queries(0, using="keys"):
        services.record(actor=AUDITOR, action="test.done", target=("thing", "1"), controller_id=None)
    person, controller = uuid4(), uuid4()
    values = {"a": "b", "c": "d"}
    commit(controller_id=controller, subject_id=person, values=values)
    with django_assert_num_queries(1, using="keys"):
        commit(controller_id=controller, subject_id=person, values=values)


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
        assert Entry.objects.filter(action="commitment.checked").latest("id").details["account"] == own_account()
    monkeypatch.setattr("sys.stdin", io.StringIO("x\n"))
    with pytest.raises(CommandError, match="commits to nothing"):
        call_command("audit", "commitment", str(entry.id), "phone")


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db(transaction=True, databases=["default", "keys"])
def test_two_first_uses_at_once_use_one_key() -> None:
    controller_id, subject_id = uuid4(), uuid4()
    made: list[bytes] = []
    start = threading.Barrier(8)

    def use() -> None:
        start.wait()
        made.append(commit(controller_id=controller_id, subject_id=subject_id, values={"a": "b"})["a"])

    threads = [beside(use) for _ in range(8)]
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert len(set(made)) == 1
    assert len(keys_of(subject_id)) == 1
    assert is_committed(subject_id=subject_id, name="a", value="b", to=made[0])
