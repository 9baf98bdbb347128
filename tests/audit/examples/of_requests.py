"""The verbs of subject requests."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

from dsar import services as dsar
from dsar.models import SubjectRequest
from dsar.terms import Channel, RequestKind
from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit.services import sequence
from identity_privacy.crypto.destruction import destroy_subject_keys
from identity_privacy.delivery.models import Message
from identity_privacy.delivery.results import Answer
from identity_privacy.delivery.terms import SignatureKind
from tests.audit.verbs import Act, Entered, shows
from tests.cast import Cast
from tests.delivery.world import secrets_of
from tests.dsar.world import again, answered, report_all, result_of, signed, task_of
from tests.factories import SERVICE, make_request

FULFILMENT, FORGETTING = Actor.service("fulfilment"), Actor.service("forgetting")
ACCESS, ERASURE = RequestKind.ACCESS, RequestKind.ERASURE


def about(cast: Cast, request: SubjectRequest, actor: Actor, *actions: str) -> list[Entered]:
    """Entries about one of Alice's requests."""
    return [Entered(action, actor, ("request", request.id), cast.alice, cast.lindwerk.id) for action in actions]


def about_task(cast: Cast, task_id: UUID, actor: Actor, action: str) -> Entered:
    return Entered(action, actor, ("task", task_id), cast.alice, cast.lindwerk.id)


def act(
    cast: Cast,
    run: Callable[[], object],
    enters: Sequence[Entered],
    *,
    reads: bool = False,
    is_durable: bool = False,
) -> Act:
    of_alice = frozenset([cast.alice]) if reads else frozenset[UUID | None]()
    return Act(run=run, enters=lambda _: enters, reads=of_alice, is_durable=is_durable)


def reported(cast: Cast, kind: RequestKind) -> SubjectRequest:
    """A request of Alice's that every system has answered."""
    request = make_request(cast.lindwerk, cast.alice, kind)
    dsar.fulfil_due()
    report_all(request)
    return again(request)


@shows(dsar.submit_request)
def submit_request(cast: Cast) -> Act:
    alice = Actor.subject(cast.alice)

    def run() -> object:
        return dsar.submit_request(
            actor=alice,
            controller=cast.lindwerk,
            subject_id=cast.alice,
            kind=ERASURE,
            channel=Channel.PORTAL,
            contact_email="alice@example.org",
        ).id

    return Act(
        run=run,
        enters=lambda made: [Entered("request.submitted", alice, ("request", made), cast.alice, cast.lindwerk.id)],
    )


@shows(dsar.accept_request)
def accept_request(cast: Cast) -> Act:
    request = make_request(cast.lindwerk, cast.alice, ERASURE, accepted=False)
    return act(
        cast,
        lambda: dsar.accept_request(actor=SERVICE, request=request),
        about(cast, request, SERVICE, "request.accepted"),
    )


@shows(dsar.withdraw_request)
def withdraw_request(cast: Cast) -> Act:
    request, alice = make_request(cast.lindwerk, cast.alice, ACCESS, accepted=False), Actor.subject(cast.alice)
    return act(
        cast,
        lambda: dsar.withdraw_request(actor=alice, request=request),
        about(cast, request, alice, "request.withdrawn"),
    )


def erased(cast: Cast, request: SubjectRequest) -> list[Entered]:
    """What carrying out an erasure enters."""
    return [
        Entered("profile.restricted", FULFILMENT, ("profile", cast.alice), cast.alice, cast.lindwerk.id),
        *about(cast, request, FULFILMENT, "subject.rows_erased", "subject.erased"),
    ]


@shows(dsar.carry_out)
def carry_out(cast: Cast) -> Act:
    request = make_request(cast.lindwerk, cast.alice, ERASURE)
    return act(
        cast,
        lambda: dsar.carry_out(request_id=request.id),
        erased(cast, request),
        reads=True,
        is_durable=True,
    )


@shows(dsar.fulfil_due)
def fulfil_due(cast: Cast) -> Act:
    request = make_request(cast.lindwerk, cast.alice, ACCESS)
    return act(cast, dsar.fulfil_due, about(cast, request, FULFILMENT, "request.collected"), reads=True)


@shows(dsar.record_result)
def record_result(cast: Cast) -> Act:
    request = make_request(cast.lindwerk, cast.alice, ERASURE)
    dsar.fulfil_due()
    task = task_of(request, "shop")
    body = result_of(task)
    headers = signed(body, secret=secrets_of(cast.shop)[1])
    entered = about_task(cast, task.id, Actor.system(cast.shop.id), "task.reported")
    return Act(
        run=lambda: dsar.record_result(task_id=task.id, headers=headers, body=body),
        enters=lambda _: [entered],
        reads=frozenset([None]),  # the secret that its report is verified with
    )


