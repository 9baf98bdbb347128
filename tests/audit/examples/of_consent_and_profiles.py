"""Consent's verbs and profiles'."""

from datetime import timedelta

from consent import services as consent
from consent.services import KnownChoice
from consent.terms import Channel, ConsentAction, LegalBasis
from identity_privacy import clock
from identity_privacy.actors import Actor
from profiles import services as profiles
from profiles.rules import AttributeMapping, ImportMapping, Row
from profiles.terms import Category, IdentifierKind
from tests.audit.verbs import Act, Entered, shows
from tests.cast import Cast
from tests.factories import SERVICE


@shows(consent.define_purpose)
def define_purpose(cast: Cast) -> Act:
    def run() -> object:
        return consent.define_purpose(
            actor=SERVICE,
            controller=cast.lindwerk,
            code="raffle",
            name="Raffle",
            description="We draw lots.",
            legal_basis=LegalBasis.CONSENT,
        ).id

    return Act(
        run=run,
        enters=lambda made: [Entered("purpose.defined", SERVICE, ("purpose", made), controller_id=cast.lindwerk.id)],
    )


@shows(consent.publish_notice)
def publish_notice(cast: Cast) -> Act:
    return Act(
        run=lambda: consent.publish_notice(actor=SERVICE, purpose=cast.newsletter, locale="en", text="Anew.").id,
        enters=lambda made: [Entered("notice.published", SERVICE, ("notice", made), controller_id=cast.lindwerk.id)],
    )


@shows(consent.record_choice)
def record_choice(cast: Cast) -> Act:
    alice = Actor.subject(cast.alice)
    target = ("purpose", cast.newsletter.id)
    return Act(
        run=lambda: consent.record_choice(
            actor=alice,
            subject_id=cast.alice,
            purpose=cast.newsletter,
            action=ConsentAction.GIVEN,
            notice=cast.newsletter.notices.get(),
            channel=Channel.PORTAL,
            method="switch",
        ),
        enters=lambda _: [Entered("consent.given", alice, target, cast.alice, cast.lindwerk.id)],
    )


@shows(consent.answer_all)
def answer_all(cast: Cast) -> Act:
    alice = Actor.subject(cast.alice)
    asked = (cast.newsletter, cast.recommendations)
    return Act(
        run=lambda: consent.answer_all(
            actor=alice, controller=cast.lindwerk, subject_id=cast.alice, locale="en", is_yes=False
        ),
        enters=lambda _: [
            Entered("consent.answered_all", alice, ("subject", cast.alice), cast.alice, cast.lindwerk.id),
            *(
                Entered("consent.refused", alice, ("purpose", purpose.id), cast.alice, cast.lindwerk.id)
                for purpose in asked
            ),
        ],
    )


@shows(consent.import_choices)
def import_choices(cast: Cast) -> Act:
    known = KnownChoice(subject_id=cast.alice, action=ConsentAction.GIVEN, occurred_at=clock.now() - timedelta(days=1))
    return Act(
        run=lambda: consent.import_choices(
            actor=SERVICE, purpose=cast.newsletter, notice=cast.newsletter.notices.get(), choices=[known]
        ),
        enters=lambda _: [
            Entered("consent.imported", SERVICE, ("purpose", cast.newsletter.id), None, cast.lindwerk.id)
        ],
    )


MAPPING = ImportMapping(
    source="The till",
    record_id="no",
    identifiers={IdentifierKind.EMAIL: "mail"},
    attributes=(
        AttributeMapping(code="shoe", column="shoe", label="Shoe size", category=Category.IDENTITY, purposes=()),
    ),
    links={},
)


@shows(profiles.define_attributes)
def define_attributes(cast: Cast) -> Act:
    target = ("controller", cast.lindwerk.id)
    return Act(
        run=lambda: profiles.define_attributes(actor=SERVICE, controller=cast.lindwerk, mapping=MAPPING),
        enters=lambda _: [Entered("attributes.defined", SERVICE, target, None, cast.lindwerk.id)],
    )


@shows(profiles.import_profiles)
def import_profiles(cast: Cast) -> Act:
    row = Row(line=2, values={"no": "17", "mail": "eve@example.org", "shoe": "41"})
    target = ("controller", cast.lindwerk.id)
    return Act(
        run=lambda: profiles.import_profiles(actor=SERVICE, controller=cast.lindwerk, rows=[row], mapping=MAPPING),
        enters=lambda _: [
            Entered("attributes.defined", SERVICE, target, None, cast.lindwerk.id),
            Entered("profiles.imported", SERVICE, target, None, cast.lindwerk.id),
        ],
    )


@shows(profiles.restrict_profile)
def restrict_profile(cast: Cast) -> Act:
    return Act(
        run=lambda: profiles.restrict_profile(actor=SERVICE, subject_id=cast.alice, reason="asked"),
        enters=lambda _: [
            Entered("profile.restricted", SERVICE, ("profile", cast.alice), cast.alice, cast.lindwerk.id)
        ],
    )
