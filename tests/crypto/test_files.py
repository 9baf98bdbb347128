"""A sealed file is read whole and in order, or not at all."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from identity_privacy.actors import Actor
from identity_privacy.crypto import files
from identity_privacy.crypto.errors import OpenedWithoutReading, UnreadableSeal, WrongPlace
from identity_privacy.crypto.files import CHUNK_BYTES, TAG_BYTES, SealedWriter, open_file
from identity_privacy.crypto.keys import create_data_key
from identity_privacy.crypto.reading import Reading
from identity_privacy.crypto.terms import KeyKind
from identity_privacy.errors import Invalid

pytestmark = pytest.mark.django_db

ROW = UUID(int=7)
BLOCK = CHUNK_BYTES + TAG_BYTES
HEAD = 8


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of these tests are in nobody's way."""
    monkeypatch.setitem(files._files, "test.file", lambda key_ids: [])


def test_a_place_that_was_not_named_takes_no_file(tmp_path: Path, key_id: UUID) -> None:
    with pytest.raises(Invalid, match="register_files"):
        SealedWriter(tmp_path / "file", place="test.unnamed", row_id=ROW, key_id=key_id)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def key_id() -> UUID:
    return create_data_key(kind=KeyKind.REQUEST, controller_id=uuid4(), owner_id=uuid4())


def write(path: Path, key_id: UUID, content: bytes) -> None:
    with SealedWriter(path, place="test.file", row_id=ROW, key_id=key_id) as file:
        file.write(content)


def read(path: Path, key_id: UUID, row_id: UUID = ROW) -> bytes:
    with Reading(actor=Actor.service("test"), purpose="test", subject_id=None, reason="read a file"):
        return b"".join(open_file(path, place="test.file", row_id=row_id, key_id=key_id))


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_every_size_comes_back(tmp_path: Path, key_id: UUID, size: int) -> None:
    content = bytes(at % 251 for at in range(size))
    write(tmp_path / "file", key_id, content)
    assert content == read(tmp_path / "file", key_id)
    if size > 20:
        assert content[:20] not in (tmp_path / "file").read_bytes()


def cut(sealed: bytes) -> bytes:
    return sealed[: HEAD + 2 * BLOCK]


def cut_inside(sealed: bytes) -> bytes:
    return sealed[:-1]


def swapped(sealed: bytes) -> bytes:
    first, second = sealed[HEAD : HEAD + BLOCK], sealed[HEAD + BLOCK : HEAD + 2 * BLOCK]
    return sealed[:HEAD] + second + first + sealed[HEAD + 2 * BLOCK :]


def repeated(sealed: bytes) -> bytes:
    return sealed[: HEAD + BLOCK] + sealed[HEAD:]


def flipped(sealed: bytes) -> bytes:
    return sealed[:100] + bytes([sealed[100] ^ 1]) + sealed[101:]


@pytest.mark.parametrize("damage", [cut, cut_inside, swapped, repeated, flipped])
def test_damage_is_found(tmp_path: Path, key_id: UUID, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "file"
    write(path, key_id, b"a" * (2 * CHUNK_BYTES + 5))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WrongPlace):
        read(path, key_id)


def test_a_chunk_of_another_file_is_found(tmp_path: Path, key_id: UUID) -> None:
    write(tmp_path / "one", key_id, b"a" * CHUNK_BYTES * 2)
    write(tmp_path / "two", key_id, b"b" * CHUNK_BYTES * 2)
    one, two = (tmp_path / "one").read_bytes(), (tmp_path / "two").read_bytes()
    (tmp_path / "one").write_bytes(one[: HEAD + BLOCK] + two[HEAD + BLOCK :])
    with pytest.raises(WrongPlace):
        read(tmp_path / "one", key_id)


def test_a_file_belongs_to_its_row(tmp_path: Path, key_id: UUID) -> None:
    write(tmp_path / "file", key_id, b"Alice")
    with pytest.raises(WrongPlace):
        read(tmp_path / "file", key_id, UUID(int=8))


def test_another_format_is_named_as_such(tmp_path: Path, key_id: UUID) -> None:
    (tmp_path / "file").write_bytes(b"PK\x03\x04")
    with pytest.raises(UnreadableSeal):
        read(tmp_path / "file", key_id)


def test_without_a_reading_nothing_opens(tmp_path: Path, key_id: UUID) -> None:
    write(tmp_path / "file", key_id, b"Alice")
    with pytest.raises(OpenedWithoutReading):
        open_file(tmp_path / "file", place="test.file", row_id=ROW, key_id=key_id)


def test_an_unfinished_file_never_appears(tmp_path: Path, key_id: UUID) -> None:
    class Interrupted(Exception):
        pass

    def interrupted() -> None:
        with SealedWriter(tmp_path / "file", place="test.file", row_id=ROW, key_id=key_id) as file:
            file.write(b"Alice")
            raise Interrupted

    with pytest.raises(Interrupted):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_needs_little_memory(tmp_path: Path, key_id: UUID) -> None:
    tracemalloc.start()
    with SealedWriter(tmp_path / "file", place="test.file", row_id=ROW, key_id=key_id) as file:
        for _ in range(320):
            file.write(bytes(100_000))
    with Reading(actor=Actor.service("test"), purpose="test", subject_id=None, reason="read a file"):
        size = sum(len(part) for part in open_file(tmp_path / "file", place="test.file", row_id=ROW, key_id=key_id))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size == 32_000_000
    assert peak < 4_000_000


def test_nothing_comes_out_after_the_reading(tmp_path: Path, key_id: UUID) -> None:
    write(tmp_path / "file", key_id, b"a" * 2 * CHUNK_BYTES)
    with Reading(actor=Actor.service("test"), purpose="test", subject_id=None, reason="read a file"):
        chunks = open_file(tmp_path / "file", place="test.file", row_id=ROW, key_id=key_id)
        assert next(chunks)
    with pytest.raises(OpenedWithoutReading):
        next(chunks)


@pytest.mark.parametrize("content", [b"", b"\x02", b"\x02abc"])
def test_a_stub_of_a_file_is_named_as_such(tmp_path: Path, key_id: UUID, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UnreadableSeal):
        read(tmp_path / "file", key_id)
