"""No copy outlives its person's erasure, and nothing is kept for ever of a request that has ended."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine

from dsar.errors import NotErased, NotNow
from dsar.models import SubjectRequest, Task
from dsar.packages import open_package, package_path
from dsar.services import (
    answer_due,
    carry_out,
    forget_due,
    forgetting,
    fulfil_due,
    fulfilment,
    recheck_due,
    withdraw_request,
)
from dsar.services.forgetting import forget_request
from dsar.services.fulfilment import what_is_left
from dsar.terms import Check, RequestKind, RequestState, TaskState
from identity_privacy import clock
from identity_privacy.access.models import User
from identity_privacy.actors import Actor
from identity_privacy.crypto.fields import EncryptedField
from identity_privacy.crypto.models import DataKey
from tests.cast import Cast
from tests.dsar.world import Killed, actions, again, answered, own_task, reading, report_all
from tests.factories import make_request

ACCESS, ERASURE = RequestKind.ACCESS, RequestKind.ERASURE


def has_key(request: SubjectRequest) -> bool:
    return DataKey.objects.filter(id=request.data_key_id).exists()


def sealed_columns(request: SubjectRequest) -> list[str]:
    """The columns that hold something sealed for a request."""
    rows = [again(request), *Task.objects.filter(request=request)]
    return [
        f"{type(row).__name__}.{field.name}"
        for row in rows
        for field in row._meta.get_fields()
        if isinstance(field, EncryptedField) and field.value_from_object(row) is not None
    ]


@pytest.fixture
def copy(cast: Cast) -> SubjectRequest:
    """Alice's copy, answered, with everything in it."""
    request = answered(cast.lindwerk, cast.alice, ACCESS)
    assert package_path(request).exists()
    assert len(sealed_columns(request)) > 5
    return request


# --- With the erasure -----------------------------------------------------------------------------------


def test_a_copy_that_was_answered_before_goes_with_the_erasure(cast: Cast, copy: SubjectRequest) -> None:
    path = package_path(copy)
    erasure = make_request(cast.lindwerk, cast.alice, ERASURE)
    assert what_is_left(cast.alice)["request_keys"] == 1, "the copy still opens"
    carry_out(request_id=erasure.id)
    assert what_is_left(cast.alice) == {}
    assert not has_key(copy)
    assert not path.exists()
    assert sealed_columns(copy) == []
    assert actions(copy)[-1] == "request.forgotten"
    assert has_key(erasure), "by its own key the person is told the end"


def test_a_request_that_was_withdrawn_before_goes_too(cast: Cast) -> None:
    withdrawn = make_request(cast.lindwerk, cast.alice, ACCESS)
    withdraw_request(actor=Actor.subject(cast.alice), request=withdrawn)
    carry_out(request_id=make_request(cast.lindwerk, cast.alice, ERASURE).id)
    assert not has_key(withdrawn)
    assert sealed_columns(withdrawn) == []


def test_the_copies_of_other_people_are_untouched(cast: Cast, copy: SubjectRequest) -> None:
    bobs = answered(cast.lindwerk, cast.bob, ACCESS)
    carry_out(request_id=make_request(cast.lindwerk, cast.alice, ERASURE).id)
    with reading():
        assert b"".join(open_package(again(bobs)))


def test_a_copy_that_is_still_open_is_packaged_first_and_can_be_had(cast: Cast) -> None:
    copy = make_request(cast.lindwerk, cast.alice, ACCESS)
    erasure = make_request(cast.lindwerk, cast.alice, ERASURE)
    carry_out(request_id=erasure.id)
    assert what_is_left(cast.alice) == {}, "what was asked for beside the erasure does not count"
    report_all(copy)
    answer_due()
    with reading():
        assert b"".join(open_package(again(copy)))
    assert what_is_left(cast.alice) == {}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["destroy_owner_keys", "_note", "package_path"])
