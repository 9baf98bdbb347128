"""What is entered of somebody who signs in, and how their sessions end."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.db import DEFAULT_DB_ALIAS, transaction
from django.utils import formats, timezone
from django.utils.translation import gettext

from identity_privacy import clock
from identity_privacy.access.devices import Device
from identity_privacy.access.directory import directory
from identity_privacy.access.errors import AccountBarred
from identity_privacy.access.models import AuthenticatorSecret, BarredAccount, Controller, Session, SignIn, User
from identity_privacy.access.outbox import outbox
from identity_privacy.access.rules import Marks, familiarity
from identity_privacy.access.services.signing_out import sign_out_everywhere
from identity_privacy.access.terms import Familiarity, SignInMethod
from identity_privacy.actors import Actor
from identity_privacy.audit.services import record
from identity_privacy.crypto.transactions import hold_person
from identity_privacy.errors import NotFound

# For how long a sign-in is kept, shown to its person, and compared with: as long as browsers keep a cookie, since
# people come here once or twice a year.
SIGN_IN_LIFE: Final = timedelta(days=400)
_CODES: Final = Authenticator.Type.RECOVERY_CODES


@transaction.atomic
def enter_sign_in(
    *,
    user: User,
    controller: Controller,
    method: SignInMethod,
    has_app_code: bool,
    device: Device,
    session_id: UUID | None,
) -> SignIn:
    """Enter that a person has signed in; of a browser that they have not used before they are told by mail."""
    subject_id, marks = _subject_of(user), device.marks_of(user.id)
    # Locked, so that of two sign-ins at once one is compared with the other.
    User.objects.select_for_update().get(pk=user.pk)
    earlier = [
        Marks(device=one.device, network=one.network, browser=one.browser, platform=one.platform)
        for one in SignIn.objects.filter(user=user, at__gt=clock.now() - SIGN_IN_LIFE)
    ]
    row = SignIn.objects.create(
        user=user,
        session_id=session_id,
        at=clock.now(),
        method=method,
        has_app_code=has_app_code,
        familiarity=familiarity(marks, earlier),
        browser=marks.browser,
        platform=marks.platform,
        device=marks.device,
        network=marks.network,
    )
    if row.familiarity == Familiarity.NEW_DEVICE:
        _mail(
            controller,
            subject_id,
            "new_device",
            when=formats.date_format(timezone.localtime(row.at, controller.zone), "DATETIME_FORMAT"),
            device=device_in_words(row.browser, row.platform),
        )
    _enter_own(
        controller,
        subject_id,
        "sign_in.succeeded",
        target=("sign_in", row.id),
        details={"method": method.value, "with_app_code": has_app_code, "familiarity": row.familiarity},
    )
    return row


@transaction.atomic
def enter_confirmation(*, user: User, controller: Controller, method: str) -> None:
    """Enter that somebody who is signed in has shown once more who they are, by an authenticator of theirs."""
    details = {"method": method}
    _enter_own(controller, _subject_of(user), "sign_in.confirmed", target=("user", user.id), details=details)


@transaction.atomic
def enter_refusal(*, user: User | None, controller: Controller | None, method: str) -> None:
    """Enter that somebody showed a passkey or a code of an app that is not this person's."""
    record(
        actor=Actor.stranger(),
        action="sign_in.authenticator_refused",
        target=("user", user.id if user else "unknown"),
        controller_id=controller.id if controller else None,
        subject_id=user.subject_id if user else None,
        details={"method": method},
    )


@transaction.atomic
def enter_authenticators(
    *, user: User, controller: Controller, added: Collection[str], removed: Collection[str]
) -> None:
    """Enter what a person signs in with from now on, or no longer; what nothing needs any more goes.

    Called in the transaction that has changed them. Recovery codes stand in for the app: they go with it.
    """
    own = Authenticator.objects.filter(user=user)
    if not own.filter(type=Authenticator.Type.TOTP).exists() and own.filter(type=_CODES).delete()[0]:
        removed = {*removed, _CODES}
    kept = [
        value
        for data in own.values_list("data", flat=True)
        for value in (data.get("secret"), data.get("seed"))
        if value
    ]
    AuthenticatorSecret.objects.filter(user=user).exclude(id__in=kept).delete()
    subject_id = _subject_of(user)
    details = {"added": sorted(added), "removed": sorted(removed)}
    _enter_own(controller, subject_id, "authenticators.changed", target=("user", user.id), details=details)
    _mail(controller, subject_id, "authenticators_changed", added=_in_words(added), removed=_in_words(removed))


