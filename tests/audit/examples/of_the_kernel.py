"""The verbs of access, of the log itself and of delivery."""

from datetime import date, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth import SESSION_KEY

from identity_privacy import clock
from identity_privacy.access import services as access
from identity_privacy.access.devices import Device
from identity_privacy.access.models import BarredAccount, SignIn, SignInCode, SignInTally, User
from identity_privacy.access.services.programs import NewSecret
from identity_privacy.access.sessions import SessionStore
from identity_privacy.access.terms import Role, SignInMethod
from identity_privacy.actors import Actor
from identity_privacy.audit import services as audit
from identity_privacy.audit.checkpoints import log_name
from identity_privacy.audit.continuity import keep
from identity_privacy.audit.exporting import Selection
from identity_privacy.audit.models import Checkpoint, Entry
from identity_privacy.audit.note import signed_checkpoint
from identity_privacy.audit.pending import keep_pending
from identity_privacy.crypto.events import KeyEvent
from identity_privacy.crypto.models import Incident
from identity_privacy.crypto.reading import Reading
from identity_privacy.delivery import services as delivery
from identity_privacy.delivery.models import Message
from identity_privacy.delivery.services import NewLink
from identity_privacy.delivery.terms import MessageState, SystemKind
from profiles.models import Profile
from tests.audit.aged import OLD, enter_on
from tests.audit.verbs import Act, Entered, shows
from tests.audit.witnessed import WITNESS, cosigned, grow
from tests.cast import ALICE_EMAIL, Cast
from tests.delivery.world import make_message
from tests.factories import SERVICE
from tests.staff import hire

STRANGER = Actor.stranger()
SINGLE_SIGN_ON = Actor.service("single_sign_on")
LOG = ("log", "identity-privacy.example/log")


# --- Access -------------------------------------------------------------------------------------------


@shows(access.open_controller)
def open_controller(cast: Cast) -> Act:
    def run() -> UUID:
        return access.open_controller(
            actor=SERVICE,
            code="third",
            name="Third",
            host="third.example",
            country="DE",
            time_zone="Europe/Berlin",
            privacy_email="privacy@third.example",
        ).id

    return Act(
        run=run,
        enters=lambda made: [Entered("controller.opened", SERVICE, ("controller", made), None, UUID(str(made)))],
    )


@shows(access.add_staff)
def add_staff(cast: Cast) -> Act:
    return Act(
        run=lambda: (
            access.add_staff(
                actor=SERVICE, controller=cast.lindwerk, username="dana", password=uuid4().hex, role=Role.DPO
            ).id
        ),
        enters=lambda made: [Entered("staff.added", SERVICE, ("user", made), None, cast.lindwerk.id)],
    )


@shows(access.give_role)
def give_role(cast: Cast) -> Act:
    dana = hire("Dana", cast.lindwerk)
    return Act(
        run=lambda: access.give_role(actor=SERVICE, user=dana, controller=cast.lindwerk, role=Role.AUDITOR),
        enters=lambda _: [Entered("role.given", SERVICE, ("user", dana.id), None, cast.lindwerk.id)],
    )


@shows(access.take_role)
def take_role(cast: Cast) -> Act:
    dana = hire("Dana", cast.lindwerk)
    return Act(
        run=lambda: access.take_role(actor=SERVICE, user=dana, controller=cast.lindwerk, role=Role.DPO),
        enters=lambda _: [Entered("role.taken", SERVICE, ("user", dana.id), None, cast.lindwerk.id)],
    )


def make_program(cast: Cast) -> NewSecret:
    return access.create_api_client(actor=SERVICE, controller=cast.lindwerk, code="shop", role=Role.API_READER)


@shows(access.create_api_client)
def create_api_client(cast: Cast) -> Act:
    return Act(
        run=lambda: make_program(cast).client.id,
        enters=lambda made: [Entered("api_client.created", SERVICE, ("api_client", made), None, cast.lindwerk.id)],
    )


