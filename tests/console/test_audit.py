"""The audit log in the console: found by what, by whom and for whom; checked on a press."""

import pytest
from django.test import Client

from dsar.models import SubjectRequest
from identity_privacy.access.models import User
from identity_privacy.audit.errors import LogAltered
from identity_privacy.audit.models import Entry, Sequenced
from identity_privacy.audit.services import checking, sequence
from tests.cast import Cast
from tests.console.pages import page_of

AUDIT = "/console/audit/entry/"


def test_entries_are_found_by_the_beginning_of_their_action(browser: Client, erasure: SubjectRequest) -> None:
    assert _actions(browser, "request.") == {"Request submitted", "Request accepted"}


def test_entries_are_found_by_the_person_and_by_the_thing(
    browser: Client, stage: Cast, erasure: SubjectRequest
) -> None:
    assert {"Request submitted", "Subject erased"} <= _actions(browser, str(stage.alice))
    assert {"Request submitted", "Subject erased"} <= _actions(browser, str(erasure.pk))
    assert _actions(browser, str(stage.charlie)) == set()


def test_a_check_is_entered_and_its_time_shown(browser: Client, dana: User, stage: Cast) -> None:
    sequence()
    count = Sequenced.objects.count()
    assert "has not been verified yet" in browser.get(AUDIT).text
    answer = browser.post(f"{AUDIT}check/", follow=True)
    assert f"{count} entries checked: nothing was changed or taken out." in answer.text
    assert "Audit log verified on" in answer.text
    assert Entry.objects.get(action="log.verified").actor_id == str(dana.pk)


def test_a_changed_entry_is_said_in_so_many_words_and_entered(
    browser: Client, stage: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finds_a_change() -> int:
        raise LogAltered("entry 7 was changed")

    monkeypatch.setattr(checking, "verify_log", finds_a_change)
    answer = browser.post(f"{AUDIT}check/", follow=True)
    assert "The log was changed: entry 7 was changed." in answer.text
    assert "The audit log was changed: found on" in answer.text
    assert Entry.objects.get(action="log.altered").details == {"finding": "entry 7 was changed"}


def test_the_page_of_an_entry_says_where_it_stands_in_the_log(browser: Client, stage: Cast) -> None:
    entry = Entry.objects.filter(controller_id=stage.lindwerk.pk).earliest("id")
    assert "Not in a checkpoint yet" in browser.get(page_of(entry)).text
    sequence()
    assert "Its inclusion proof" in browser.get(page_of(entry)).text


def _actions(browser: Client, term: str) -> set[str]:
    answer = browser.get(AUDIT, {"q": term})
    return {row.what for row in answer.context["cl"].rows}
