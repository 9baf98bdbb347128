"""Whatever the service does stands in the log, exactly once, in the transaction that did it; nothing else does.

Verbs are the public functions of the services modules; of a package, those that it exports.
"""

import logging
import pkgutil
from collections.abc import Collection
from uuid import UUID

import pytest
from celery.signals import before_task_publish
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

import consent
import dsar
import identity_privacy
import profiles
from dsar.demo.search import encoded
from identity_privacy.audit.models import Entry
from tests import cast as stage
from tests.audit.examples import of_consent_and_profiles, of_requests, of_the_kernel
from tests.audit.verbs import EXAMPLES, SERVICES, Act, Entered, Verb, verbs
from tests.audit.witnessed import WITNESS
from tests.cast import ALICE_EMAIL, BOB_EMAIL, CHARLIE_EMAIL

pytestmark = pytest.mark.django_db

__all__ = ["of_consent_and_profiles", "of_requests", "of_the_kernel"]  # importing them names their examples

VERBS = sorted(verbs(), key=lambda verb: f"{verb.__module__}.{verb.__qualname__}")
each_verb = pytest.mark.parametrize(
    "verb", VERBS, ids=lambda verb: f"{verb.__module__.replace('identity_privacy.', '')}.{verb.__qualname__}"
)


# What the stage and the examples hold of people, in every form in which it could stand somewhere.
VALUES = (
    ALICE_EMAIL,
    BOB_EMAIL,
    CHARLIE_EMAIL,
    "alice@example.org",
    "nobody@example.org",
    "eve@example.org",
    "1988-05-12",
    "Freiherr-vom-Stein",
    "5304218",
    "shop-alice",
)
FORMS = [found for value in VALUES for found in encoded(value)]


def test_no_services_are_left_out() -> None:
    packages = (identity_privacy, profiles, consent, dsar)
    found = {
        module.name
        for package in packages
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if module.name.endswith(".services")
    }
    assert found == set(SERVICES)


class Undone(Exception):
    """What rolls an example back."""


@pytest.fixture
def act(verb: Verb, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Act:
    settings.MEDIA_ROOT = tmp_path_factory.mktemp("files")
    settings.AUDIT_WITNESSES = [str(WITNESS.verifier)]
    return EXAMPLES[verb](stage.enter())


def entries_beside(before: Collection[UUID]) -> list[Entry]:
    return list(Entry.objects.exclude(id__in=before))


def test_every_verb_has_an_example() -> None:
    missing = [verb.__qualname__ for verb in VERBS if verb not in EXAMPLES]
    assert missing == []
    assert set(EXAMPLES) == set(VERBS), "an example of something that is no verb any more"
    assert len(VERBS) > 45


@each_verb
def test_it_enters_exactly_what_was_done(act: Act) -> None:
    before = set(Entry.objects.values_list("id", flat=True))
    done = act.run()
    entries = entries_beside(before)
    readings = [entry for entry in entries if entry.action.endswith(".read")]
    expected = act.enters(done)
    assert sorted(map(Entered.of, set(entries) - set(readings))) == sorted(one.as_stored() for one in expected)
    assert {reading.subject_id for reading in readings} == act.reads
    assert expected or act.why_none, "a verb enters what it did, or says why it does not"
    assert all(bytes(entry.leaf_hash) for entry in entries)


@each_verb
def test_nothing_of_it_stays_where_its_transaction_is_rolled_back(act: Act) -> None:
    before = set(Entry.objects.values_list("id", flat=True))
    expected = RuntimeError if act.is_durable else Undone
    with pytest.raises(expected):
        undo(act)
    assert entries_beside(before) == []


@each_verb
def test_it_tells_no_value_to_the_log_a_log_line_or_the_broker(
    act: Act, caplog: pytest.LogCaptureFixture, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    caplog.set_level(logging.DEBUG)
    published: list[str] = []

    def note(body: object = None, headers: object = None, **_: object) -> None:
        published.append(repr((body, headers)))

    before_task_publish.connect(note, weak=False, dispatch_uid="test")
    try:
        with django_capture_on_commit_callbacks(execute=True):
            act.run()
    finally:
        before_task_publish.disconnect(dispatch_uid="test")
    told = {"entries": repr(list(Entry.objects.values())), "log": caplog.text, "broker": "".join(published)}
    found = [(place, name) for place, text in told.items() for name, form in FORMS if form in text.encode()]
    assert found == []


def test_the_search_finds_what_it_looks_for() -> None:
    assert {name for name, form in FORMS if form in ALICE_EMAIL.encode()} == {"UTF-8"}


@transaction.atomic
def undo(act: Act) -> None:
    act.run()
    raise Undone
