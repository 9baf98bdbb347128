"""What the demonstration sets up: a controller, staff, uses of data, three linked systems and a thousand people."""

import json
import secrets
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from django.core.management import call_command
from tqdm import tqdm

from consent.models import Purpose
from consent.services import KnownChoice, define_purpose, import_choices, publish_notice
from consent.terms import ConsentAction, LegalBasis
from dsar.demo.environment import SAMPLE, folder_of
from dsar.demo.processes import MANAGE, Processes, free_port, wait_for
from identity_privacy import clock
from identity_privacy.access.models import Controller
from identity_privacy.access.services import add_staff, open_controller
from identity_privacy.access.terms import Role
from identity_privacy.actors import Actor
from identity_privacy.crypto.reading import Reading
from identity_privacy.delivery import webhooks
from identity_privacy.delivery.models import System
from identity_privacy.delivery.services import register_system
from identity_privacy.delivery.simulator import Mode
from identity_privacy.delivery.terms import SystemKind
from profiles.models import Identifier
from profiles.rules import BadRow, ImportMapping, Row, parse_mapping, read_csv
from profiles.services import ImportReport, import_profiles
from profiles.terms import IdentifierKind

DEMO = Actor.service("demo")
STAFF = "dana"


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """One linked system of the demonstration."""

    code: str
    name: str
    what_it_does: str
    mode: Mode
    how_it_behaves: str


PARTNERS = (
    Partner(
        code="shop",
        name="Kassenwerk",
        what_it_does="Runs the till of our shop.",
        mode=Mode.HEALTHY,
        how_it_behaves="answers at once and signs with its own key",
    ),
    Partner(
        code="mailer",
        name="Postbote",
        what_it_does="Sends our newsletter.",
        mode=Mode.FLAKY,
        how_it_behaves="refuses every message twice before it accepts",
    ),
    Partner(
        code="parcels",
        name="Paketlauf",
        what_it_does="Delivers our parcels.",
        mode=Mode.LATER,
        how_it_behaves="says 202 and reports back later",
    ),
)

USES = (
    ("newsletter", "Newsletter by e-mail", "We send you offers and news, at most twice a month.", ["mailer"]),
    (
        "recommendations",
        "Recommendations from what you bought",
        "We look at your orders to suggest things that you may like.",
        ["shop", "mailer"],
    ),
    (
        "sharing",
        "Sharing with advertising partners",
        "Other companies would show you our ads on their pages.",
        ["mailer"],
    ),
)


def set_up(host: str = "localhost") -> tuple[Controller, str]:
    """Databases, root key, controller, staff, uses and systems; returns the controller and Dana's password."""
    call_command("setup", verbosity=0)
    controller = open_controller(
        actor=DEMO,
        code="lindwerk",
        name="Lindwerk",
        host=host,
        country="DE",
        time_zone="Europe/Berlin",
        privacy_email="privacy@lindwerk.example",
    )
    password = secrets.token_urlsafe(12)
    add_staff(actor=DEMO, controller=controller, username=STAFF, password=password, role=Role.DPO)
    for partner in PARTNERS:
        _register(controller, partner)
    for position, (code, name, description, systems) in enumerate(USES):
        purpose = define_purpose(
            actor=DEMO,
            controller=controller,
            code=code,
            name=name,
            description=description,
            legal_basis=LegalBasis.CONSENT,
            systems=systems,
            position=position,
        )
        publish_notice(
            actor=DEMO, purpose=purpose, locale="en", text=f"I agree: {description} I can say no at any time."
        )
    define_purpose(
        actor=DEMO,
        controller=controller,
        code="orders",
        name="Delivering your orders",
        description="We need your name and address to send what you bought.",
        legal_basis=LegalBasis.CONTRACT,
        systems=["shop", "parcels"],
        position=len(USES),
    )
    define_purpose(
        actor=DEMO,
        controller=controller,
        code="payment",
        name="Payment by invoice",
        description="We check who you are before you pay by invoice.",
        legal_basis=LegalBasis.CONTRACT,
        position=len(USES) + 1,
    )
    return controller, password


def import_people(controller: Controller) -> ImportReport:
    """The sample's people as encrypted profiles, with an e-mail address made up for each."""
    with sample().open(encoding="utf-8", newline="") as lines:
        total = sum(1 for _ in lines) - 1
    with (
        sample().open(encoding="utf-8", errors="surrogateescape", newline="") as lines,
        tqdm(total=total, unit=" people", desc="importing") as bar,
    ):
        return import_profiles(
            actor=DEMO,
            controller=controller,
            rows=with_addresses(read_csv(lines)),
            mapping=sample_mapping(),
            progress=bar.update,
        )


