"""Whatever is put into an encrypted field comes back; whatever was done to it in the database is found."""

import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import connection, models
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identity_privacy.crypto.errors import OpenedWithoutReading, UnreadableSeal, WrongPlace
from identity_privacy.crypto.fields import Sealed
from identity_privacy.crypto.models import Incident
from identity_privacy.crypto.seal import associated_data, open_sealed, seal
from tests.crypto.notebook.factories import make_key, make_note, make_notebook, reading
from tests.crypto.notebook.models import Note

pytestmark = pytest.mark.django_db
# Each example works on rows of its own, inside the one transaction of its test.
in_one_transaction = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
TEXTS: Final = st.text() | st.text(st.characters(exclude_categories=["Cs"]), max_size=2_000) | st.just("")
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(), parts, max_size=4),
    max_leaves=8,
).filter(lambda value: value is not None)  # which is null, and no value
COLUMNS: Final = ("text", "day", "details", "drawing", "remark")


@pytest.fixture
def place() -> dict[str, Any]:
    """Where an example's notes stand, and under which key."""
    return {"notebook": make_notebook(), "data_key_id": make_key()}


@given(text=TEXTS, day=st.none() | st.dates(), details=JSON, drawing=st.none() | st.binary(), remark=st.none() | TEXTS)
@in_one_transaction
def test_every_value_comes_back_as_it_went_in(place: dict[str, Any], **values: object) -> None:
    note = make_note(**place, **values)  # type: ignore[arg-type]  # `text` is a text
    with reading():
        found = {name: getattr(note, name) for name in values}
    assert found == values
    assert {name: type(value) for name, value in found.items()} == {name: type(one) for name, one in values.items()}


@pytest.mark.parametrize("text", ["a" * 1024**2, "\N{GRINNING FACE}" * 2**18, "\x00", "\u202e\ufeff", "a\u0301"])
def test_long_and_odd_texts_come_back_as_they_went_in(text: str) -> None:
    note = make_note(text, drawing=text.encode())
    with reading():
        assert note.text == text
        assert note.drawing == text.encode()


@pytest.mark.parametrize("day", [datetime.date.min, datetime.date.max, datetime.date(2024, 2, 29)])
def test_every_day_comes_back(day: datetime.date) -> None:
    note = make_note(day=day)
    with reading():
        assert note.day == day


# --- Damage -------------------------------------------------------------------------------------------


def stored(note: Note, name: str = "text") -> bytes:
    value: Sealed = Note.objects.values_list(name, flat=True).get(id=note.id)
    return value.sealed


def put(note: Note, **sealed: bytes) -> None:
    models.QuerySet(Note).filter(id=note.id).update(**{name: Sealed(value) for name, value in sealed.items()})


def refused(note: Note, name: str = "text") -> None:
    """Reading the value raises, and what is noted of it holds ids and names only."""
    before = set(Incident.objects.values_list("id", flat=True))
    with reading(), pytest.raises((WrongPlace, UnreadableSeal)) as error:
        getattr(Note.objects.get(id=note.id), name)
    assert "Lisbon" not in str(error.value)
    [incident] = Incident.objects.exclude(id__in=before)
    assert (incident.row_id, incident.place, incident.code) == (note.id, f"notebook.note.{name}", error.value.code)
    assert (incident.actor_kind, incident.actor_id, incident.purpose) == ("service", "test", "test")
    assert "Lisbon" not in str(Incident.objects.filter(id=incident.id).values().get())