@shows(access.rotate_api_client)
def rotate_api_client(cast: Cast) -> Act:
    client = make_program(cast).client
    return Act(
        run=lambda: access.rotate_api_client(actor=SERVICE, client=client),
        enters=lambda _: [Entered("api_client.rotated", SERVICE, ("api_client", client.id), None, cast.lindwerk.id)],
    )


@shows(access.revoke_api_client)
def revoke_api_client(cast: Cast) -> Act:
    client = make_program(cast).client
    return Act(
        run=lambda: access.revoke_api_client(actor=SERVICE, client=client),
        enters=lambda _: [Entered("api_client.revoked", SERVICE, ("api_client", client.id), None, cast.lindwerk.id)],
    )


@shows(access.enter_token)
def enter_token(cast: Cast) -> Act:
    client = make_program(cast).client
    who, target = Actor.client(client.id), ("api_client", client.id)
    return Act(
        run=lambda: access.enter_token(client=client),
        enters=lambda _: [Entered("api_client.token_given", who, target, None, cast.lindwerk.id)],
    )


@shows(access.request_sign_in_code)
def request_sign_in_code(cast: Cast) -> Act:
    return Act(
        run=lambda: access.request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL).id,
        enters=lambda made: [
            Entered("sign_in.code_requested", STRANGER, ("sign_in_code", made), cast.alice, cast.lindwerk.id)
        ],
    )


@shows(access.accept_code)
def accept_code(cast: Cast) -> Act:
    code = access.request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    message = Message.objects.get(subject_id=cast.alice, topic="sign_in_code")
    with Reading(actor=SERVICE, purpose="test", reason="test", subject_id=None):
        sent = next(word for word in str(message.body["text"]).split() if word.isdigit() and len(word) == 6)
    return Act(
        run=lambda: access.accept_code(code_id=code.id, code=sent),
        enters=lambda _: [of_alice(cast, "sign_in.code_accepted", ("sign_in_code", code.id))],
    )


@shows(access.forget_codes)
def forget_codes(cast: Cast) -> Act:
    code: SignInCode = access.request_sign_in_code(controller=cast.lindwerk, email=ALICE_EMAIL)
    SignInTally.objects.filter(codes=code.id).update(asked_at=clock.now() - timedelta(days=3))
    return Act(
        run=access.forget_codes,
        enters=lambda _: [Entered("sign_in.forgotten", Actor.service("access"), ("sign_in_tally", "idle"))],
    )


def of_alice(cast: Cast, action: str, target: tuple[str, object]) -> Entered:
    """What she does herself at Lindwerk."""
    return Entered(action, Actor.subject(cast.alice), target, cast.alice, cast.lindwerk.id)


def alice_signs_in(cast: Cast, browser: str = "Firefox") -> SignIn:
    return access.enter_sign_in(
        user=User.objects.for_subject(cast.lindwerk, cast.alice),
        controller=cast.lindwerk,
        method=SignInMethod.CODE,
        has_app_code=False,
        device=Device(token="t", network="192.0.2.0/24", browser=browser, platform="Linux"),
        session_id=None,
    )


@shows(access.enter_sign_in)
def enter_sign_in(cast: Cast) -> Act:
    return Act(
        run=lambda: alice_signs_in(cast).id,
        enters=lambda made: [of_alice(cast, "sign_in.succeeded", ("sign_in", made))],
    )


@shows(access.enter_confirmation)
def enter_confirmation(cast: Cast) -> Act:
    user = User.objects.for_subject(cast.lindwerk, cast.alice)
    return Act(
        run=lambda: access.enter_confirmation(user=user, controller=cast.lindwerk, method="totp"),
        enters=lambda _: [of_alice(cast, "sign_in.confirmed", ("user", user.id))],
    )


@shows(access.enter_refusal)
def enter_refusal(cast: Cast) -> Act:
    user = User.objects.for_subject(cast.lindwerk, cast.alice)
    entered = Entered("sign_in.authenticator_refused", STRANGER, ("user", user.id), cast.alice, cast.lindwerk.id)
    return Act(
        run=lambda: access.enter_refusal(user=user, controller=cast.lindwerk, method="app_code"),
        enters=lambda _: [entered],
    )