def sample_mapping() -> ImportMapping:
    """How the sample's columns are read."""
    return parse_mapping(tomllib.loads((SAMPLE / "mapping.toml").read_text()))


def sample() -> Path:
    """The file of people that the demonstration imports."""
    return SAMPLE / "febrl1.csv"


def with_addresses(rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
    """Rows with the e-mail address that the demonstration makes up for each person."""
    for row in rows:
        if isinstance(row, BadRow):
            yield row
            continue
        yield Row(line=row.line, values={**row.values, "email": address_of(row.values)})


def address_of(values: Mapping[str, str]) -> str:
    """The e-mail address that a person of the sample is given."""
    name = ".".join(part for part in (values["given_name"].strip(), values["surname"].strip()) if part) or "customer"
    return f"{name.replace(' ', '')}.{values['rec_id'].strip()}@customers.example"


def record_choices(controller: Controller) -> int:
    """What each person answered to each use before they came here, made from their id so that every run is alike."""
    people = list(
        Identifier.objects.filter(controller=controller, kind=IdentifierKind.SOURCE_RECORD).values_list(
            "profile_id", "index"
        )
    )
    total = 0
    for purpose in Purpose.objects.of(controller.id).asked():
        choices = [_choice(subject_id, bytes(index), purpose.code) for subject_id, index in people]
        notice = purpose.notices.current("en").get()
        total += import_choices(actor=DEMO, purpose=purpose, notice=notice, choices=choices)
    return total


def person_of(controller: Controller, record_id: str) -> UUID:
    """The person whom a record of the sample became."""
    named = Identifier.objects.naming(
        controller.id, IdentifierKind.SOURCE_RECORD, f"{sample_mapping().source}:{record_id}"
    )
    return named.get().profile_id


def someone_to_sign_in_as(controller: Controller) -> str:
    """The address of a person of the sample who is still known here."""
    with sample().open(encoding="utf-8", newline="") as lines:
        for row in read_csv(lines):
            if isinstance(row, Row) and all(row.values[name].strip() for name in ("given_name", "surname", "suburb")):
                address = address_of(row.values)
                named = Identifier.objects.naming(controller.id, IdentifierKind.EMAIL, address)
                if named.filter(profile__erased_at=None).exists():
                    return address
    raise LookupError("nobody of the sample is known here")


def start_partners(processes: Processes, controller: Controller) -> None:
    """Start the three linked systems, each a process of its own, with the secrets that it shares with us."""
    keys = json.loads(_partner_keys().read_text())
    systems = {system.code: system for system in System.objects.filter(controller=controller)}
    reading = Reading(
        actor=DEMO,
        what="system_secret",
        purpose="hand over secrets",
        subject_id=None,
        reason="start the linked systems",
    )
    with reading:
        for partner in PARTNERS:
            system = systems[partner.code]
            port = urlsplit(system.endpoint).port or 0
            processes.start(
                f"partner-{partner.code}",
                MANAGE, "partner", "simulate",
                "--port", str(port),
                "--mode", partner.mode,
                "--effects", str(folder_of("partners") / f"{partner.code}.sqlite3"),
                "--log", str(folder_of("logs") / f"partner-{partner.code}.jsonl"),
                PARTNER_SECRET=system.outbound_secret,
                PARTNER_INBOUND_SECRET=system.inbound_secret,
                PARTNER_PRIVATE_KEY=keys.get(partner.code, ""),
            )  # fmt: skip
    for partner in PARTNERS:
        wait_for(urlsplit(systems[partner.code].endpoint).port or 0)


def _register(controller: Controller, partner: Partner) -> None:
    public_key = ""
    if partner.mode is Mode.HEALTHY:
        private_key = webhooks.new_private_key()
        public_key = webhooks.public_half(private_key)
        _partner_keys().touch(mode=0o600)
        _partner_keys().write_text(json.dumps({partner.code: private_key}))
    register_system(
        actor=DEMO,
        controller=controller,
        code=partner.code,
        name=partner.name,
        kind=SystemKind.WEBHOOK,
        what_it_does=partner.what_it_does,
        country="DE",
        endpoint=f"http://127.0.0.1:{free_port()}/",
        public_key=public_key,
        categories=["identity", "contact"],
        owner_contact="demo",
    )


def _partner_keys() -> Path:
    return folder_of("partners") / "private-keys.json"


def _choice(subject_id: UUID, index: bytes, purpose: str) -> KnownChoice:
    die = sha256(index + purpose.encode()).digest()
    action = ConsentAction.GIVEN if die[0] < 150 else ConsentAction.REFUSED
    return KnownChoice(
        subject_id=subject_id, action=action, occurred_at=clock.now() - timedelta(days=1 + die[1], minutes=die[2])
    )
