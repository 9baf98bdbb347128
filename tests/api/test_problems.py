"""Every error that the service raises on purpose is mapped to one answer, documented, and has a code of its own.

The reference is written anew by

    python manage.py shell -c "from tests.api import test_problems as t; t.REFERENCE.write_text(t.reference())"
"""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import consent
import dsar
import identity_privacy
import profiles
from identity_privacy.errors import IntegrityFailure, Invalid, ServiceError
from identity_privacy.problems import STATUS, problem_of, status_of

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "errors.md"
HEAD = """# Errors

Every error of the API is an RFC 9457 problem (`application/problem+json`). Its `type` is `/problems/` and one of the
codes below; a code never changes its meaning. `errors` names each field that cannot be read. An error of our own making
(500) says nothing of its cause. Errors of HTTP itself have the codes `method-not-allowed` (405), `not-acceptable`
(406), `too-large` (413) and `unsupported-media-type` (415).
"""


def _below(error: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for below in error.__subclasses__():
        # Of other tests' making, in the same process, none is the product's.
        if not below.__module__.startswith("tests."):
            yield below
        yield from _below(below)


def every_error() -> list[type[ServiceError]]:
    """All of them, by status and code."""
    for package in (identity_privacy, profiles, consent, dsar):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith(".errors"):
                importlib.import_module(module.name)
    return sorted({ServiceError, *_below(ServiceError)}, key=lambda error: (status_of(error), error.code))


def reference() -> str:
    """What docs/reference/errors.md must say."""
    sections = []
    for error in every_error():
        says = " ".join((error.__doc__ or "").split())
        sections.append(f"\n## {error.code}\n\n{status_of(error)}. **{error.title}.** {says}\n")
    return HEAD + "".join(sections)


def test_every_error_has_a_code_of_its_own() -> None:
    errors = every_error()
    assert all("code" in vars(error) and "title" in vars(error) for error in errors)
    twice = [code for code, count in Counter(error.code for error in errors).items() if count > 1]
    assert twice == []


def test_every_error_is_mapped_by_a_kind_that_says_more_than_that_it_is_an_error() -> None:
    for error in every_error():
        assert error.__doc__
        assert 400 <= status_of(error) < 600
        assert any(base in STATUS for base in error.__mro__)


def test_the_reference_is_what_the_classes_say() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == reference()


@pytest.mark.parametrize("error", [error for error in every_error() if issubclass(error, IntegrityFailure)])
def test_broken_integrity_says_nothing_to_the_outside(error: type[IntegrityFailure]) -> None:
    assert problem_of(error("row 17 was changed")) == {
        "type": "/problems/integrity-failure",
        "title": "Something broke on our side",
        "status": 500,
    }


def test_a_field_that_cannot_be_read_is_named() -> None:
    problem = problem_of(Invalid("a date, such as 2027-04-05", field="due_on"))
    assert problem["status"] == 400
    assert problem["errors"] == [{"field": "due_on", "detail": "a date, such as 2027-04-05"}]
