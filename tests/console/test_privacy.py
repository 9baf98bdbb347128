"""No page of the console shows a personal value, or anything of another controller."""

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client

from consent.models import Purpose
from dsar.models import SubjectRequest
from identity_privacy.audit.models import Entry
from identity_privacy.audit.services import sequence
from identity_privacy.crypto.fields import BlindIndexField, EncryptedField
from identity_privacy.delivery.models import Message, System
from profiles.models import Profile
from tests.cast import ALICE_EMAIL, BOB_EMAIL, Cast
from tests.console.pages import console_admins, lists, page_of

VALUES = (
    ALICE_EMAIL,
    BOB_EMAIL,
    "1988-05-12",
    "Freiherr-vom-Stein",
    "5304218",
    "shop-alice",
    "whsec_",
    "&lt;sealed&gt;",
)


@pytest.fixture
def everything(stage: Cast, dead_letter: Message) -> list[Model]:
    """One object of Lindwerk's of each kind, and all people."""
    sequence()
    rows: list[Model] = [
        SubjectRequest.objects.get(),
        dead_letter,
        stage.shop,
        stage.newsletter,
        Entry.objects.filter(controller_id=stage.lindwerk.pk).earliest("id"),
        *Profile.objects.filter(controller=stage.lindwerk),
    ]
    assert {type(row) for row in rows} == {SubjectRequest, Message, System, Purpose, Entry, Profile}
    return rows


def test_no_page_shows_a_personal_value_or_a_secret(browser: Client, everything: list[Model]) -> None:
    for path in ["/console/", *lists(), *map(page_of, everything)]:
        answer = browser.get(path)
        assert answer.status_code == 200, path
        for value in VALUES:
            assert value not in answer.text, (path, value)


def test_another_controllers_staff_finds_none_of_these_pages(
    browser: Client, stranger: Client, everything: list[Model]
) -> None:
    for row in everything:
        assert browser.get(page_of(row)).status_code == 200, page_of(row)
        assert stranger.get(page_of(row)).status_code == 404, page_of(row)


def test_another_controllers_staff_sees_none_of_it_on_any_list(stranger: Client, everything: list[Model]) -> None:
    for path in ["/console/", *lists()]:
        answer = stranger.get(path)
        assert answer.status_code == 200, path
        for row in everything:
            assert str(row.pk) not in answer.text, path


def test_no_admin_lists_filters_searches_or_edits_an_encrypted_field() -> None:
    admins = list(console_admins())
    assert {page.model for page in admins} == {SubjectRequest, Message, System, Purpose, Entry, Profile}
    for page in admins:
        sealed = {field.name for field in page.opts.get_fields() if isinstance(field, EncryptedField | BlindIndexField)}
        named = {*page.list_display, *page.search_fields, *page.list_filter, *(page.ordering or ())}
        assert not sealed & {name.split("__")[0].lstrip("-=^@") for name in map(str, named)}, page
        assert list(page.inlines) == [], page
        assert type(page).save_model is admin.ModelAdmin.save_model, page


def test_what_an_installed_package_registers_stays_out() -> None:
    from django.contrib.auth.models import Group

    assert not admin.site.is_registered(Group)
