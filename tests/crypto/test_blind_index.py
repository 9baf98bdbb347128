"""One person has one spelling, whatever was typed; and nobody reads it from the index."""

import traceback
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity_privacy.crypto.blind_index import blind_indexes, normalise
from identity_privacy.crypto.index_keys import index_keys
from identity_privacy.crypto.models import IndexKey
from identity_privacy.errors import Invalid


@pytest.mark.parametrize(
    ("kind", "typed", "normal"),
    [
        ("email", " Alice.Brandt@Example.ORG ", "alice.brandt@example.org"),
        ("email", "straße@example.org", "strasse@example.org"),
        ("email", "alice@BÜCHER.example", "alice@xn--bcher-kva.example"),
        ("email", "ａｌｉｃｅ@example.org", "alice@example.org"),
        ("phone", "+49 30 / 123-456 (7)", "+49301234567"),
        ("source_record", " rec-1-org ", "rec-1-org"),
    ],
)
def test_equal_people_meet(kind: str, typed: str, normal: str) -> None:
    assert normalise(kind, typed) == normal


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        ("email", "alice"),
        ("email", "@example.org"),
        ("email", "alice@"),
        ("email", "a b@example.org"),
        ("email", "alice@" + "a" * 70 + ".org"),
        ("phone", "030 123456"),
        ("phone", "+0301234567"),
        ("phone", "+49 30 abc"),
    ],
)
def test_what_is_none_is_refused_with_the_field(kind: str, typed: str) -> None:
    with pytest.raises(Invalid) as refused:
        normalise(kind, typed)
    assert refused.value.field == kind
    assert typed not in str(refused.value)


@pytest.mark.parametrize("kind", ["email", "phone", "source_record"])
def test_half_a_character_is_refused_without_showing_the_text(kind: str) -> None:
    for typed in ("alice\ud800@example.org", "alice@example\ud800.org", "+49 30 123456\ud800"):
        with pytest.raises(Invalid) as refused:
            normalise(kind, typed)
        assert "".join(traceback.format_exception(refused.value)).count("\\ud800") == 0
        assert refused.value.__suppress_context__ or refused.value.__context__ is None


@given(st.text(), st.sampled_from(["email", "phone", "source_record"]))
def test_normalising_twice_changes_nothing(text: str, kind: str) -> None:
    try:
        once = normalise(kind, text)
    except Invalid:
        return
    assert normalise(kind, once) == once


@pytest.mark.django_db
def test_an_index_is_of_one_controller_and_one_kind() -> None:
    one, other = uuid4(), uuid4()
    assert blind_indexes(one, "email", "alice@example.org") == [], "nothing was ever indexed there"
    assert not IndexKey.objects.exists(), "and looking makes no key"
    for controller_id, kind in ((one, "email"), (other, "email"), (one, "source_record")):
        index_keys(controller_id, kind)
    [index] = blind_indexes(one, "email", "alice@example.org")
    assert [index] == blind_indexes(one, "email", "ALICE@example.org")
    assert len(index) == 32
    assert [index] != blind_indexes(other, "email", "alice@example.org")
    assert [index] != blind_indexes(one, "source_record", "alice@example.org")