@shows(dsar.TaskMessages.message_answered)
def message_answered(cast: Cast) -> Act:
    request = make_request(cast.lindwerk, cast.alice, ERASURE)
    dsar.fulfil_due()
    task = task_of(request, "shop")
    answer = Answer(status=200, headers={}, body=result_of(task), signature_kind=SignatureKind.HMAC)
    message = Message.objects.get(about_id=task.id)
    return act(
        cast,
        lambda: dsar.TaskMessages().message_answered(message, answer),
        [about_task(cast, task.id, Actor.system(cast.shop.id), "task.reported")],
    )


@shows(dsar.TaskMessages.message_dead)
def message_dead(cast: Cast) -> Act:
    request = make_request(cast.lindwerk, cast.alice, ERASURE)
    dsar.fulfil_due()
    task = task_of(request, "shop")
    message = Message.objects.get(about_id=task.id)
    return act(
        cast,
        lambda: dsar.TaskMessages().message_dead(message),
        [about_task(cast, task.id, Actor.service("delivery"), "task.stuck")],
    )


@shows(dsar.ask_again)
def ask_again(cast: Cast) -> Act:
    request = make_request(cast.lindwerk, cast.alice, ERASURE)
    dsar.fulfil_due()
    task = task_of(request, "shop")
    return act(
        cast,
        lambda: dsar.ask_again(actor=SERVICE, task=task),
        [about_task(cast, task.id, SERVICE, "task.asked_again")],
        reads=True,
    )


@shows(dsar.answer_request)
def answer_request(cast: Cast) -> Act:
    request = reported(cast, ACCESS)
    return act(
        cast,
        lambda: dsar.answer_request(request_id=request.id),
        about(cast, request, FULFILMENT, "request.answered"),
        reads=True,
    )


@shows(dsar.issue_certificate)
def issue_certificate(cast: Cast) -> Act:
    request = reported(cast, ERASURE)
    dsar.answer_request(request_id=request.id)
    sequence()
    return act(
        cast,
        lambda: dsar.issue_certificate(request_id=request.id),
        about(cast, request, FULFILMENT, "certificate.issued"),
        reads=True,
    )


@shows(dsar.answer_due)
def answer_due(cast: Cast) -> Act:
    request = reported(cast, ERASURE)
    return act(
        cast,
        dsar.answer_due,
        about(cast, request, FULFILMENT, "request.answered", "certificate.issued"),
        reads=True,
        is_durable=True,
    )


def recheckable(cast: Cast) -> SubjectRequest:
    request = answered(cast.lindwerk, cast.alice, ERASURE)
    SubjectRequest.objects.filter(id=request.id).update(recheck_on=clock.now().date() - timedelta(days=2))
    return request


@shows(dsar.start_recheck)
def start_recheck(cast: Cast) -> Act:
    request = recheckable(cast)
    return act(
        cast,
        lambda: dsar.start_recheck(request_id=request.id),
        about(cast, request, FULFILMENT, "request.recheck_started"),
        reads=True,
    )


@shows(dsar.recheck_due)
def recheck_due(cast: Cast) -> Act:
    request = recheckable(cast)
    return act(cast, dsar.recheck_due, about(cast, request, FULFILMENT, "request.recheck_started"), reads=True)


@shows(dsar.forget_due)
def forget_due(cast: Cast) -> Act:
    request = make_request(cast.lindwerk, cast.alice, ACCESS, accepted=False)
    dsar.withdraw_request(actor=SERVICE, request=request)
    SubjectRequest.objects.filter(id=request.id).update(closed_at=clock.now() - timedelta(days=40))
    return act(cast, dsar.forget_due, about(cast, request, FORGETTING, "request.forgotten"))


def back_again(cast: Cast) -> list[Entered]:
    """What erasing Alice again enters, whose keys were destroyed and whose rows are here."""
    destroy_subject_keys(cast.alice)
    return [Entered("subject.erased_again", SERVICE, ("profile", cast.alice), cast.alice, cast.lindwerk.id)]


@shows(dsar.erase_again)
def erase_again(cast: Cast) -> Act:
    entered = back_again(cast)
    return act(cast, lambda: dsar.erase_again(actor=SERVICE, subject_id=cast.alice), entered, is_durable=True)


@shows(dsar.replay_erasures)
def replay_erasures(cast: Cast) -> Act:
    entered = back_again(cast)
    return act(cast, lambda: dsar.replay_erasures(actor=SERVICE), entered, is_durable=True)