def test_killed_while_the_copy_is_forgotten_it_is_finished(
    cast: Cast, copy: SubjectRequest, monkeypatch: pytest.MonkeyPatch, step: str, when: str
) -> None:
    erasure = make_request(cast.lindwerk, cast.alice, ERASURE)
    real: Callable[[object], object] = getattr(forgetting, step)

    def dies(argument: object) -> object:
        if when == "after":
            real(argument)
        raise Killed

    with monkeypatch.context() as process:
        process.setattr(forgetting, step, dies)
        with pytest.raises(Killed):
            fulfil_due()
    assert own_task(erasure).state != TaskState.REPORTED
    assert fulfil_due() == 1
    assert what_is_left(cast.alice) == {}
    assert sealed_columns(copy) == []
    assert actions(copy).count("request.forgotten") == 1


def test_while_a_copy_still_opens_nobody_says_erased_here(
    cast: Cast, copy: SubjectRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    erasure = make_request(cast.lindwerk, cast.alice, ERASURE)

    def forgets_nothing(**_: object) -> None:
        return

    monkeypatch.setattr(fulfilment, "forget_request", forgets_nothing)
    with pytest.raises(NotErased, match="request_keys: 1"):
        carry_out(request_id=erasure.id)
    assert own_task(erasure).state == TaskState.ASKED


# --- Some time after the end ----------------------------------------------------------------------------


def test_the_certificate_and_the_address_are_kept_for_30_days_after_the_end_and_no_longer(cast: Cast) -> None:
    request = answered(cast.lindwerk, cast.alice, ERASURE)
    with time_machine.travel(clock.machine_now() + timedelta(days=31)):
        recheck_due()
        report_all(request, recheck=True)
        answer_due()
    assert again(request).state == RequestState.CLOSED
    with time_machine.travel(clock.machine_now() + timedelta(days=60)):
        assert forget_due() == 0
        with reading():
            assert again(request).contact
            assert again(request).supplement
    with time_machine.travel(clock.machine_now() + timedelta(days=62)):
        assert forget_due() == 1
        assert forget_due() == 0
        answer_due()  # asks for no certificate any more
    assert not has_key(request)
    assert sealed_columns(request) == []
    assert actions(request)[-1] == "request.forgotten"


def test_a_copy_beside_an_erasure_ends_30_days_after_its_answer(cast: Cast) -> None:
    copy = make_request(cast.lindwerk, cast.alice, ACCESS)
    erasure = make_request(cast.lindwerk, cast.alice, ERASURE)
    carry_out(request_id=erasure.id)
    for request in (copy, erasure):
        report_all(request)
    answer_due()
    with time_machine.travel(clock.machine_now() + timedelta(days=29)):
        assert forget_due() == 0
    with time_machine.travel(clock.machine_now() + timedelta(days=31)):
        recheck_due()
        assert own_task(erasure).check_result == Check.CHECKED, "a copy that is still offered has not come back"
        assert forget_due() == 1
    assert not has_key(copy)
    assert has_key(erasure)


def test_the_copy_of_somebody_who_stays_stays(copy: SubjectRequest) -> None:
    with time_machine.travel(clock.machine_now() + timedelta(days=400)):
        assert forget_due() == 0
    with reading():
        assert b"".join(open_package(again(copy)))


def test_a_request_whose_person_still_waits_is_not_forgotten(cast: Cast) -> None:
    request = make_request(cast.lindwerk, cast.alice, ACCESS)
    with pytest.raises(NotNow):
        forget_request(request_id=request.id)
    assert has_key(request)


def test_what_is_here_again_at_the_recheck_is_erased_again(cast: Cast) -> None:
    request = answered(cast.lindwerk, cast.alice, ERASURE)
    User.objects.for_subject(cast.lindwerk, cast.alice)
    with time_machine.travel(clock.machine_now() + timedelta(days=31)):
        recheck_due()
    assert own_task(request).check_result == Check.CAME_BACK
    assert what_is_left(cast.alice) == {}