@shows(access.enter_authenticators)
def enter_authenticators(cast: Cast) -> Act:
    user = User.objects.for_subject(cast.lindwerk, cast.alice)
    return Act(
        run=lambda: access.enter_authenticators(user=user, controller=cast.lindwerk, added=["totp"], removed=[]),
        enters=lambda _: [of_alice(cast, "authenticators.changed", ("user", user.id))],
        reads=frozenset([cast.alice]),  # the address that she is told at
    )


@shows(access.link_account)
def link_account(cast: Cast) -> Act:
    user = User.objects.for_subject(cast.lindwerk, cast.alice)
    account = SocialAccount(provider="shop", uid="0" * 64)
    return Act(
        run=lambda: access.link_account(controller=cast.lindwerk, subject_id=cast.alice, account=account),
        enters=lambda _: [of_alice(cast, "authenticators.changed", ("user", user.id))],
        reads=frozenset([cast.alice]),  # the address that she is told at
    )


@shows(access.unlink_account)
def unlink_account(cast: Cast) -> Act:
    user = User.objects.for_subject(cast.lindwerk, cast.alice)
    account = SocialAccount.objects.create(user=user, provider="shop", uid="0" * 64)
    return Act(
        run=lambda: access.unlink_account(user=user, controller=cast.lindwerk, account_id=account.pk),
        enters=lambda _: [of_alice(cast, "authenticators.changed", ("user", user.id))],
        reads=frozenset([cast.alice]),
    )


@shows(access.unbar_account)
def unbar_account(cast: Cast) -> Act:
    user = User.objects.for_subject(cast.lindwerk, cast.alice)
    barred = BarredAccount.objects.create(user=user, provider="shop", uid="0" * 64)
    return Act(
        run=lambda: access.unbar_account(user=user, controller=cast.lindwerk, barred_id=barred.pk),
        enters=lambda _: [of_alice(cast, "authenticators.changed", ("user", user.id))],
        reads=frozenset([cast.alice]),
    )


@shows(access.enter_staff_sign_in)
def enter_staff_sign_in(cast: Cast) -> Act:
    dana = hire("Dana", cast.lindwerk)
    return Act(
        run=lambda: access.enter_staff_sign_in(
            user=dana, controller=cast.lindwerk, method="password", has_second_factor=True
        ),
        enters=lambda _: [Entered("staff.signed_in", Actor.user(dana.id), ("user", dana.id), None, cast.lindwerk.id)],
    )


@shows(access.enter_staff_refusal)
def enter_staff_refusal(cast: Cast) -> Act:
    dana = hire("Dana", cast.lindwerk)
    return Act(
        run=lambda: access.enter_staff_refusal(username="Dana", controller=cast.lindwerk),
        enters=lambda _: [Entered("staff.refused", STRANGER, ("user", dana.id), None, cast.lindwerk.id)],
    )


@shows(access.enter_second_factor)
def enter_second_factor(cast: Cast) -> Act:
    dana = hire("Dana", cast.lindwerk)
    this = session_of(dana)
    return Act(
        run=lambda: access.enter_second_factor(user=dana, controller=cast.lindwerk, but=this),
        enters=lambda _: [
            Entered("staff.second_factor_set", Actor.user(dana.id), ("user", dana.id), None, cast.lindwerk.id)
        ],
    )


@shows(access.reset_second_factor)
def reset_second_factor(cast: Cast) -> Act:
    dana = hire("Dana", cast.lindwerk)
    Authenticator.objects.create(user=dana, type=Authenticator.Type.TOTP, data={})
    return Act(
        run=lambda: access.reset_second_factor(actor=SERVICE, user=dana),
        enters=lambda _: [Entered("staff.second_factor_reset", SERVICE, ("user", dana.id))],
    )


