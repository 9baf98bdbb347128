"""The people and systems that every test knows.

Alice and Bob are customers of Lindwerk, Charlie is a customer of Otherwerk and must see nothing of Lindwerk's. Shop
and Mailer are systems linked to Lindwerk.
"""

from dataclasses import dataclass
from uuid import UUID

from consent.models import Purpose
from consent.terms import LegalBasis
from identity_privacy.access.models import Controller
from identity_privacy.delivery.models import System
from tests.factories import make_controller, make_person, make_purpose, make_system

ALICE_EMAIL = "alice.brandt@example.org"
BOB_EMAIL = "bob@example.org"
CHARLIE_EMAIL = "charlie@example.org"
OTHER_HOST = "privacy.otherwerk.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Everybody, on stage."""

    lindwerk: Controller
    otherwerk: Controller
    shop: System
    mailer: System
    newsletter: Purpose
    recommendations: Purpose
    delivery: Purpose
    alice: UUID
    bob: UUID
    charlie: UUID


def enter(*, host: str = "localhost", endpoint: str = "") -> Cast:
    """Bring everybody on stage; Lindwerk's portal is at `host`, its systems listen at `endpoint` if one is given."""
    lindwerk = make_controller(host=host)
    otherwerk = make_controller("otherwerk", "Otherwerk", OTHER_HOST)
    shop = make_system(
        lindwerk, "shop", name="Kassenwerk", what_it_does="Runs the till of our shop.", endpoint=endpoint
    )
    mailer = make_system(
        lindwerk,
        "mailer",
        name="Postbote",
        what_it_does="Sends our newsletter.",
        categories=("contact",),
        endpoint=endpoint,
    )
    return Cast(
        lindwerk=lindwerk,
        otherwerk=otherwerk,
        shop=shop,
        mailer=mailer,
        delivery=make_purpose(
            lindwerk,
            "delivery",
            name="Delivering your orders",
            description="We need your name and address to send what you bought.",
            basis=LegalBasis.CONTRACT,
        ),
        newsletter=make_purpose(lindwerk, "newsletter", name="Newsletter by e-mail", systems=["mailer"], position=1),
        recommendations=make_purpose(
            lindwerk,
            "recommendations",
            name="Recommendations from what you bought",
            description="We look at your orders to suggest things that you may like.",
            systems=["shop", "mailer"],
            position=2,
        ),
        alice=make_person(
            lindwerk,
            email=ALICE_EMAIL,
            given_name="alice",
            more={
                "date_of_birth": "1988-05-12",
                "address": "Freiherr-vom-Stein-Straße 118a, Hinterhaus, 40217 Düsseldorf",
                "social_security_number": "5304218",
            },
            systems=[shop, mailer],
            purposes=["delivery", "newsletter"],
        ),
        bob=make_person(lindwerk, email=BOB_EMAIL, given_name="bob", systems=[shop]),
        charlie=make_person(otherwerk, email=CHARLIE_EMAIL, given_name="charlie"),
    )