@given(st.data())
@in_one_transaction
def test_any_flipped_bit_is_found(place: dict[str, Any], data: st.DataObject) -> None:
    note = make_note("Lisbon", **place)
    damaged = bytearray(stored(note))
    bit = data.draw(st.integers(0, len(damaged) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    put(note, text=bytes(damaged))
    refused(note)


@given(st.data())
@in_one_transaction
def test_a_cut_or_longer_value_is_found(place: dict[str, Any], data: st.DataObject) -> None:
    note = make_note("Lisbon", **place)
    whole = stored(note)
    cut = st.integers(0, len(whole) - 1).map(lambda length: whole[:length])
    longer = st.binary(min_size=1, max_size=40).map(lambda more: whole + more)
    put(note, text=data.draw(cut | longer | st.binary(max_size=60).filter(lambda noise: noise != whole)))
    refused(note)


def test_a_value_of_another_row_of_the_same_person_is_found() -> None:
    place: dict[str, Any] = {"data_key_id": make_key()}
    one, other = make_note("Lisbon", **place), make_note("Porto", **place)
    put(other, text=stored(one))
    refused(other)


def test_a_value_of_another_column_is_found() -> None:
    note = make_note("Lisbon", remark="by train")
    put(note, remark=stored(note))
    refused(note, "remark")


def test_a_row_under_another_key_is_found() -> None:
    note, key_id = make_note("Lisbon"), make_key()
    raw = key_id.hex if connection.vendor == "sqlite" else key_id
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notebook_note SET data_key_id = %s", [raw])
    refused(note)


def test_one_damaged_value_does_not_keep_the_others_closed() -> None:
    note = make_note("Lisbon")
    put(note, day=b"\x01" + bytes(40))
    with reading():
        found = Note.objects.get(id=note.id)
        assert found.text == "Lisbon"
        assert found.details == {"rain": False}
        with pytest.raises(WrongPlace):
            _ = found.day
        assert found.drawing == b"\x00\xff"


@pytest.mark.parametrize("name", COLUMNS)
def test_nothing_opens_without_a_reading(name: str) -> None:
    note = make_note(remark="by train")
    with pytest.raises(OpenedWithoutReading):
        getattr(note, name)
    with pytest.raises(OpenedWithoutReading):
        Note.objects.values(name, "id", "data_key_id")[0][name].open()


def test_nothing_opens_in_a_reading_of_another_person() -> None:
    note = make_note()
    with reading(uuid4()), pytest.raises(OpenedWithoutReading):
        _ = note.text


# --- The cipher ---------------------------------------------------------------------------------------

# NIST CAVP, gcmDecrypt256.rsp of 2012-08-31, IV of 96 and tag of 128 bits: key, IV, ciphertext, associated data, tag,
# plaintext or None where the tag must be refused.
CAVP: Final = [
    (
        "f5a2b27c74355872eb3ef6c5feafaa740e6ae990d9d48c3bd9bb8235e589f010",
        "58d2240f580a31c1d24948e9",
        "",
        "",
        "15e051a5e4a5f5da6cea92e2ebee5bac",
        "",
    ),
    (
        "e5a8123f2e2e007d4e379ba114a2fb66e6613f57c72d4e4f024964053028a831",
        "51e43385bf533e168427e1ad",
        "",
        "",
        "38fe845c66e66bdd884c2aecafd280e6",
        None,
    ),
    (
        "6dfdafd6703c285c01f14fd10a6012862b2af950d4733abb403b2e745b26945d",
        "3749d0b3d5bacb71be06ade6",
        "",
        "c0d249871992e70302ae008193d1e89f",
        "4aa4cc69f84ee6ac16d9bfb4e05de500",
        "",
    ),
    (
        "2c392a5eb1a9c705371beda3a901c7c61dca4d93b4291de1dd0dd15ec11ffc45",
        "0723fb84a08f4ea09841f32a",
        "",
        "140be561b6171eab942c486a94d33d43",
        "aa0e1c9b57975bfc91aa137231977d2c",
        None,
    ),
    (
        "4c8ebfe1444ec1b2d503c6986659af2c94fafe945f72c1e8486a5acfedb8a0f8",
        "473360e0ad24889959858995",
        "d2c78110ac7e8f107c0df0570bd7c90c",
        "",
        "c26a379b6d98ef2852ead8ce83a833a7",
        "7789b41cb3ee548814ca0b388c10b343",
    ),
    (
        "c997768e2d14e3d38259667a6649079de77beb4543589771e5068e6cd7cd0b14",
        "835090aed9552dbdd45277e2",
        "9f6607d68e22ccf21928db0986be126e",
        "",
        "f32617f67c574fd9f44ef76ff880ab9f",
        None,
    ),
    (
        "6450d4501b1e6cfbe172c4c8570363e96b496591b842661c28c2f6c908379cad",
        "7e4262035e0bf3d60e91668a",
        "5a99b336fd3cfd82f10fb08f7045012415f0d9a06bb92dcf59c6f0dbe62d433671aacb8a1c52ce7bbf6aea372bf51e2ba79406",
        "f1c522f026e4c5d43851da516a1b78768ab18171",
        "fe93b01636f7bb0458041f213e98de65",
        "17449e236ef5858f6d891412495ead4607bfae2a2d735182a2a0242f9d52fc5345ef912dbe16f3bb4576fe3bcafe336dee6085",
    ),
    (
        "e9d381a9c413bee66175d5586a189836e5c20f5583535ab4d3f3e612dc21700e",
        "23e81571da1c7821c681c7ca",
        "a25f3f580306cd5065d22a6b7e9660110af7204bb77d370f7f34bee547feeff7b32a596fce29c9040e68b1589aad48da881990",
        "6f39c9ae7b8e8a58a95f0dd8ea6a9087cbccdfd6",
        "5b6dcd70eefb0892fab1539298b92a4b",
        None,
    ),
    (
        "8b37c4b8cf634704920059866ad96c49e9da502c63fca4a3a7a4dcec74cb0610",
        "cb59344d2b06c4ae57cd0ea4",
        "66ab935c93555e786b775637a3",
        "",
        "d8733acbb564d8afaa99d7ca2e2f92a9",
        None,
    ),
    (
        "a71dac1377a3bf5d7fb1b5e36bee70d2e01de2a84a1c1009ba7448f7f26131dc",
        "c5b60dda3f333b1146e9da7c",
        "43af49ec1ae3738a20755034d6",
        "",
        "6f80b6ef2d8830a55eb63680a8dff9e0",
        "5b87141335f2becac1a559e05f",
    ),
]


@pytest.mark.parametrize(("key", "nonce", "ciphertext", "associated", "tag", "plaintext"), CAVP)
def test_the_cipher_gives_what_nist_says(
    key: str, nonce: str, ciphertext: str, associated: str, tag: str, plaintext: str | None
) -> None:
    cipher, sealed = AESGCM(bytes.fromhex(key)), b"\x01" + bytes.fromhex(nonce + ciphertext + tag)
    if plaintext is None:
        with pytest.raises(WrongPlace):
            open_sealed(cipher, sealed, bytes.fromhex(associated))
    else:
        assert open_sealed(cipher, sealed, bytes.fromhex(associated)).hex() == plaintext


@given(st.binary(max_size=100), st.uuids(), st.uuids())
def test_what_binds_a_value_cannot_be_read_in_two_ways(plaintext: bytes, row_id: UUID, key_id: UUID) -> None:
    """A place that begins as another does, or ids that run into one another, bind to different places."""
    cipher = AESGCM(bytes(32))
    sealed = seal(cipher, plaintext, associated_data("notes.note.text", row_id, key_id))
    for other in (
        associated_data("notes.note.tex", row_id, key_id),
        associated_data("notes.note.text2", row_id, key_id),
        associated_data("notes.note.text", key_id, row_id) if row_id != key_id else b"",
    ):
        with pytest.raises(WrongPlace):
            open_sealed(cipher, sealed, other)