@shows(access.admit_staff)
def admit_staff(cast: Cast) -> Act:
    def run() -> object:
        account = SocialAccount(provider="company", uid="0" * 64)
        return access.admit_staff(controller=cast.lindwerk, account=account, name="dana", roles=[Role.DPO]).id

    return Act(
        run=run,
        enters=lambda made: [Entered("role.given", SINGLE_SIGN_ON, ("user", made), None, cast.lindwerk.id)],
    )


@shows(access.cut_off_staff)
def cut_off_staff(cast: Cast) -> Act:
    dana = hire("Dana", cast.lindwerk)
    return Act(
        run=lambda: access.cut_off_staff(user=dana, controller=cast.lindwerk),
        enters=lambda _: [
            Entered(action, SINGLE_SIGN_ON, ("user", dana.id), None, cast.lindwerk.id)
            for action in ("role.taken", "staff.cut_off")
        ],
    )


@shows(access.end_sessions_of_account)
def end_sessions_of_account(cast: Cast) -> Act:
    user = User.objects.for_subject(cast.lindwerk, cast.alice)
    SocialAccount.objects.create(user=user, provider="shop", uid="0" * 64)
    target = ("user", user.id)
    return Act(
        run=lambda: access.end_sessions_of_account(controller=cast.lindwerk, provider="shop", uid="0" * 64),
        enters=lambda _: [Entered("session.ended_by_provider", SINGLE_SIGN_ON, target, cast.alice, cast.lindwerk.id)],
    )


@shows(access.break_glass)
def break_glass(cast: Cast) -> Act:
    dana = hire("Dana", cast.lindwerk)
    return Act(
        run=lambda: access.break_glass(
            actor=SERVICE, user=dana, controller=cast.lindwerk, reason="the log is full", lasting=timedelta(hours=1)
        ),
        enters=lambda _: [Entered("staff.broke_glass", SERVICE, ("user", dana.id), None, cast.lindwerk.id)],
    )


@shows(access.mend_glass)
def mend_glass(cast: Cast) -> Act:
    dana = hire("Dana", cast.lindwerk)
    User.objects.filter(pk=dana.pk).update(broke_glass_at=cast.lindwerk, broke_glass_until=clock.machine_now())
    return Act(
        run=lambda: access.mend_glass(actor=SERVICE, user=dana),
        enters=lambda _: [Entered("staff.mended_glass", SERVICE, ("user", dana.id), None, cast.lindwerk.id)],
    )


@shows(access.mend_old_glass)
def mend_old_glass(cast: Cast) -> Act:
    dana = hire("Dana", cast.lindwerk)
    over = clock.machine_now() - timedelta(minutes=1)
    User.objects.filter(pk=dana.pk).update(broke_glass_at=cast.lindwerk, broke_glass_until=over)
    return Act(
        run=access.mend_old_glass,
        enters=lambda _: [
            Entered("staff.mended_glass", Actor.service("access"), ("user", dana.id), None, cast.lindwerk.id)
        ],
    )


@shows(access.end_session)
def end_session(cast: Cast) -> Act:
    user = User.objects.for_subject(cast.lindwerk, cast.alice)
    session_id = session_of(user)
    return Act(
        run=lambda: access.end_session(user=user, controller=cast.lindwerk, session_id=session_id),
        enters=lambda _: [of_alice(cast, "session.ended", ("session", session_id))],
    )


@shows(access.end_other_sessions)
def end_other_sessions(cast: Cast) -> Act:
    user = User.objects.for_subject(cast.lindwerk, cast.alice)
    this = session_of(user)
    session_of(user)
    return Act(
        run=lambda: access.end_other_sessions(user=user, controller=cast.lindwerk, but=this),
        enters=lambda _: [of_alice(cast, "session.ended", ("session", "others"))],
    )