@transaction.atomic
def link_account(*, controller: Controller, subject_id: UUID, account: SocialAccount) -> None:
    """Let a person sign in with an account elsewhere, whose address was verified there and is theirs here.

    Raises: AccountBarred, where they have removed it; NotFound, for somebody who is being erased.
    """
    hold_person(subject_id, using=DEFAULT_DB_ALIAS)  # an erasure is over, or has not begun
    if directory().entry(subject_id) is None:
        raise NotFound
    user = User.objects.for_subject(controller, subject_id)
    if BarredAccount.objects.filter(user=user, provider=account.provider, uid=account.uid).exists():
        raise AccountBarred
    account.user = user
    account.save()
    enter_authenticators(user=user, controller=controller, added=["account"], removed=[])


@transaction.atomic
def unlink_account(*, user: User, controller: Controller, account_id: int) -> None:
    """Sign a person in with that account no longer. Raises: NotFound, where it is none of theirs."""
    account = SocialAccount.objects.filter(user=user, pk=account_id).first()
    if account is None:
        raise NotFound
    BarredAccount.objects.get_or_create(user=user, provider=account.provider, uid=account.uid)
    account.delete()
    enter_authenticators(user=user, controller=controller, added=[], removed=["account"])


@transaction.atomic
def unbar_account(*, user: User, controller: Controller, barred_id: int) -> None:
    """Let an account in again that a person has removed. Raises: NotFound, where it is none of theirs."""
    if not BarredAccount.objects.filter(user=user, pk=barred_id).delete()[0]:
        raise NotFound
    enter_authenticators(user=user, controller=controller, added=["account_let_in"], removed=[])


@transaction.atomic
def end_session(*, user: User, controller: Controller, session_id: UUID) -> None:
    """Sign a person out of one of their sessions. Raises: NotFound, where it is none of theirs or has ended."""
    if not Session.objects.filter(id=session_id, user=user).delete()[0]:
        raise NotFound
    _enter_end(user, controller, str(session_id), 1)


@transaction.atomic
def end_other_sessions(*, user: User, controller: Controller, but: UUID) -> None:
    """Sign a person out everywhere but in this session."""
    _enter_end(user, controller, "others", sign_out_everywhere(user, but=but))


@transaction.atomic
def end_sessions_of_account(*, controller: Controller, provider: str, uid: str) -> None:
    """Sign somebody out everywhere, whose provider says that they have signed out there. Raises: NotFound."""
    account = SocialAccount.objects.filter(provider=provider, uid=uid).select_related("user").first()
    if account is None:
        raise NotFound
    ended = sign_out_everywhere(account.user)
    record(
        actor=Actor.service("single_sign_on"),
        action="session.ended_by_provider",
        target=("user", account.user.id),
        controller_id=controller.id,
        subject_id=account.user.subject_id,
        details={"count": ended},
    )


@transaction.atomic
def forget_sign_ins() -> int:
    """Delete sign-ins that are older than 400 days; says how many."""
    count, _ = SignIn.objects.filter(at__lt=clock.now() - SIGN_IN_LIFE).delete()
    if count:
        record(
            actor=Actor.service("access"),
            action="sign_in.history_forgotten",
            target=("sign_in", "old"),
            controller_id=None,
            details={"count": count},
        )
    return count


def device_in_words(browser: str, platform: str) -> str:
    """What somebody signed in with: "Firefox on Windows"."""
    if browser and platform:
        return gettext("%(browser)s on %(platform)s") % {"browser": browser, "platform": platform}
    return browser or platform or gettext("An unknown browser")


def _in_words(kinds: Collection[str]) -> str:
    names = {
        "totp": gettext("authenticator app"),
        "recovery_codes": gettext("recovery codes"),
        "webauthn": gettext("passkey"),
        "account": gettext("another account"),
        "account_let_in": gettext("another account, let in again"),
    }
    return ", ".join(names[kind] for kind in sorted(kinds))


def _subject_of(user: User) -> UUID:
    if user.subject_id is None:
        raise NotFound
    return user.subject_id


def _enter_end(user: User, controller: Controller, which: str, count: int) -> None:
    details = {"count": count}
    _enter_own(controller, _subject_of(user), "session.ended", target=("session", which), details=details)


def _enter_own(
    controller: Controller,
    subject_id: UUID,
    action: str,
    *,
    target: tuple[str, UUID | str],
    details: Mapping[str, str | int | bool | list[str]],
) -> None:
    """Enter what a person has done themself."""
    record(
        actor=Actor.subject(subject_id),
        action=action,
        target=target,
        controller_id=controller.id,
        subject_id=subject_id,
        details=details,
    )


def _mail(controller: Controller, subject_id: UUID, topic: str, **context: str) -> None:
    found, address = directory().entry(subject_id), directory().address_of(subject_id)
    if found is None or not address:
        return
    outbox().mail(
        controller_id=controller.id,
        data_key_id=found.data_key_id,
        subject_id=subject_id,
        to=address,
        topic=topic,
        context={"controller": controller.name, **context},
    )
