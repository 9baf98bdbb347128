"""An accepted erasure is carried out whole, whatever dies on the way, and touches nobody else."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import connections, transaction
from hypothesis import given
from hypothesis import strategies as st

from consent.services import record_choice
from consent.terms import Channel as ConsentChannel
from consent.terms import ConsentAction
from dsar.errors import NotErased, NotNow
from dsar.models import SubjectRequest
from dsar.rules import ready_to_ask, without_circles
from dsar.services import answer_due, ask_again, carry_out, fulfil_due, fulfilment, submit_request, withdraw_request
from dsar.services.fulfilment import what_is_left
from dsar.terms import Channel, Check, EvidenceKind, Outcome, RequestKind, RequestState, TaskState
from identity_privacy import clock
from identity_privacy.access.models import User
from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from identity_privacy.crypto import destruction
from identity_privacy.crypto.destruction import Destruction, destroy_subject_keys
from identity_privacy.crypto.errors import KeyDestroyed
from identity_privacy.crypto.models import DataKey, Tombstone
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.delivery.models import Link, Message
from identity_privacy.delivery.services import deliver_due, link_subject
from identity_privacy.delivery.terms import MessageState
from identity_privacy.subject_data import stores
from profiles.errors import UnknownPerson
from profiles.models import Identifier, Profile
from profiles.terms import IdentifierKind
from tests.cast import ALICE_EMAIL, Cast, enter
from tests.delivery.world import Receiver, Reply
from tests.dsar.world import Killed, actions, again, own_task, reading, report, sealed_values, task_of
from tests.factories import SERVICE, make_person, make_request, make_system

ERASURE, ACCESS = RequestKind.ERASURE, RequestKind.ACCESS


def submit(cast: Cast, subject_id: UUID, kind: RequestKind = ERASURE) -> SubjectRequest:
    return submit_request(
        actor=Actor.subject(subject_id),
        controller=cast.lindwerk,
        subject_id=subject_id,
        kind=kind,
        channel=Channel.PORTAL,
    )


def test_nothing_of_the_person_is_left_here_and_no_key_lives(cast: Cast) -> None:
    sealed = sealed_values(cast.alice)
    assert len(sealed) == 7
    with reading() as open_before:
        assert all(open_before.open(value, place=place, row_id=row, key_id=key) for place, row, key, value in sealed)
    request = make_request(cast.lindwerk, cast.alice, ERASURE)
    carry_out(request_id=request.id)
    assert what_is_left(cast.alice) == {}
    assert sealed_values(cast.alice) == []
    assert not Link.objects.filter(subject_id=cast.alice).exists()
    assert not DataKey.objects.filter(subject_id=cast.alice, kind=KeyKind.PROFILE).exists()
    assert Profile.objects.get(id=cast.alice).erased_at, "a pseudonym stays, so that the ledger still means somebody"
    with reading() as open_after:
        for place, row, key, value in sealed:  # as a copy of the database from before would hold them
            with pytest.raises(KeyDestroyed):
                open_after.open(value, place=place, row_id=row, key_id=key)


def test_erased_here_is_said_only_with_our_own_read_and_the_day_of_the_last_backup(cast: Cast) -> None:
    request = make_request(cast.lindwerk, cast.alice, ERASURE)
    carry_out(request_id=request.id)
    own = own_task(request)
    assert (own.state, own.outcome, own.check_result) == (TaskState.REPORTED, Outcome.DONE, Check.CHECKED)
    assert (own.evidence_kind, own.recheck_evidence_kind) == (EvidenceKind.ROW_COUNTS, EvidenceKind.OWN_READ)
    assert own.counts["profiles.attributes"] == 5
    tombstone = Tombstone.objects.get(subject_id=cast.alice)
    assert again(request).keys_backup_ends_on == tombstone.backups_end_on > tombstone.destroyed_at.date()
    assert actions(request)[:4] == [
        "request.submitted",
        "request.accepted",
        "subject.rows_erased",
        "subject.erased",
    ]


def test_other_people_are_untouched(cast: Cast) -> None:
    before = sealed_values(cast.bob), sealed_values(cast.charlie)
    carry_out(request_id=make_request(cast.lindwerk, cast.alice, ERASURE).id)
    assert (sealed_values(cast.bob), sealed_values(cast.charlie)) == before
    with reading() as opened:
        for place, row, key, value in before[0] + before[1]:
            assert opened.open(value, place=place, row_id=row, key_id=key)
    assert Link.objects.filter(subject_id=cast.bob).count() == 1


def test_two_people_with_one_address_are_two_people(cast: Cast) -> None:
    twin = make_person(cast.otherwerk, email=ALICE_EMAIL, given_name="alice")
    carry_out(request_id=make_request(cast.lindwerk, cast.alice, ERASURE).id)
    assert sealed_values(twin)


def test_systems_still_learn_their_accounts_though_the_persons_key_is_gone(live_cast: Cast, receiver: Receiver) -> None:
    request = make_request(live_cast.lindwerk, live_cast.alice, ERASURE)
    pairwise = {str(link.pairwise_id): link.system.code for link in Link.objects.filter(subject_id=live_cast.alice)}
    carry_out(request_id=request.id)
    deliver_due()
    told = {pairwise[str(body["subject"])]: body["accounts"] for body in receiver.bodies}
    assert told == {"shop": ["shop-alice"], "mailer": ["mailer-alice"]}
    assert {body["task"] for body in receiver.bodies} == {str(task_of(request, code).id) for code in told}
    assert str(live_cast.alice) not in str(receiver.requests), "our own id for her stays here"


def test_a_system_that_does_not_know_the_person_is_asked_too(cast: Cast) -> None:
    request = make_request(cast.lindwerk, cast.bob, ERASURE)  # the mailer has no link to Bob
    carry_out(request_id=request.id)
    message = Message.objects.get(about_id=task_of(request, "mailer").id)
    with reading():
        assert (message.body["subject"], message.body["accounts"]) == (None, [])


def test_what_comes_in_while_the_keys_are_destroyed_goes_too(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    request = make_request(cast.lindwerk, cast.bob, ERASURE)
    key_id = Profile.objects.get(id=cast.bob).data_key_id

    def and_a_link_comes_in(subject_id: UUID) -> Destruction:
        link_subject(actor=SERVICE, system=cast.mailer, subject_id=subject_id, data_key_id=key_id, account_id="late")
        return destroy_subject_keys(subject_id)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(fulfilment, "destroy_subject_keys", and_a_link_comes_in)
        assert fulfil_due() == 1
    assert what_is_left(cast.bob) == {}
    assert own_task(request).counts["delivery.links"] == 2


def test_a_writer_that_always_comes_late_holds_up_no_erasure(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    request = make_request(cast.lindwerk, cast.bob, ERASURE)
    confirm = fulfilment._confirm_erasure

    def after_somebody_signed_in(request_id: UUID, *, backups_end_on: str) -> None:
        User.objects.for_subject(cast.lindwerk, cast.bob)
        confirm(request_id, backups_end_on=backups_end_on)

    monkeypatch.setattr(fulfilment, "_confirm_erasure", after_somebody_signed_in)
    assert fulfil_due() == 1
    assert what_is_left(cast.bob) == {}
    assert own_task(request).counts["access.users"] == 1
    assert actions(request).count("subject.erased") == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.only_on("postgresql")
def test_it_is_not_called_erased_while_somebody_still_writes_who_began_before(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fulfilment, "PATIENCE_SECONDS", 0.1)
    # As where the keys are on a server of their own: here, whoever writes data holds up the keys' overwriting already.
    monkeypatch.setattr(destruction, "_holders", lambda *_: 0)
    request = make_request(cast.lindwerk, cast.alice, ERASURE)
    has_written, may_commit = threading.Event(), threading.Event()
    key_id = Profile.objects.get(id=cast.alice).data_key_id

    def write() -> None:
        with transaction.atomic():
            Identifier.objects.create(
                controller=cast.lindwerk,
                profile_id=cast.alice,
                data_key_id=key_id,
                kind=IdentifierKind.EMAIL,
                value="second@example.org",
                source="test",
                recorded_at=clock.now(),
            )
            has_written.set()
            may_commit.wait(10)
        connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    assert has_written.wait(10)
    assert fulfil_due() == 0
    assert own_task(request).state == TaskState.ASKED
    may_commit.set()
    writer.join()
    assert fulfil_due() == 1
    assert own_task(request).state == TaskState.REPORTED
    assert what_is_left(cast.alice) == {}
    assert not Identifier.objects.filter(profile_id=cast.alice).exists()


# --- Killed anywhere ----------------------------------------------------------------------------------

STEPS = (
    "restrict_profile",
    "_note_locators",
    "reseal_pending",
    "ask_ready",
    "enter_request",
    "_erase",
    "destroy_subject_keys",
    "what_is_left",
    "_confirm_erasure",
)


def killed_at(step: str, when: str) -> Callable[..., object]:
    """The step of `carry_out`, at which the process ends: before it, or right after it."""
    real: Callable[..., object] = getattr(fulfilment, step)

    def dies(*arguments: object, **named: object) -> object:
        if when == "after":
            real(*arguments, **named)
        raise Killed

    return dies


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_is_finished_with_one_effect(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    request = make_request(cast.lindwerk, cast.alice, ERASURE)
    with monkeypatch.context() as process:
        process.setattr(fulfilment, step, killed_at(step, when))
        with pytest.raises(Killed):
            fulfil_due()
    said_too_early = own_task(request).state == TaskState.REPORTED and what_is_left(cast.alice)
    assert not said_too_early
    fulfil_due()
    fulfil_due()
    assert what_is_left(cast.alice) == {}
    assert own_task(request).outcome == Outcome.DONE
    assert own_task(request).counts["profiles.attributes"] == 5, "counted when they went"
    assert sorted(message.system.code for message in Message.objects.filter(topic="task.erase") if message.system) == [
        "mailer",
        "shop",
    ]
    assert [actions(request).count(f"subject.{what}") for what in ("rows_erased", "erased")] == [1, 1]


def test_what_is_left_is_never_called_erased_and_holds_up_nobody_else(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Forgetful:
        name = "forgetful"

        def collect(self, subject_id: UUID) -> Sequence[object]:
            return []

        def erase(self, subject_id: UUID) -> Mapping[str, int]:
            return {}

        def remaining(self, subject_id: UUID) -> Mapping[str, int]:
            return {"notes": 2 if subject_id == cast.alice else 0}

    monkeypatch.setattr(fulfilment, "stores", lambda: [*stores(), Forgetful()])
    alices, bobs = (make_request(cast.lindwerk, person, ERASURE) for person in (cast.alice, cast.bob))
    with pytest.raises(NotErased, match=r"forgetful\.notes: 2"):
        carry_out(request_id=alices.id)
    assert fulfil_due() == 1
    assert own_task(alices).state == TaskState.ASKED
    assert own_task(bobs).state == TaskState.REPORTED
    assert "not-erased" in caplog.text
    answer_due()
    assert again(alices).state == RequestState.FULFILLING


def test_a_system_whose_message_dies_leaves_the_request_open_and_honest(live_cast: Cast, receiver: Receiver) -> None:
    receiver.replies[:] = [Reply(status=410)]
    request = make_request(live_cast.lindwerk, live_cast.alice, ERASURE)
    fulfil_due()
    deliver_due()
    assert set(Message.objects.filter(topic="task.erase").values_list("state", flat=True)) == {MessageState.DEAD}
    assert answer_due() == 0
    assert again(request).state == RequestState.FULFILLING
    assert [task_of(request, code).state for code in ("shop", "mailer")] == [TaskState.ASKED] * 2
    assert actions(request).count("task.stuck") == 2


# --- Who comes before whom ------------------------------------------------------------------------------


def test_a_system_is_asked_only_after_those_that_come_before_it(cast: Cast) -> None:
    make_system(cast.lindwerk, "archive", after=["shop", "mailer", "no-such-system"])
    request = make_request(cast.lindwerk, cast.alice, ERASURE)
    carry_out(request_id=request.id)
    assert task_of(request, "archive").state == TaskState.PLANNED
    report(task_of(request, "shop"))
    assert task_of(request, "archive").state == TaskState.PLANNED
    report(task_of(request, "mailer"), "failed")
    assert task_of(request, "archive").state == TaskState.ASKED
    assert Message.objects.filter(about_id=task_of(request, "archive").id).count() == 1


CODES = st.sampled_from(["archive", "mailer", "shop", "till", "not-in-the-plan"])


@given(st.dictionaries(CODES.filter(lambda code: code != "not-in-the-plan"), st.lists(CODES, max_size=4)))
def test_whatever_systems_wait_for_all_are_asked_in_the_end(after: dict[str, list[str]]) -> None:
    order = without_circles(after)
    states = dict.fromkeys(after, TaskState.PLANNED)
    for _ in after:
        ready = [code for code in after if ready_to_ask(order[code], states)]
        states |= dict.fromkeys(ready, TaskState.REPORTED)
    assert set(states.values()) <= {TaskState.REPORTED}


def test_an_order_without_circles_is_kept() -> None:
    after = {"archive": ["shop", "mailer"], "shop": ["mailer", "not-in-the-plan"], "mailer": []}
    assert without_circles(after) == after


def test_systems_that_wait_for_each_other_are_asked_all_the_same(cast: Cast) -> None:
    for code, earlier in (("archive", "till"), ("till", "archive")):
        make_system(cast.lindwerk, code, after=[earlier, "shop"])
    request = make_request(cast.lindwerk, cast.alice, ERASURE)
    carry_out(request_id=request.id)
    assert task_of(request, "archive").state == TaskState.PLANNED
    report(task_of(request, "shop"))
    assert {task_of(request, code).state for code in ("archive", "till")} == {TaskState.ASKED}


def test_the_copy_that_was_asked_for_is_made_before_the_erasure(cast: Cast) -> None:
    erasure = make_request(cast.lindwerk, cast.alice, ERASURE)
    copy = make_request(cast.lindwerk, cast.alice, ACCESS)
    carry_out(request_id=erasure.id)
    own = own_task(copy)
    assert own.state == TaskState.REPORTED
    assert own.counts["What we know about you"] == 5
    with reading():
        assert "Düsseldorf" in str(own.answer), "under the request's own key"


def test_a_withdrawal_that_was_not_yet_sent_still_reaches_its_system(live_cast: Cast, receiver: Receiver) -> None:
    record_choice(
        actor=Actor.subject(live_cast.alice),
        subject_id=live_cast.alice,
        purpose=live_cast.newsletter,
        action=ConsentAction.WITHDRAWN,
        notice=live_cast.newsletter.notices.get(),
        channel=ConsentChannel.PORTAL,
        method="switch",
    )
    carry_out(request_id=make_request(live_cast.lindwerk, live_cast.alice, ERASURE).id)
    deliver_due()
    changed = [body for body in receiver.bodies if body["type"] == "consent.changed"]
    assert [(body["purpose"], body["allowed"]) for body in changed] == [("newsletter", False)]


# --- Submitting, joining, withdrawing -------------------------------------------------------------------


def test_a_second_request_of_the_same_kind_joins_the_first(cast: Cast) -> None:
    first, second = submit(cast, cast.alice), submit(cast, cast.alice)
    assert first == second
    assert submit(cast, cast.alice, ACCESS) != first
    assert submit(cast, cast.bob) != first
    assert actions(first) == ["request.submitted", "request.joined"]


@pytest.mark.only_on("postgresql")
@pytest.mark.django_db(transaction=True)
def test_two_submissions_at_once_are_one_request() -> None:
    cast = enter()

    def press(_: int) -> UUID:
        try:
            return submit(cast, cast.alice).id
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as people:
        assert len(set(people.map(press, range(8)))) == 1
    assert SubjectRequest.objects.count() == 1
    assert Entry.objects.filter(action="request.joined").count() == 7


def test_an_erased_person_and_one_of_another_controller_are_unknown(cast: Cast) -> None:
    with pytest.raises(UnknownPerson):
        submit(cast, cast.charlie)
    carry_out(request_id=make_request(cast.lindwerk, cast.alice, ERASURE).id)
    with pytest.raises(UnknownPerson):
        submit(cast, cast.alice, ACCESS)


@pytest.mark.parametrize("kind", RequestKind)
def test_nothing_is_done_for_a_request_that_was_not_accepted(cast: Cast, kind: RequestKind) -> None:
    request = submit(cast, cast.alice, kind)
    with pytest.raises(NotNow):
        carry_out(request_id=request.id)
    assert fulfil_due() == 0
    assert len(sealed_values(cast.alice)) == 7


def test_a_withdrawn_copy_is_not_collected_any_more(cast: Cast) -> None:
    request = make_request(cast.lindwerk, cast.alice, ACCESS)
    withdraw_request(actor=Actor.subject(cast.alice), request=request)
    with pytest.raises(NotNow):
        carry_out(request_id=request.id)  # a worker had picked it up before
    assert own_task(request).state == TaskState.PLANNED
    assert not Message.objects.filter(topic="task.access").exists()
    with pytest.raises(NotNow, match="withdrawn"):
        ask_again(actor=SERVICE, task=task_of(request, "shop"))
