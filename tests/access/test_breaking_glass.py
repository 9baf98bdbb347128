"""In an emergency somebody may do everything: for a reason, for a while, and the privacy team is told."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from pytest_django import Settings

from identity_privacy.access.models import User
from identity_privacy.access.tasks import forget
from identity_privacy.access.terms import Role
from identity_privacy.audit.models import Entry
from identity_privacy.clock import machine_now
from identity_privacy.delivery.services import deliver_due
from tests.cast import OTHER_HOST, Cast
from tests.staff import at_work, hire

REASON = "the data protection officer is ill and a request is due today"


def broken(name: str = "Sam", reason: str = REASON, **options: int) -> None:
    call_command("staff", "break-glass", name, controller="lindwerk", reason=reason, **options)


@pytest.fixture
def sam(cast: Cast) -> User:
    return hire("Sam", cast.lindwerk, role=Role.SUPPORT_AGENT)


def test_it_opens_what_a_data_protection_officer_may_and_ends_by_itself(cast: Cast, sam: User) -> None:
    browser = at_work(sam)
    assert browser.get("/console/audit/entry/").status_code == 404

    broken(minutes=20)

    assert browser.get("/console/audit/entry/").status_code == 200
    with time_machine.travel(machine_now() + timedelta(minutes=21)):
        assert browser.get("/console/audit/entry/").status_code == 404
        forget()
    entered = Entry.objects.filter(action__contains="_glass").order_by("id").values_list("action", "reason")
    assert list(entered) == [("staff.broke_glass", REASON), ("staff.mended_glass", "")]


def test_it_opens_nothing_of_another_controller(cast: Cast, sam: User) -> None:
    broken()

    assert at_work(sam, OTHER_HOST).get("/console/").status_code == 302


def test_at_another_controller_it_ends_here_and_the_log_says_so(cast: Cast, sam: User) -> None:
    broken()
    call_command("staff", "break-glass", "Sam", controller="otherwerk", reason=REASON)

    assert at_work(sam).get("/console/audit/entry/").status_code == 404
    assert at_work(sam, OTHER_HOST).get("/console/audit/entry/").status_code == 200
    entered = Entry.objects.filter(action__contains="_glass").order_by("id").values_list("action", "controller_id")
    assert list(entered) == [
        ("staff.broke_glass", cast.lindwerk.id),
        ("staff.mended_glass", cast.lindwerk.id),
        ("staff.broke_glass", cast.otherwerk.id),
    ]


def test_the_privacy_team_is_told_who_until_when_and_why(cast: Cast, sam: User) -> None:
    broken()
    deliver_due()

    [told] = mail.outbox
    assert told.to == [cast.lindwerk.privacy_email]
    assert REASON in told.body
    assert "Sam" in told.subject


def test_an_operator_ends_it_before_its_time(cast: Cast, sam: User) -> None:
    broken()
    call_command("staff", "mend-glass", "Sam")

    assert at_work(sam).get("/console/audit/entry/").status_code == 404
    with pytest.raises(CommandError, match="the glass is whole"):
        call_command("staff", "mend-glass", "Sam")


@pytest.mark.parametrize(
    ("reason", "minutes", "says"),
    [("", 60, "say why"), ("because", 60, "say why"), (REASON, 0, "1 to 240"), (REASON, 241, "1 to 240")],
)
def test_without_a_reason_or_an_end_in_sight_nothing_opens(
    cast: Cast, sam: User, reason: str, minutes: int, says: str
) -> None:
    with pytest.raises(CommandError, match=says):
        broken(reason=reason, minutes=minutes)
    assert not Entry.objects.filter(action="staff.broke_glass").exists()


def test_a_superuser_in_production_stops_the_start(cast: Cast, sam: User, settings: Settings) -> None:
    settings.PRODUCTION = True
    assert "access.E003" not in {one.id for one in run_checks(databases=["default"])}
    User.objects.filter(pk=sam.pk).update(is_superuser=True)

    assert "access.E003" in {one.id for one in run_checks(databases=["default"])}