@shows(access.forget_sign_ins)
def forget_sign_ins(cast: Cast) -> Act:
    alice_signs_in(cast)
    SignIn.objects.update(at=clock.now() - timedelta(days=401))
    return Act(
        run=access.forget_sign_ins,
        enters=lambda _: [Entered("sign_in.history_forgotten", Actor.service("access"), ("sign_in", "old"))],
    )


def session_of(user: User) -> UUID:
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session.create()
    assert session.row_id
    return session.row_id


# --- The log itself -----------------------------------------------------------------------------------


@shows(audit.record)
def record(cast: Cast) -> Act:
    return Act(
        run=lambda: audit.record(
            actor=SERVICE,
            action="test.done",
            target=("thing", "1"),
            controller_id=cast.lindwerk.id,
            subject_id=cast.alice,
        ),
        enters=lambda _: [Entered("test.done", SERVICE, ("thing", "1"), cast.alice, cast.lindwerk.id)],
    )


def reading(cast: Cast) -> Reading:
    return Reading(actor=SERVICE, purpose="test", reason="test", subject_id=cast.alice, controller_id=cast.lindwerk.id)


@shows(audit.record_reading)
def record_reading(cast: Cast) -> Act:
    return Act(
        run=lambda: audit.record_reading(reading(cast)),
        reads=frozenset([cast.alice]),
        why_none="the reading is all that is done",
    )


@shows(audit.record_key_event)
def record_key_event(cast: Cast) -> Act:
    event = KeyEvent(action="keys.dek_rotated", controller_id=cast.lindwerk.id, subject_id=cast.alice)
    return Act(
        run=lambda: audit.record_key_event(event),
        enters=lambda _: [
            Entered("keys.dek_rotated", Actor.service("keys"), ("keys", cast.alice), cast.alice, cast.lindwerk.id)
        ],
    )


@shows(audit.take_over_incidents)
def take_over_incidents(cast: Cast) -> Act:
    incident = Incident.objects.create(
        at=clock.now(),
        code="wrong-place",
        place="profiles.identifier.value",
        row_id=uuid4(),
        key_id=uuid4(),
        actor_kind=SERVICE.kind.value,
        actor_id=SERVICE.id,
        purpose="test",
        controller_id=cast.lindwerk.id,
        subject_id=cast.alice,
    )
    target = ("row", incident.row_id)
    return Act(
        run=audit.take_over_incidents,
        enters=lambda _: [Entered("value.unreadable", SERVICE, target, cast.alice, cast.lindwerk.id)],
    )


@shows(audit.take_over_readings)
def take_over_readings(cast: Cast) -> Act:
    entry = Entry(
        at=clock.now() - timedelta(days=2),
        actor_kind=SERVICE.kind.value,
        actor_id=SERVICE.id,
        action="personal_data.read",
        target_kind="subject",
        target_id=str(cast.alice),
        controller_id=cast.lindwerk.id,
        subject_id=cast.alice,
    )
    keep_pending(entry)
    return Act(
        run=audit.take_over_readings,
        reads=frozenset([cast.alice]),
        why_none="the readings that it takes over are all that it enters",
    )


@shows(audit.sequence)
def sequence(cast: Cast) -> Act:
    return Act(run=audit.sequence, is_durable=True, why_none="it gives entries their place, and signs that")


@shows(audit.hand_over)
def hand_over(cast: Cast) -> Act:
    audit.sequence()
    lost = Checkpoint(
        epoch=1, size=10_000, root=bytes(32), at=clock.now(), note=signed_checkpoint(log_name(1), 10_000, bytes(32))
    )
    keep("w", lost)
    return Act(
        run=lambda: audit.hand_over(actor=SERVICE),
        enters=lambda _: [Entered("log.handed_over", SERVICE, ("log", log_name(2)))],
        is_durable=True,
    )


@shows(audit.check_log)
def check_log(cast: Cast) -> Act:
    audit.sequence()
    return Act(run=lambda: audit.check_log(actor=SERVICE), enters=lambda _: [Entered("log.verified", SERVICE, LOG)])


