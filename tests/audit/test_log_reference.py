"""The reference of the log says of every entry what it holds, and of nothing what it does not."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from identity_privacy import clock
from identity_privacy.actors import ActorKind
from identity_privacy.audit.api.entries import EntriesInput
from identity_privacy.audit.api.urls import urlpatterns
from identity_privacy.audit.canonical import entry_object
from identity_privacy.audit.models import Entry
from identity_privacy.audit.offline import canonical
from identity_privacy.audit.vocabulary import WORDS
from tests.audit.test_verbs import act, each_verb, entries_beside
from tests.audit.verbs import Act

__all__ = ["act"]  # a fixture

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "audit-log.md").read_text(encoding="utf-8")
SOURCES = [
    path.read_text()
    for app in ("identity_privacy", "profiles", "consent", "dsar")
    for path in (ROOT / app).rglob("*.py")
]


def table(head: str) -> list[Sequence[str]]:
    """The rows of the page's table whose first column has this head."""
    rows = PAGE.partition(f"\n| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def first_of(head: str) -> list[str]:
    return [quoted(row[0])[0] for row in table(head)]


ACTIONS = {quoted(row[0])[0]: row[1:] for row in table("action")}


def test_every_action_stands_there_with_the_consoles_words_and_no_other() -> None:
    assert {action: row[0] for action, row in ACTIONS.items()} == {action: str(text) for action, text in WORDS.items()}
    assert list(ACTIONS) == list(WORDS)


@pytest.mark.django_db
@each_verb
def test_what_a_verb_enters_is_as_its_action_says(act: Act) -> None:
    before = set(Entry.objects.values_list("id", flat=True))
    act.run()
    for entry in entries_beside(before):
        if entry.action in WORDS:
            _, target, actors, _, details = ACTIONS[entry.action]
            assert [entry.target_kind] == quoted(target), entry.action
            assert entry.actor_kind in quoted(actors), entry.action
            assert set(entry.details) <= set(quoted(details)), entry.action


def test_every_kind_of_actor_and_target_is_explained() -> None:
    assert first_of("`actor.kind`") == [kind.value for kind in ActorKind]
    in_code = {kind for source in SOURCES for kind in re.findall(r'\btarget(?:_kind)?\s?=\s?\(?"(\w+)"', source)}
    assert first_of("`target.kind`") == sorted(in_code)
    assert {kind for row in ACTIONS.values() for kind in quoted(row[1])} <= in_code
    assert {kind for row in ACTIONS.values() for kind in quoted(row[2])} == {kind.value for kind in ActorKind}


def test_every_member_of_an_entry_is_explained_and_shown() -> None:
    members = entry_object(Entry(at=clock.now()))
    assert first_of("member") == list(members)
    line = PAGE.partition("```json\n")[2].partition("\n```")[0]
    shown = json.loads(line)
    assert canonical(shown).decode() == line
    assert _names(shown) == _names(members)


def test_every_route_and_every_filter_is_there() -> None:
    assert sorted(route.partition(" ")[2] for route in first_of("route")) == sorted(
        str(pattern.pattern) for pattern in urlpatterns
    )
    assert first_of("filter") == list(EntriesInput().fields)


def _names(entry: dict[str, object]) -> set[str]:
    """The members of an entry and of the objects in it, but for what differs from action to action."""
    inner = {f"{name}.{one}" for name, value in entry.items() if isinstance(value, dict) for one in value}
    return set(entry) | {name for name in inner if not name.startswith(("details.", "commitments."))}
