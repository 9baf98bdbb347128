"""A choice is evidence for ever, binds at once, and reaches the systems that act on it."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from consent import services
from consent.decisions import decision
from consent.errors import NotAskedFor, PersonErased
from consent.models import ConsentEvent, ConsentState, Notice, Purpose
from consent.services import KnownChoice, answer_all, import_choices, record_choice
from consent.terms import Channel, ConsentAction
from dsar.services import carry_out
from dsar.terms import RequestKind
from identity_privacy import clock
from identity_privacy.actors import Actor
from identity_privacy.audit.models import Entry
from identity_privacy.crypto.reading import Reading
from identity_privacy.delivery.models import Link, Message
from profiles.services import restrict_profile
from tests.cast import Cast
from tests.factories import SERVICE, make_request

GIVEN, REFUSED, WITHDRAWN = ConsentAction.GIVEN, ConsentAction.REFUSED, ConsentAction.WITHDRAWN


def choose(subject_id: UUID, purpose: Purpose, action: ConsentAction) -> ConsentEvent:
    return record_choice(
        actor=Actor.subject(subject_id),
        subject_id=subject_id,
        purpose=purpose,
        action=action,
        notice=purpose.notices.current("en").first(),
        channel=Channel.PORTAL,
        method="switch",
    )


def is_allowed(subject_id: UUID, purpose: Purpose) -> bool:
    return decision(subject_id=subject_id, purpose=purpose).allowed


def bring_in(purpose: Purpose, *choices: KnownChoice) -> int:
    return import_choices(actor=SERVICE, purpose=purpose, notice=purpose.notices.get(), choices=choices)


def known(subject_id: UUID, action: ConsentAction = GIVEN, days_ago: int = 30) -> KnownChoice:
    return KnownChoice(subject_id=subject_id, action=action, occurred_at=clock.now() - timedelta(days=days_ago))


def test_withdrawal_binds_at_the_next_decision(cast: Cast) -> None:
    assert not is_allowed(cast.alice, cast.newsletter)
    choose(cast.alice, cast.newsletter, GIVEN)
    assert is_allowed(cast.alice, cast.newsletter)
    assert not is_allowed(cast.bob, cast.newsletter), "Bob said nothing"
    choose(cast.alice, cast.newsletter, WITHDRAWN)
    answer = decision(subject_id=cast.alice, purpose=cast.newsletter)
    assert (answer.allowed, answer.reason) == (False, "withdrawn")


def test_the_ledger_keeps_every_choice_with_the_text_that_was_shown(cast: Cast) -> None:
    for action in (GIVEN, WITHDRAWN, GIVEN):
        choose(cast.alice, cast.newsletter, action)
    lines = ConsentEvent.objects.about(cast.alice)
    assert [line.action for line in reversed(lines)] == [GIVEN, WITHDRAWN, GIVEN]
    assert {line.notice for line in lines} == {cast.newsletter.notices.get()}
    assert ConsentState.objects.of(cast.alice).get().event == lines[0]


@pytest.mark.parametrize("model", [ConsentEvent, Notice])
def test_the_database_itself_refuses_to_change_or_delete_evidence(
    cast: Cast, model: type[ConsentEvent | Notice]
) -> None:
    choose(cast.alice, cast.newsletter, GIVEN)
    rows = model._default_manager.all()
    field = "method" if model is ConsentEvent else "text"
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        rows.update(**{field: "something else"})
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        rows._raw_delete(rows.db)
    assert rows.exists()


def test_systems_that_act_on_the_purpose_are_told_by_their_own_pseudonym(cast: Cast) -> None:
    choose(cast.alice, cast.recommendations, GIVEN)
    messages = {message.system: message for message in Message.objects.filter(topic="consent.changed")}
    assert set(messages) == {cast.shop, cast.mailer}
    with Reading(actor=SERVICE, purpose="test", subject_id=cast.alice, reason="test"):
        body = messages[cast.shop].body
    link = Link.objects.get(system=cast.shop, subject_id=cast.alice)
    assert body["subject"] == str(link.pairwise_id)
    assert (body["purpose"], body["action"], body["allowed"]) == ("recommendations", "given", True)
    assert str(cast.alice) not in str(body)


def test_systems_that_do_not_act_on_it_or_do_not_know_the_person_are_not_told(cast: Cast) -> None:
    choose(cast.bob, cast.newsletter, GIVEN)  # the mailer acts on it and does not know Bob
    assert not Message.objects.filter(topic="consent.changed").exists()


def test_an_entry_says_who_chose_what_and_who_was_told(cast: Cast) -> None:
    event = choose(cast.alice, cast.newsletter, GIVEN)
    entry = Entry.objects.get(action="consent.given")
    assert (entry.actor_id, entry.subject_id) == (str(cast.alice), cast.alice)
    assert entry.details["event"] == str(event.id)
    assert entry.details["told"] == ["mailer"]
    assert entry.details["notice"] == cast.newsletter.notices.get().content_hash


def test_a_choice_that_cannot_be_entered_is_not_made(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(services, "record", fails)
    with pytest.raises(RuntimeError):
        choose(cast.alice, cast.newsletter, GIVEN)
    assert not ConsentEvent.objects.exists()
    assert not ConsentState.objects.exists()
    assert not Message.objects.filter(topic="consent.changed").exists()


def test_a_choice_that_is_rolled_back_leaves_no_entry(cast: Cast) -> None:
    with transaction.atomic():
        choose(cast.alice, cast.newsletter, GIVEN)
        transaction.set_rollback(True)
    assert not Entry.objects.filter(action="consent.given").exists()


def test_nothing_is_recorded_about_a_restricted_person(cast: Cast) -> None:
    choose(cast.alice, cast.newsletter, GIVEN)
    restrict_profile(actor=SERVICE, subject_id=cast.alice, reason="LI-TEST")
    with pytest.raises(PersonErased):
        choose(cast.alice, cast.newsletter, GIVEN)
    answer = decision(subject_id=cast.alice, purpose=cast.newsletter)
    assert (answer.allowed, answer.reason) == (False, "unknown_or_barred")
    assert not is_allowed(cast.alice, cast.delivery), "nor for a use that needs no yes"


def test_nothing_is_recorded_about_an_erased_person(cast: Cast) -> None:
    carry_out(request_id=make_request(cast.lindwerk, cast.alice, RequestKind.ERASURE).id)
    with pytest.raises(PersonErased):
        choose(cast.alice, cast.newsletter, GIVEN)
    with pytest.raises(PersonErased):
        answer_all(
            actor=Actor.subject(cast.alice),
            controller=cast.lindwerk,
            subject_id=cast.alice,
            locale="en",
            is_yes=True,
        )
    assert bring_in(cast.newsletter, known(cast.alice), known(cast.bob)) == 1
    assert not ConsentEvent.objects.filter(subject_id=cast.alice).exists()


def test_a_person_of_another_controller_has_no_choice_here(cast: Cast) -> None:
    with pytest.raises(PersonErased):
        choose(cast.charlie, cast.newsletter, GIVEN)
    assert bring_in(cast.newsletter, known(cast.charlie), known(uuid4())) == 0
    assert not is_allowed(cast.charlie, cast.delivery)


def test_there_is_no_yes_to_a_use_that_does_not_rest_on_it(cast: Cast) -> None:
    for action in (GIVEN, REFUSED, WITHDRAWN):
        with pytest.raises(NotAskedFor):
            choose(cast.alice, cast.delivery, action)
    with pytest.raises(NotAskedFor):
        import_choices(actor=SERVICE, purpose=cast.delivery, notice=cast.newsletter.notices.get(), choices=[])
    assert is_allowed(cast.alice, cast.delivery)
    choose(cast.alice, cast.delivery, ConsentAction.OBJECTED)
    assert not is_allowed(cast.alice, cast.delivery)


def answer(cast: Cast, *, is_yes: bool) -> int:
    return answer_all(
        actor=Actor.subject(cast.alice), controller=cast.lindwerk, subject_id=cast.alice, locale="en", is_yes=is_yes
    )


def test_refusing_all_withdraws_what_was_given_and_refuses_the_rest(cast: Cast) -> None:
    choose(cast.alice, cast.newsletter, GIVEN)
    assert answer(cast, is_yes=False) == 2
    states = {state.purpose: state.action for state in ConsentState.objects.of(cast.alice)}
    assert states == {cast.newsletter: WITHDRAWN, cast.recommendations: REFUSED}


def test_accepting_all_twice_records_it_once(cast: Cast) -> None:
    assert answer(cast, is_yes=True) == 2
    assert answer(cast, is_yes=True) == 0
    assert ConsentEvent.objects.filter(subject_id=cast.alice).count() == 2
    assert not ConsentState.objects.filter(purpose=cast.delivery).exists(), "nobody is asked about a contract"


def test_importing_choices_twice_changes_nothing_and_tells_nobody(cast: Cast) -> None:
    choices = known(cast.alice), known(cast.bob, REFUSED)
    assert bring_in(cast.newsletter, *choices) == 2
    before = list(ConsentEvent.objects.order_by("id").values())
    assert bring_in(cast.newsletter, *choices) == 0
    assert list(ConsentEvent.objects.order_by("id").values()) == before
    assert is_allowed(cast.alice, cast.newsletter)
    assert not is_allowed(cast.bob, cast.newsletter)
    assert not Message.objects.filter(topic="consent.changed").exists()
    assert Entry.objects.filter(action="consent.imported").count() == 2


def test_an_imported_choice_never_overrides_what_the_person_said_here(cast: Cast) -> None:
    choose(cast.alice, cast.newsletter, WITHDRAWN)
    assert bring_in(cast.newsletter, known(cast.alice, GIVEN)) == 0
    assert not is_allowed(cast.alice, cast.newsletter)


def test_of_several_imported_choices_of_one_person_the_latest_decides(cast: Cast) -> None:
    assert bring_in(cast.newsletter, known(cast.alice, WITHDRAWN, 5), known(cast.alice, GIVEN, 9)) == 2
    assert not is_allowed(cast.alice, cast.newsletter)


def test_nothing_occurs_after_it_is_recorded(cast: Cast) -> None:
    with pytest.raises(IntegrityError, match="nothing_occurs_after_it_is_recorded"), transaction.atomic():
        bring_in(cast.newsletter, known(cast.alice, GIVEN, -1))


def test_who_reads_another_language_agrees_to_the_text_that_they_were_shown(cast: Cast) -> None:
    answer_all(
        actor=Actor.subject(cast.alice), controller=cast.lindwerk, subject_id=cast.alice, locale="de", is_yes=True
    )
    event = ConsentEvent.objects.filter(subject_id=cast.alice, purpose=cast.newsletter).get()
    assert event.notice == cast.newsletter.notices.get(locale="en")