@shows(audit.ask_for_check)
def ask_for_check(cast: Cast) -> Act:
    return Act(
        run=lambda: audit.ask_for_check(actor=SERVICE), enters=lambda _: [Entered("log.check_asked", SERVICE, LOG)]
    )


@shows(audit.check_if_asked)
def check_if_asked(cast: Cast) -> Act:
    audit.sequence()
    audit.ask_for_check(actor=SERVICE)
    return Act(run=audit.check_if_asked, enters=lambda _: [Entered("log.verified", SERVICE, LOG)])


@shows(audit.export_entries)
def export_entries(cast: Cast) -> Act:
    audit.sequence()

    def run() -> object:
        lines = audit.export_entries(
            actor=SERVICE,
            entries=Entry.objects.all(),
            controllers=[cast.lindwerk.id],
            by=["subject"],
            subject_id=cast.alice,
        )
        return len(list(lines))

    return Act(run=run, enters=lambda _: [Entered("log.exported", SERVICE, LOG, cast.alice, cast.lindwerk.id)])


@shows(audit.export_log)
def export_log(cast: Cast) -> Act:
    folder = Path(settings.MEDIA_ROOT) / "export"

    def run() -> object:
        return audit.export_log(actor=SERVICE, folder=folder, selection=Selection(subject_id=cast.alice))

    return Act(
        run=run,
        enters=lambda _: [Entered("log.exported", SERVICE, LOG, cast.alice, cast.lindwerk.id)],
        is_durable=True,
    )


@shows(audit.check_commitment)
def check_commitment(cast: Cast) -> Act:
    entry_id = audit.record(
        actor=SERVICE,
        action="test.done",
        target=("thing", "1"),
        controller_id=cast.lindwerk.id,
        subject_id=cast.alice,
        commitments={"contact": ALICE_EMAIL},
    )
    return Act(
        run=lambda: audit.check_commitment(actor=SERVICE, entry_id=entry_id, name="contact", value=ALICE_EMAIL),
        enters=lambda _: [Entered("commitment.checked", SERVICE, ("entry", entry_id), cast.alice, cast.lindwerk.id)],
    )


@shows(audit.rotate_checkpoint_key)
def rotate_checkpoint_key(cast: Cast) -> Act:
    audit.sequence()

    def run() -> UUID:
        _, new = audit.rotate_checkpoint_key(actor=SERVICE)
        return new.id

    return Act(run=run, enters=lambda made: [Entered("checkpoint_key.rotated", SERVICE, ("signing_key", made))])


@shows(audit.accept_cosignature)
def accept_cosignature(cast: Cast) -> Act:
    checkpoint = grow()
    return Act(
        run=lambda: audit.accept_cosignature(note=cosigned(checkpoint)),
        enters=lambda _: [Entered("checkpoint.cosigned", Actor.witness(WITNESS.name), LOG)],
    )


@shows(audit.prune)
def prune(cast: Cast) -> Act:
    enter_on(OLD, 2)
    return Act(
        run=lambda: audit.prune(date(2015, 4, 1), actor=SERVICE, account="operator7"),
        enters=lambda _: [Entered("log.pruned", SERVICE, LOG)],
        is_durable=True,
    )


# --- Delivery -----------------------------------------------------------------------------------------


@shows(delivery.register_system)
def register_system(cast: Cast) -> Act:
    return Act(
        run=lambda: (
            delivery.register_system(
                actor=SERVICE,
                controller=cast.lindwerk,
                code="crm",
                name="Kartei",
                kind=SystemKind.WEBHOOK,
                endpoint="https://crm.example/hooks",
            ).id
        ),
        enters=lambda made: [Entered("system.registered", SERVICE, ("system", made), None, cast.lindwerk.id)],
    )


@shows(delivery.switch_off_system)
def switch_off_system(cast: Cast) -> Act:
    target = ("system", cast.shop.id)
    return Act(
        run=lambda: delivery.switch_off_system(actor=SERVICE, system=cast.shop, reason="moved"),
        enters=lambda _: [Entered("system.switched_off", SERVICE, target, None, cast.lindwerk.id)],
    )


