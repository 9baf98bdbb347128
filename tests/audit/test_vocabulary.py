"""Whatever the code enters into the log has words for people, in both languages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.utils import translation

from consent.terms import ConsentAction
from identity_privacy.audit.vocabulary import WORDS, actions_beginning_with, words_for

ROOT = Path(__file__).resolve().parents[2]
ACTION = re.compile(r"[a-z_]+\.[a-z_]+")
# Functions of ours that take an action by its position.
ENTERING = {"enter_request", "_enter", "_tell"}


def test_every_action_in_the_code_has_words() -> None:
    found = set(_actions())
    assert {"request.accepted", "log.handed_over", "message.delivered", "keys.root_rotated", "task.stuck"} <= found
    assert found - set(WORDS) == set()


def test_every_action_that_is_put_together_has_words() -> None:
    for action in ConsentAction:
        assert f"consent.{action.value}" in WORDS
    # What a Reading may say that is read.
    assert {"personal_data.read", "system_secret.read"} <= set(WORDS)


def test_no_two_actions_read_alike_in_either_language() -> None:
    for language in ("en", "de"):
        with translation.override(language):
            words = [words_for(action) for action in WORDS]
            assert len(set(words)) == len(words)
            assert all(len(text) <= 60 for text in words), max(words, key=len)


def test_every_action_reads_differently_in_german() -> None:
    with translation.override("de"):
        assert [action for action, english in WORDS.items() if str(english) == _english(action)] == []


def test_an_action_of_an_older_release_is_shown_by_its_name() -> None:
    assert words_for("thing.done_once") == "Thing done once"


def test_actions_are_found_by_their_beginning() -> None:
    assert actions_beginning_with("log.ver") == ["log.verified"]
    assert actions_beginning_with("x") == []


def _english(action: str) -> str:
    with translation.override("en"):
        return words_for(action)


def _actions() -> Iterator[str]:
    trees = [ast.parse(path.read_text()) for path in _sources()]
    constants = {name: text for tree in trees for name, text in _constants(tree)}
    for tree in trees:
        for node in ast.walk(tree):
            for expression in _entered(node):
                for part in ast.walk(expression):
                    if isinstance(part, ast.Name) and part.id in constants:
                        yield constants[part.id]
                    if isinstance(part, ast.Constant) and ACTION.fullmatch(str(part.value)):
                        yield str(part.value)


def _entered(node: ast.AST) -> Iterator[ast.expr]:
    """What says an action: `action=…` in a call, `action = …`, or an argument of one of our own functions."""
    if isinstance(node, ast.Call):
        yield from (keyword.value for keyword in node.keywords if keyword.arg == "action")
        if isinstance(node.func, ast.Name) and node.func.id in ENTERING:
            yield from node.args
    if isinstance(node, ast.Assign) and any(
        isinstance(name, ast.Name) and name.id == "action" for name in node.targets
    ):
        yield node.value


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The module's own names for actions, alone or several in one line."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            values = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
            for name, value in zip(names, values, strict=False):
                if ACTION.fullmatch(str(value)):
                    yield name, str(value)


def _sources() -> Iterator[Path]:
    for app in ("identity_privacy", "profiles", "consent", "dsar"):
        yield from (ROOT / app).rglob("*.py")