@shows(delivery.switch_on_system)
def switch_on_system(cast: Cast) -> Act:
    target = ("system", cast.shop.id)
    return Act(
        run=lambda: delivery.switch_on_system(actor=SERVICE, system=cast.shop, reason="back"),
        enters=lambda _: [Entered("system.switched_on", SERVICE, target, None, cast.lindwerk.id)],
    )


def key_of(cast: Cast, subject_id: UUID) -> UUID:
    return Profile.objects.get(id=subject_id).data_key_id


@shows(delivery.link_subject)
def link_subject(cast: Cast) -> Act:
    key_id = key_of(cast, cast.bob)
    target = ("system", cast.mailer.id)
    return Act(
        run=lambda: delivery.link_subject(
            actor=SERVICE, system=cast.mailer, subject_id=cast.bob, data_key_id=key_id, account_id="b-1"
        ),
        enters=lambda _: [Entered("links.added", SERVICE, target, cast.bob, cast.lindwerk.id)],
    )


@shows(delivery.link_subjects)
def link_subjects(cast: Cast) -> Act:
    new = NewLink(subject_id=cast.bob, data_key_id=key_of(cast, cast.bob), account_id="b-1")
    target = ("system", cast.mailer.id)
    return Act(
        run=lambda: delivery.link_subjects(actor=SERVICE, system=cast.mailer, links=[new]),
        enters=lambda _: [Entered("links.added", SERVICE, target, cast.bob, cast.lindwerk.id)],
    )


@shows(delivery.replay_message)
def replay_message(cast: Cast) -> Act:
    message = make_message(cast.shop)
    Message.objects.filter(id=message.id).update(state=MessageState.DEAD, dead_at=clock.now())
    target = ("message", message.id)
    return Act(
        run=lambda: delivery.replay_message(actor=SERVICE, message=message),
        enters=lambda _: [Entered("message.replayed", SERVICE, target, None, cast.lindwerk.id)],
    )


@shows(delivery.deliver_due)
def deliver_due(cast: Cast) -> Act:
    Message.objects.all().delete()
    access.request_sign_in_code(controller=cast.lindwerk, email="nobody@example.org")
    message = Message.objects.get()
    return Act(
        run=delivery.deliver_due,
        enters=lambda _: [
            Entered("message.delivered", Actor.service("delivery"), ("message", message.id), None, cast.lindwerk.id)
        ],
        reads=frozenset([None]),
    )


@shows(delivery.claim_due)
def claim_due(cast: Cast) -> Act:
    make_message(cast.shop)
    return Act(run=lambda: delivery.claim_due(5), why_none="what becomes of a message is entered when it ends")


@shows(delivery.enqueue)
def enqueue(cast: Cast) -> Act:
    key_id = key_of(cast, cast.alice)
    return Act(
        run=lambda: make_message(cast.shop, key=key_id), why_none="the verb that causes a message enters what it did"
    )


@shows(delivery.reseal_pending)
def reseal_pending(cast: Cast) -> Act:
    old, new = key_of(cast, cast.alice), key_of(cast, cast.bob)
    message = make_message(cast.shop, key=old)
    Message.objects.filter(id=message.id).update(subject_id=cast.alice)

    def run() -> object:
        with Reading(actor=SERVICE, purpose="test", reason="test", subject_id=cast.alice):
            return delivery.reseal_pending(subject_id=cast.alice, data_key_id=new)

    return Act(run=run, reads=frozenset([cast.alice]), why_none="a step of erasing, which enters it")


@shows(delivery.wake)
def wake(cast: Cast) -> Act:
    return Act(run=lambda: delivery.wake("audit.sequence"), why_none="it only has a worker look")


@shows(delivery.stop_claiming)
def stop_claiming(cast: Cast) -> Act:
    return Act(run=lambda: None, why_none="it changes this process alone, and nothing that is stored")
